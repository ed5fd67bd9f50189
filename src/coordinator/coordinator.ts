/** The verbs: the only code that changes the state of a job. */
import type { Task } from '../engine/engine.ts'
import type { Asset } from '../job/asset.ts'
import type { FilmManifest, Job } from '../job/job.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { Progress } from '../job/progress.ts'
import type { Failure, Scene } from '../job/scene.ts'

export interface JobFilter {
  readonly status?: JobStatus
  readonly type?: string
  /** Free members of `parameters`, such as campaign_id, that must be equal (as text). */
  readonly labels?: Readonly<Record<string, string>>
  /** 1 to 200. */
  readonly limit: number
  /** Only jobs older than the one with this id: the last id of the page before. */
  readonly before?: number
}

export interface Coordinator {
  /** Checks, plans and keeps a job; nothing is rendered before it is approved. @throws {RefusedError} `invalid` */
  createJob(request: unknown): Promise<Job>
  /** The job may spend from now on. On disk when this resolves. @throws {RefusedError} `job_not_found`, `transition_refused` */
  approveJob(jobId: number): Promise<Job>
  /** Tells how far a processing job is; a lower percentage than before is not taken. @throws {RefusedError} */
  updateProgress(jobId: number, progress: Progress): Promise<Job>
  /** Ends a processing job well, with a small result's bytes or a film in the artifact store. @throws {RefusedError} */
  completeJob(jobId: number, result: Uint8Array | FilmManifest): Promise<Job>
  /** Ends a processing job with a reason. @throws {RefusedError} */
  failJob(jobId: number, failure: string | Failure): Promise<Job>

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
  /** Keeps what is known of an uploaded photograph; the same one twice is kept once. */
  addAsset(asset: Omit<Asset, 'insertedAt'>): Promise<Asset>

  /** Jobs that are approved or processing, oldest approval first. Read from the rows, so true at any time. */
  activeJobs(): Promise<
    readonly { readonly job_id: number; readonly status: JobStatus; readonly progress: Progress }[]
  >
  /** The tasks that run in this process now. */
  processingTasks(): readonly Task[]
}
