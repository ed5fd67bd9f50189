/** Limits how many jobs may be open (not ended) at once: counting, scheduling and listing read all of them. */
import { RefusedError } from '../../job/errors.ts'
import type { Transaction } from '../../store/database.ts'
import { countOpenJobs } from '../../store/jobs.ts'

const mostOpenJobs = { ofClient: 20_000, inAll: 100_000 }

/** Clients whose counts are cached. */
const mostCounted = 10_000

export interface OpenJobsQuota {
  /** Counts a new job. @throws {RefusedError} `too_many` */
  require(tx: Transaction, clientId: string): Promise<void>
}

/** Counts again when a twentieth of the free quota is used: counting thousands of rows for each job would cost more than the job. */
export function createOpenJobsQuota(): OpenJobsQuota {
  /** Jobs that may be created before the next count, by `client_id`. */
  const ofClients = new Map<string, number>()
  let ofAll = 0

  return {
    async require(tx, clientId) {
      const { ofClient, inAll } = mostOpenJobs
      const whose = clientId === '' ? 'Without a client_id there are' : `${clientId} has`
      const own = ofClients.get(clientId) || (await freeUntilCount(tx, ofClient, whose, clientId))
      ofAll ||= await freeUntilCount(tx, inAll, 'There are')
      if (ofClients.size >= mostCounted) ofClients.clear()
      ofClients.set(clientId, own - 1)
      ofAll--
    },
  }
}

const tooMany = (whose: string, limit: number): RefusedError =>
  new RefusedError('Too many jobs', {
    code: 'too_many',
    reason: `${whose} ${limit} jobs that have not ended, which is the limit: wait for some, or cancel some`,
    limit,
  })

/** Jobs that may be created before the next count. @throws {RefusedError} `too_many` */
async function freeUntilCount(
  tx: Transaction,
  limit: number,
  whose: string,
  clientId?: string,
): Promise<number> {
  const count = await countOpenJobs(tx, clientId)
  if (count >= limit) throw tooMany(whose, limit)
  return Math.ceil((limit - count) / 20)
}
