/** The rows of a run, read from the server itself and not through a node. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Cluster } from './cluster.ts'
import type { Evidence } from './judge.ts'

export interface Rows extends Pick<Evidence, 'events' | 'deliveries' | 'films' | 'files'> {
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
    const events = await client.query('select id, type, job_id, scene_id from events order by id')
    const open = await client.query(
      `select id, status from attempts where status in ('intended', 'unknown', 'held', 'submitted')`,
    )
    const deliveries = await client.query('select id, event_id, status, ended_at from webhook_deliveries')
    const films = await client.query('select job_id, count(*) as versions from films group by job_id')
    const files = await client.query(
      `select film as id from films union select thumbnail from films union select clip from scenes
       union select source from scenes union select artifact from renders union select artifact from seams union select id from assets union select fetched from attempts`,
    )
    return {
      events: events.rows.map(({ id, type, job_id: job, scene_id: scene }) => ({
        id: Number(id),
        type,
        job: Number(job),
        scene,
      })),
      deliveries: deliveries.rows.map(({ id, event_id: event, status, ended_at: endedAt }) => ({
        id,
        event: Number(event),
        status,
        endedAt: endedAt === null ? null : Number(endedAt),
      })),
      films: films.rows.map(({ job_id: job, versions }) => ({
        job: Number(job),
        versions: Number(versions),
      })),
      files: new Set(files.rows.flatMap(({ id }) => (id === null ? [] : [id]))),
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
    const isSent = rows.deliveries.every(({ status }) => status === 'delivered')
    if ((rows.tasks === 0 && isSent && isSettled(rows)) || performance.now() > deadline) return rows
    await sleep(500)
  }
}
