/**
 * What several nodes cost each other on one PostgreSQL: lifecycles a second, round trips, collisions and repeats. Each node is
 * a process that does what it admitted itself; the engine keeps the rows of tasks, but runs them from memory.
 * Run: node bench/contention.ts postgres://... [--nodes 3] [--in-flight 64] [--jobs 1000] [--slots 64]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createCoordinator } from '../src/coordinator/coordinator.ts'
import type { Engine, TaskHandler } from '../src/engine/engine.ts'
import { createPubSub } from '../src/events/pubsub.ts'
import { systemHost } from '../src/host.ts'
import { readCatalogue } from '../src/job/catalogue.ts'
import type { Task, TaskKind } from '../src/job/task.ts'
import type { Database, DatabaseCounts } from '../src/store/database.ts'
import { openPostgres } from '../src/store/postgres.ts'
import { deleteTask } from '../src/store/tasks.ts'
import { addAssets, migrated } from '../test/harness/data.ts'
import { localRenderer, silentLog } from '../test/harness/harness.ts'
import { jobRequest, quantile } from './harness.ts'

const { values, positionals } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3' },
    'in-flight': { type: 'string', default: '64' },
    jobs: { type: 'string', default: '1000' },
    slots: { type: 'string', default: '64' },
    schema: { type: 'string' },
  },
  allowPositionals: true,
})
const [connectionString = ''] = positionals
const [nodes, inFlight, jobs, slots] = [values.nodes, values['in-flight'], values.jobs, values.slots].map(
  Number,
)

/** Runs what this process enqueued, after the commit. */
function createDirectEngine(): Engine {
  const handlers = new Map<TaskKind, TaskHandler>()
  const signal = new AbortController().signal
  const run = (task: Task): void => {
    setImmediate(() => {
      void handlers.get(task.kind)!(task, { signal, stopping: signal })
    })
  }
  return {
    async enqueue(tx, task) {
      await tx.write(
        'insert into tasks (kind, subject, job_id, run_at, tries) values ($1, $2, $3, $4, 0) on conflict (kind, subject) do nothing',
        [task.kind, task.subject, task.jobId, systemHost.now()],
      )
      tx.afterCommit(() => run(task))
    },
    cancel: async (tx, task) => void (await deleteTask(tx, task)),
    finish: async (tx, task) => void (await deleteTask(tx, task)),
    handle: (kind, _, handler) => void handlers.set(kind, handler),
    start: () => Promise.resolve(),
    wake() {},
    stop: () => Promise.resolve(),
    running: () => [],
  }
}

const open = (schema: string, onQuery?: (database: Database) => Database): Promise<Database> =>
  openPostgres({ connectionString, schema }).then(onQuery ?? ((database) => database))

async function node(schema: string): Promise<void> {
  const database = await open(schema)
  const engine = createDirectEngine()
  const pubsub = createPubSub(() => {})
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host: systemHost,
    log: silentLog,
    renderers: [localRenderer(slots!)],
    catalogue: readCatalogue(),
  })
  const latency: number[] = []
  const ended = new Map<number, () => void>()
  engine.handle('render-scene', { concurrency: 1, onExhausted: () => Promise.resolve() }, async (task) => {
    const work = await coordinator.beginAttempt(task.subject)
    for (const percentage of [20, 40, 60, 80])
      await coordinator.updateProgress(work!.job.id, { percentage, stage: 'rendering' })
    const { format } = work!.job.storyboard
    const clip = jobRequest.parameters.photos![0]!.asset_id
    await coordinator.sceneRendered(task.subject, { clip, source: clip, place: '' }, format)
  })
  engine.handle('join-clips', { concurrency: 1, onExhausted: () => Promise.resolve() }, () =>
    Promise.resolve(),
  )
  engine.handle('stitch-film', { concurrency: 1, onExhausted: () => Promise.resolve() }, async (task) => {
    await coordinator.completeJob(task.jobId, new Uint8Array([1]))
    process.send!({ ended: task.jobId })
  })
  process.on('unhandledRejection', (error) => process.send!({ failed: String(error) }))
  process.on('message', (message: { ended?: number; work?: number; each?: number }) => {
    if (message.ended !== undefined) {
      ended.get(message.ended)?.()
      ended.delete(message.ended)
    }
    if (message.work === undefined) return
    void work(message.work, message.each!).then(() =>
      process.send!({ done: true, counts: database.counts!(), latency }),
    )
  })
  await coordinator.start()
  process.send!({ ready: true })

  async function work(most: number, together: number): Promise<void> {
    latency.length = 0
    let next = 0
    await Promise.all(
      Array.from({ length: together }, async () => {
        while (next++ < most) {
          const began = performance.now()
          const job = await coordinator.createJob(jobRequest)
          const done = new Promise<void>((resolve) => ended.set(job.id, resolve))
          await coordinator.approveJob(job.id)
          await done
          latency.push(performance.now() - began)
        }
      }),
    )
  }
}

interface Done {
  readonly counts: DatabaseCounts
  readonly latency: number[]
}

async function main(): Promise<void> {
  const schema = `bench_${systemHost.id().replaceAll('-', '')}`
  const database = await migrated(await open(schema))
  await addAssets(database, 1)
  const children = Array.from({ length: nodes! }, () =>
    fork(import.meta.filename, [connectionString, '--schema', schema, '--slots', String(slots)], {
      stdio: 'inherit',
    }),
  )
  try {
    for (const child of children)
      child.on('message', (message: { ended?: number; failed?: string }) => {
        if (message.failed !== undefined) console.log('failed:', message.failed)
        if (message.ended !== undefined) for (const one of children) one.send({ ended: message.ended })
      })
    const heard = <T>(child: (typeof children)[number], name: string): Promise<T> =>
      new Promise((resolve) => {
        const hear = (message: object): void => {
          if (!(name in message)) return
          child.off('message', hear)
          resolve(message as T)
        }
        child.on('message', hear)
      })
    await Promise.all(children.map((child) => heard(child, 'ready')))
    const round = (most: number): Promise<Done[]> =>
      Promise.all(
        children.map((child) => {
          const done = heard<Done>(child, 'done')
          child.send({ work: Math.ceil(most / nodes!), each: Math.ceil(inFlight! / nodes!) })
          return done
        }),
      )
    const before = await round(Math.ceil(jobs! / 10))
    const began = performance.now()
    const after = await round(jobs!)
    const seconds = (performance.now() - began) / 1000
    const sum = (name: keyof DatabaseCounts): number =>
      after.reduce((total, { counts }, index) => total + counts[name] - before[index]!.counts[name], 0)
    const latency = after.flatMap((one) => one.latency)
    const each = (name: keyof DatabaseCounts): string => (sum(name) / jobs!).toFixed(2)
    console.log(
      `${nodes} nodes, ${inFlight} in flight: ${(jobs! / seconds).toFixed(0)} lifecycles/s, p50 ${quantile(latency, 0.5).toFixed(0)} ms, p99 ${quantile(latency, 0.99).toFixed(0)} ms; a lifecycle: ${each('transactions')} transactions, ${each('roundTrips')} round trips, ${each('collisions')} collisions, ${each('retries')} retries; given up: ${sum('givenUp')}`,
    )
  } finally {
    for (const child of children) {
      child.disconnect()
      child.kill()
      await once(child, 'exit').catch(() => {})
    }
    await database.transaction((tx) => tx.run(`drop schema ${schema} cascade`))
    await database.close()
  }
}

if (values.schema === undefined) await main()
else await node(values.schema)
