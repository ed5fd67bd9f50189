/** How long the tasks of a killed node wait until another node runs them: read from the rows of the engine. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'

export interface Takeovers {
  /** Begins to watch the tasks of a node that was killed at this moment. */
  begin(): void
  /** Resolves when all are taken over. */
  ended(): Promise<readonly Takeover[]>
}

export interface Takeover {
  readonly ms: number
  /** Whether PostgreSQL was restarted meanwhile. */
  readonly isDisturbed: boolean
}

interface Claim {
  readonly id: string
  readonly runs: number
  readonly state: string
  readonly subject: string
  readonly heardAt: number
}

const lookMs = 250
/** Nodes that live send heartbeats more often. */
const silentMs = 6000
const longestMs = 120_000

export function measureTakeovers(connectionString: string): Takeovers {
  const watches: Promise<readonly Takeover[]>[] = []
  return {
    begin: () => void watches.push(watch(connectionString)),
    ended: async () => (await Promise.all(watches)).flat(),
  }
}

async function watch(connectionString: string): Promise<readonly Takeover[]> {
  const begun = performance.now()
  const after = (): number => performance.now() - begun
  const took: number[] = []
  let isDisturbed = false
  let held: readonly Claim[] | undefined
  while (held === undefined || held.length > 0) {
    if (after() > longestMs)
      throw new Error(`tasks of a killed node were not taken over: ${JSON.stringify(held)}`)
    const now = await claims(connectionString).catch(() => undefined)
    if (!now) {
      isDisturbed = true
      await sleep(lookMs)
    } else if (!held) held = now.filter(({ state }) => state === 'active')
    else {
      // What beats, or ended before it could be taken for dead, is another node's.
      const left = held.filter((claim) => isSilent(claim, now))
      if (after() > silentMs)
        took.push(...Array.from({ length: held.length - left.length }, () => Math.round(after())))
      held = left
      await sleep(lookMs)
    }
  }
  return took.map((ms) => ({ ms, isDisturbed }))
}

/** Whether nobody has claimed the task, or put it back, since. */
function isSilent(claim: Claim, now: readonly Claim[]): boolean {
  const same = now.find(({ id }) => id === claim.id)
  if (!same) return false
  if (same.runs === claim.runs) return same.heardAt === claim.heardAt
  return same.state !== 'active'
}

async function claims(connectionString: string): Promise<readonly Claim[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 2000, query_timeout: 2000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query(
      `select id, retry_count as runs, state::text, name || ' ' || singleton_key as subject,
         coalesce(extract(epoch from heartbeat_on) * 1000, 0)::float8 as "heardAt"
       from workflow_tasks.job where state < 'completed'`,
    )
    return rows
  } finally {
    await client.end()
  }
}
