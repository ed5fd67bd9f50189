/** The verbs: the only code that changes the state of a job. */
import type { Engine } from '../engine/engine.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { Asset } from '../job/asset.ts'
import type { FilmManifest, Job } from '../job/job.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { PriceBook } from '../job/price.ts'
import type { Progress } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'
import type { Task } from '../job/task.ts'
import { type Log, logLine } from '../log.ts'
import { listInFlight } from '../store/attempts.ts'
import type { Database } from '../store/database.ts'
import { countActiveJobs, listUnstitched } from '../store/jobs.ts'
import { type RendererLimit, createAdmission } from './admission.ts'
import { createJobVerbs } from './job-verbs.ts'
import { createReading } from './reading.ts'
import { type SceneVerbs, createSceneVerbs } from './scene-verbs.ts'
import { createTell } from './tell.ts'

export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly type?: string | undefined
  /** Free members of `parameters`, such as campaign_id, that must be equal (as text). */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** 1 to 200. */
  readonly limit: number
  /** Only jobs older than the one with this id: the last id of the page before. */
  readonly before?: number | undefined
}

export interface JobVerbs {
  /** Checks, plans and keeps a job; nothing is rendered before it is approved. @throws {RefusedError} `invalid` */
  createJob(request: unknown): Promise<Job>
  /** The job may spend from now on. On disk when this resolves. @throws {RefusedError} `job_not_found`, `transition_refused` */
  approveJob(jobId: number): Promise<Job>
  /** Tells how far a processing job is; a lower percentage than before is not taken. @throws {RefusedError} */
  updateProgress(jobId: number, progress: Progress): Promise<void>
  /** Ends a processing job well, with a small result's bytes or a film in the artifact store. @throws {RefusedError} */
  completeJob(jobId: number, result: Uint8Array | FilmManifest): Promise<void>
  /** Ends a processing job with a reason. @throws {RefusedError} */
  failJob(jobId: number, failure: string | Failure): Promise<void>
  /** Keeps what is known of an uploaded photograph; the same one twice is kept once. */
  addAsset(asset: Omit<Asset, 'insertedAt'>): Promise<Asset>
}

export interface Reading {
  /** @throws {RefusedError} `job_not_found` */
  job(jobId: number): Promise<Job>
  /** Newest first. `nextBefore` is what to pass as `before` for the next page; null at the end. */
  jobs(filter: JobFilter): Promise<{ readonly jobs: readonly Job[]; readonly nextBefore: number | null }>
  /** In the storyboard's order. @throws {RefusedError} `job_not_found` */
  scenes(jobId: number): Promise<readonly Scene[]>
  /** @throws {RefusedError} `job_not_found`, `scene_not_found`, `scene_of_another_job` */
  scene(jobId: number, sceneId: string): Promise<Scene>
  /** @throws {RefusedError} `job_not_found`, `not_ready` */
  film(jobId: number): Promise<FilmManifest>
  /** What `completeJob` was given, as bytes; undefined before. @throws {RefusedError} `job_not_found` */
  result(jobId: number): Promise<Uint8Array | undefined>
  /** @throws {RefusedError} `asset_not_found` */
  asset(assetId: string): Promise<Asset>
  /** Jobs that are approved or processing, oldest approval first. Read from the rows, so true at any time. */
  activeJobs(): Promise<
    readonly { readonly job_id: number; readonly status: JobStatus; readonly progress: Progress }[]
  >
  /** The tasks that run in this process now. */
  processingTasks(): readonly Task[]
}

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
