/** The rows of a run, read from the server itself and not through a node. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Cluster } from './cluster.ts'
import type { EventRow } from './judge.ts'

export interface Rows {
  readonly events: readonly EventRow[]
  /** Of the engine, without those that run as long as the nodes do. */
  readonly tasks: number
  readonly undecided: readonly string[]
}

/** How long who listens may lag behind the last film. */
const settleMs = 90_000

export async function readRows({ postgresUrl }: Pick<Cluster, 'postgresUrl'>): Promise<Rows> {
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    const events = await client.query('select id, type, job_id from events order by id')
    const open = await client.query(
      `select id, status from attempts where status in ('intended', 'unknown', 'held', 'submitted')`,
    )
    return {
      events: events.rows.map(({ id, type, job_id: job }) => ({ id: Number(id), type, job: Number(job) })),
      tasks: await countTasks(client),
      undecided: open.rows.map(({ id, status }) => `the attempt ${id} is ${status}`),
    }
  } finally {
    await client.end()
  }
}

async function countTasks(client: Client): Promise<number> {
  const counted = await client.query('select count(*) from tasks')
  return Number(counted.rows[0].count)
}

/** Reads until `isSettled` and no task is left, or it took too long. */
export async function settled(cluster: Cluster, isSettled: (rows: Rows) => boolean): Promise<Rows> {
  const deadline = performance.now() + settleMs
  for (;;) {
    const rows = await readRows(cluster)
    if ((rows.tasks === 0 && isSettled(rows)) || performance.now() > deadline) return rows
    await sleep(500)
  }
}
