/**
 * Opens pg-boss and its tables, in a schema of their own. Beside them: the view `tasks`, in which statements of other rooms
 * see waiting and running tasks as they do on SQLite, and the check of a run's fence.
 */
import { PgBoss } from 'pg-boss'
import type { Log } from '../log.ts'
import { logLine } from '../log.ts'
import { type TaskKind, taskKinds } from '../job/task.ts'
import type { Database, Reader, Row, SqlValue, Transaction } from '../store/database.ts'
import { createServers } from '../store/postgres-servers.ts'
import { jsonOrNull } from '../store/sql.ts'

export interface BossOptions {
  readonly database: Database
  readonly connectionString: string
  /** Schema of pg-boss's tables, created if missing. */
  readonly schema: string
  readonly log: Log
}

/** What a task's row says beside its kind and subject. */
export interface TaskData {
  readonly jobId: number
  readonly tries: number
  /** How often a process died while it ran. */
  readonly crashes: number
  /** When the last of these was noticed, ms since the epoch, while the task waits for its restart. */
  readonly crashedAt?: number
}

/** What pg-boss keeps of a task. */
export interface StoredData extends TaskData {
  readonly subject: string
}

export const stored = (subject: string, data: TaskData): StoredData => ({ subject, ...data })

/** For fetches, heartbeats and supervision; transactions use the database's own connections. */
const connections = 3
/** After this long without a heartbeat, a task is taken over. pg-boss allows no less. */
const heartbeatSeconds = 10
const tenYearsSeconds = 10 * 365 * 86_400

export type QueueName = TaskKind | 'lead'
export const queueNames: readonly QueueName[] = [...taskKinds, 'lead']

/** Nothing that pg-boss does by itself ends a task: only its handler, a cancel, or the last try does. */
const queueOptions = {
  heartbeatSeconds,
  retryLimit: 1_000_000_000,
  retryDelay: 0,
  retryBackoff: false,
  // The longest it allows. A run that takes longer is begun again.
  expireInSeconds: 86_400,
  // A waiting task is never removed as too old.
  retentionSeconds: tenYearsSeconds,
  deleteAfterSeconds: 3600,
}

export interface OpenBoss {
  readonly boss: PgBoss
  close(): Promise<void>
}

/** pg-boss's own connections know one address alone, and notice no silent server. */
function openConnections(connectionString: string) {
  const servers = createServers({
    connectionString,
    poolSize: connections,
    settings: `set statement_timeout = '30s'`,
    isPipelined: false,
  })
  return {
    async executeSql(text: string, values?: unknown[]) {
      const client = await servers.connect()
      let isBroken = true
      try {
        const result = await client.query(text, values)
        isBroken = false
        return result
      } finally {
        // After an error it may be in the midst of a transaction.
        servers.release(client, isBroken)
      }
    },
    close: () => servers.close(),
  }
}

/** Several nodes may call it at once, of two versions, too: pg-boss migrates its tables under a lock. */
export async function openBoss(options: BossOptions): Promise<OpenBoss> {
  const { database, connectionString, schema, log } = options
  const db = openConnections(connectionString)
  const boss = new PgBoss({
    db,
    schema,
    schedule: false,
    // `pg-boss.ts` calls it, except after an outage.
    supervise: false,
    monitorIntervalSeconds: 1,
    registerInstance: false,
  })
  // Without a listener, an error would end the process.
  boss.on('error', (error) => logLine.queueTrouble(log, error))
  const close = async (): Promise<void> => {
    await boss.stop({ graceful: false })
    await db.close()
  }
  try {
    await boss.start()
    const known = new Map((await boss.getQueues([...queueNames])).map((queue) => [queue.name, queue]))
    for (const name of queueNames)
      if (known.has(name)) await boss.updateQueue(name, queueOptions)
      else
        await boss.createQueue(name, { ...queueOptions, policy: name === 'lead' ? 'exclusive' : 'stately' })
    await prepareSchema(database, boss, schema)
    return { boss, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** When a task's crash was noticed; null unless it still waits. An index needs the same text. */
const crashedAtOf = `(case when state < 'active' then (data ->> 'crashedAt')::bigint end)`
const jobIdOf = `((data ->> 'jobId')::bigint)`

/**
 * Serializable transactions collide with each writer of an index page that they have read. So the fence and the end of a task
 * read one where tasks of the same time are in different pages, and limits read one that holds crashed tasks alone.
 */
const objects = (schema: string): readonly string[] => [
  `drop index if exists ${schema}.tasks_active`,
  `create index if not exists tasks_by_id on ${schema}.job_common using hash ((id::text)) with (fillfactor = 10)`,
  `create index if not exists tasks_of_job on ${schema}.job_common (${jobIdOf})`,
  `create index if not exists tasks_crashed on ${schema}.job_common (name, singleton_key) where ${crashedAtOf} is not null`,
  `create index if not exists tasks_crashed_of_job on ${schema}.job_common (${jobIdOf}) where ${crashedAtOf} is not null`,
  // Locks the row against a takeover, which deletes and inserts it, and not against heartbeats.
  `create or replace function ${schema}.holds_task(task text, run integer) returns boolean
     language plpgsql set enable_seqscan = off as $$
     begin
       perform 1 from ${schema}.job_common where ${isHeld('task', 'run')} for key share;
       return found;
     end $$`,
]

/** SQL: the run still holds the task. As expressions, its id and state keep pg-boss's own indexes out of the plan. */
export const isHeld = (id: string, run: string): string =>
  `id::text = ${id}::text and state::text = 'active' and retry_count = ${run}::integer`

const tasksView = (schema: string): string => `create view tasks as select
  name as kind, singleton_key as subject, ${jobIdOf} as job_id,
  coalesce((data ->> 'tries')::bigint, 0) as tries,
  (extract(epoch from start_after) * 1000)::bigint as run_at,
  (case when state = 'active' then 1 else 0 end)::bigint as running,
  coalesce((data ->> 'crashes')::bigint, 0) as crashes,
  ${crashedAtOf} as crashed_at
  from ${schema}.job_common where name <> 'lead' and state < 'completed'`

/** Raised with each change of the objects above, which a node of the version before must be able to use. */
const version = 2

async function isPrepared(database: Database, schema: string): Promise<boolean> {
  const row = await database.get(
    `select obj_description(to_regprocedure($1)) as version, to_regclass('tasks') is not null and
       (select relkind = 'v' from pg_class where oid = to_regclass('tasks')) as replaced`,
    [`${schema}.holds_task(text, integer)`],
  )
  // An older node leaves those of a newer one.
  return Number(row?.['version'] ?? 0) >= version && row?.['replaced'] === 1
}

async function prepareSchema(database: Database, boss: PgBoss, schema: string): Promise<void> {
  if (await isPrepared(database, schema)) return
  for (let triesLeft = 5; ; triesLeft--) {
    try {
      await database.transaction(async (tx) => {
        await tx.get(`select pg_advisory_xact_lock(hashtext('workflow-coordinator tasks'))`)
        for (const statement of objects(schema)) await tx.run(statement)
        await tx.run(`comment on function ${schema}.holds_task(text, integer) is '${version}'`)
        await adoptTable(tx, boss, schema)
      })
      return
    } catch (error) {
      // Another node has done it since this transaction's snapshot.
      if (triesLeft === 0) throw error
    }
  }
}

/** Gives the tasks of the embedded engine's table to pg-boss, and replaces the table with the view. */
async function adoptTable(tx: Transaction, boss: PgBoss, schema: string): Promise<void> {
  const table = await tx.get(`select relkind::text as kind from pg_class where oid = to_regclass('tasks')`)
  if (table?.['kind'] === 'v') return
  const rows = await tx.all('select * from tasks')
  for (const kind of taskKinds) {
    const jobs = rows.filter((row) => row['kind'] === kind).map(adopted)
    if (jobs.length > 0) await boss.insert(kind, jobs, { db: statementsOf(tx) })
  }
  await tx.run('drop table tasks')
  await tx.run(tasksView(schema))
  // Times here are the server's: a node whose clock was set back has none to move.
  await tx.run('create rule tasks_times as on update to tasks do instead nothing')
}

/** A task that ran was cut off: its process has ended since, or its rows would not be here. */
function adopted(row: Row) {
  const { subject, job_id: jobId, tries, crashes, running, run_at: runAt, crashed_at: crashedAt } = row
  const data: TaskData = {
    jobId: Number(jobId),
    tries: Number(tries),
    crashes: Number(crashes) + Number(running),
    ...(crashedAt !== null && { crashedAt: Number(crashedAt) }),
  }
  return {
    singletonKey: String(subject),
    data: stored(String(subject), data),
    startAfter: new Date(Number(runAt)).toISOString(),
  }
}

/** Of `queues`, those with tasks that may begin now; and whether the heartbeats of any task are missing. */
export async function lookAtQueues(
  reader: Reader,
  schema: string,
  queues: readonly { readonly name: QueueName }[],
): Promise<{ readonly due: ReadonlySet<string>; readonly isOverdue: boolean }> {
  const row = await reader.get(
    `select (select json_agg(name) from json_array_elements_text($1::json) as queues (name)
         where exists (select 1 from ${schema}.job_common as waiting where waiting.name = queues.name
           and state < 'active' and not blocked and start_after <= ${schema}.job_now())) as due,
       exists (select 1 from ${schema}.job_common
         where state = 'active' and heartbeat_on + heartbeat_seconds * interval '1s' < ${schema}.job_now()) as overdue`,
    [JSON.stringify(queues.map(({ name }) => name))],
  )
  return { due: new Set(jsonOrNull<string[]>(row!, 'due') ?? []), isOverdue: row!['overdue'] === 1 }
}

/** Lets pg-boss run its statements in our transaction. */
export const statementsOf = (tx: Transaction) => ({
  async executeSql(text: string, values: unknown[] = []) {
    const rows = await tx.all(text, values.map(asValue))
    return { rows: rows.map((row) => ({ ...row, ids: arrayOf(row['ids']) })) }
  },
})

/** The same for a statement whose answer nobody needs, which waits for no round trip. */
export const writesOf = (tx: Transaction) => ({
  async executeSql(text: string, values: unknown[] = []) {
    await tx.write(text, values.map(asValue))
    return { rows: [] }
  },
})

/** Its arrays hold ids and numbers. */
const asValue = (value: unknown): SqlValue =>
  Array.isArray(value)
    ? `{${value.map((item) => JSON.stringify(String(item))).join(',')}}`
    : // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- pg-boss gives text, numbers and null
      (value as SqlValue)

const arrayOf = (ids: unknown): readonly string[] =>
  typeof ids === 'string' ? ids.slice(1, -1).split(',').filter(Boolean) : []

/** The ids that a statement of pg-boss has changed. */
export const changedBy = (response: object): ReadonlySet<string> =>
  new Set('settled' in response && Array.isArray(response.settled) ? response.settled.map(String) : [])
