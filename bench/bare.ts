/**
 * What PostgreSQL and pg-boss do without a coordinator, as a process of its own: transactions that insert a row, and lifecycles of
 * pg-boss (insert a row and send in one transaction, fetch, complete).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import { PgBoss } from 'pg-boss'
import { together } from './harness.ts'

export interface BareSettings {
  readonly databaseUrl: string
  readonly inFlight: number
  readonly transactions: number
  readonly lifecycles: number
}

export interface Bare {
  readonly transactionsPerSecond: number
  readonly lifecyclesPerSecond: number
}

const queue = 'bare'

async function run({ databaseUrl, inFlight, transactions, lifecycles }: BareSettings): Promise<Bare> {
  // As many connections as a node has.
  const pool = new Pool({ connectionString: databaseUrl, max: 10 })
  await pool.query(
    'create table rows_of_bare (id bigint generated always as identity primary key, what text)',
  )
  const boss = new PgBoss({ connectionString: databaseUrl, max: 3, schedule: false, supervise: false })
  boss.on('error', () => undefined)
  await boss.start()
  await boss.createQueue(queue, { policy: 'standard' })

  const inTransaction = async (work: (client: PoolClient) => Promise<unknown>): Promise<void> => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await work(client)
      await client.query('commit')
    } finally {
      client.release()
    }
  }
  const insert = (client: PoolClient, index: number): Promise<unknown> =>
    client.query({
      name: 'insert',
      text: 'insert into rows_of_bare (what) values ($1)',
      values: [`row ${index}`],
    })

  const ended = new Map<string, () => void>()
  const over = new AbortController()
  let wake = (): void => {}
  /** As the engine of a node does it: one fetch at a time, woken by each send, and each job completed when it ends. */
  const worker = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const jobs = await boss.fetch<{ key: string }>(queue, { batchSize: 50 })
      for (const job of jobs)
        void boss.complete(queue, job.id).then(() => {
          ended.get(job.data.key)?.()
          ended.delete(job.data.key)
        })
      if (jobs.length > 0) continue
      const woken = new Promise<void>((resolve) => (wake = resolve))
      await Promise.race([woken, sleep(100)])
    }
  }
  const lifecycle = async (index: number): Promise<void> => {
    const key = String(index)
    const done = new Promise<void>((resolve) => ended.set(key, resolve))
    await inTransaction(async (client) => {
      await insert(client, index)
      const executeSql = async (text: string, values: unknown[] = []) => ({
        rows: (await client.query<object>(text, values)).rows,
      })
      await boss.send(queue, { key }, { db: { executeSql } })
    })
    wake()
    await done
  }
  const perSecond = async (count: number, work: (index: number) => Promise<void>): Promise<number> => {
    await together(Math.ceil(count / 10), inFlight, (index) => work(-index - 1))
    const begun = performance.now()
    await together(count, inFlight, work)
    return count / ((performance.now() - begun) / 1000)
  }

  const transactionsPerSecond = await perSecond(transactions, (index) =>
    inTransaction((client) => insert(client, index)),
  )
  const working = worker()
  const lifecyclesPerSecond = await perSecond(lifecycles, lifecycle)
  over.abort()
  await working
  await boss.stop({ graceful: false })
  await pool.end()
  return { transactionsPerSecond, lifecyclesPerSecond }
}

if (import.meta.main) {
  process.send!(await run(JSON.parse(process.argv[2]!) as BareSettings))
  process.disconnect()
}
