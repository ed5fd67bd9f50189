/** The verbs: the only code that changes the state of a job. */
import type { Engine } from '../engine/engine.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { PriceBook } from '../job/price.ts'
import { type Log, logLine } from '../log.ts'
import { listInFlight } from '../store/attempts.ts'
import type { Database } from '../store/database.ts'
import { countActiveJobs, listUnstitched } from '../store/jobs.ts'
import { type RendererLimit, createAdmission } from './admission.ts'
import { type JobVerbs, createJobVerbs } from './job-verbs.ts'
import { type Reading, createReading } from './reading.ts'
import { type SceneVerbs, createSceneVerbs } from './scene-verbs.ts'
import { createTell } from './tell.ts'

export interface Coordinator extends JobVerbs, Reading {}

/** The coordinator as those see it who wire the house and do its work. */
export interface RunningCoordinator extends Coordinator, SceneVerbs {
  /** Resumes what an earlier process left, then admits scenes. Call it after every task kind has its handler. */
  start(): Promise<void>
  /** Admits no more scenes. */
  stop(): Promise<void>
}

export interface CoordinatorOptions {
  readonly database: Database
  readonly engine: Engine
  readonly pubsub: PubSub
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly priceBook: PriceBook
  /** How often a scene may be tried in all. */
  readonly maxTries?: number
  /** The wait before a scene's second try; it doubles with each. */
  readonly retryDelayMs?: number
}

/** What may let another scene start: a job that may spend, a slot that came free. */
const admittingTopics = ['jobs:approved', 'scenes:completed', 'scenes:failed', 'scenes:retrying'] as const

export function createCoordinator(options: CoordinatorOptions): RunningCoordinator {
  const { database, engine, host, log, pubsub } = options
  const { maxTries = 3, retryDelayMs = 2000 } = options
  const tell = createTell(options)
  const admission = createAdmission({ ...options, tell })
  const subscriptions: (() => void)[] = []

  /** Each step is idempotent: a task that is already there is not added twice. */
  const recover = async (): Promise<void> => {
    const { approved, processing } = await countActiveJobs(database)
    logLine.recovering(log, { approved, processing })
    if (processing === 0) return
    const resumed = await database.transaction(async (tx) => {
      const attempts = await listInFlight(tx)
      for (const attempt of attempts)
        await engine.enqueue(tx, { kind: 'render-scene', subject: attempt.id, jobId: attempt.jobId })
      const unstitched = await listUnstitched(tx)
      for (const jobId of unstitched)
        await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
      return { renders: attempts.length, films: unstitched.length }
    })
    logLine.resuming(log, resumed)
  }

  return {
    ...createJobVerbs({ ...options, tell }),
    ...createSceneVerbs({ database, engine, host, log, tell, maxTries, retryDelayMs }),
    ...createReading(options),

    async start() {
      logLine.starting(log)
      await recover()
      await engine.start()
      for (const topic of admittingTopics) subscriptions.push(pubsub.subscribe(topic, admission.admitSoon))
      admission.admitSoon()
    },
    async stop() {
      for (const end of subscriptions.splice(0)) end()
      await admission.stop()
    },
  }
}
