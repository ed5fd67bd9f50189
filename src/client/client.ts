/**
 * The client of the HTTP API, for Node and browsers. It has a method for each operation of the OpenAPI
 * document, with the same name. Parameters and answers are the types of the server's schemas, imported as
 * types only.
 */
import type { z } from 'zod'
import type { AssetAnswer } from '../http/routes/assets.ts'
import type { AttentionAnswer } from '../http/routes/attention.ts'
import type { BatchAnswer } from '../http/routes/batches.ts'
import type { EventsAnswer, EventsTokenAnswer, HistoryAnswer } from '../http/routes/events.ts'
import type { ChangesAnswer } from '../http/routes/changes.ts'
import type { SpendAnswer } from '../http/routes/spend.ts'
import type { QueueAnswer, StatisticsAnswer } from '../http/routes/statistics.ts'
import type { FilmVersionsAnswer, ShownFilmAnswer } from '../http/routes/videos.ts'
import type {
  CancelAnswer,
  DeletedJobAnswer,
  JobPauseAnswer,
  RejectAnswer,
  RetryAnswer,
  SubmitAnswer,
} from '../http/routes/job-control.ts'
import type { ApprovedJobAnswer, JobAnswer, JobsAnswer } from '../http/routes/jobs.ts'
import type { KeyAnswer, KeysAnswer, NewKeyAnswer } from '../http/routes/keys.ts'
import type { FilmLinkAnswer } from '../http/routes/links.ts'
import type { LimitsAnswer } from '../http/routes/limits.ts'
import type { ModelsAnswer } from '../http/routes/models.ts'
import type { NodesAnswer } from '../http/routes/nodes.ts'
import type { BudgetsAnswer, EstimateAnswer, LedgerAnswer } from '../http/routes/money.ts'
import type {
  DeletedSceneAnswer,
  EditedAnswer,
  ResolvedSceneAnswer,
  SceneAnswer,
  ScenesAnswer,
} from '../http/routes/scenes.ts'
import type { SecretRotationAnswer } from '../http/routes/secret.ts'
import type { SessionAnswer } from '../http/routes/session.ts'
import type { AliveAnswer, ReadyAnswer } from '../http/routes/operations.ts'
import type { PrunedAnswer, StorageAnswer } from '../http/routes/storage.ts'
import type {
  DeliveriesAnswer,
  DeliveryAnswer,
  DeliveryDetailAnswer,
  EndpointAnswer,
  EndpointsAnswer,
  NewEndpointAnswer,
  SecretAnswer,
} from '../http/routes/webhooks.ts'
import type { EventType, JobEvent } from '../job/event.ts'
import type { keyRequest, rotationRequest } from '../job/key.ts'
import type { JobStatus } from '../job/lifecycle.ts'
import type { jobRequest } from '../job/request.ts'
import type {
  ApprovalRequest,
  Resolution,
  RetryRequest,
  SceneChange,
  approvalBatch,
  budgetChange,
  cancelBatch,
  changeBatch,
  jobChange,
  limitsChange,
  linkRequest,
  newScene,
  pauseRequest,
  rejection,
  retryBatch,
  seenRequest,
  whyRequest,
} from '../job/control-request.ts'
import type { pruneRequest } from '../job/storage.ts'
import type { endpointChange, endpointRequest } from '../job/webhook-request.ts'
import { type CallOptions, type ClientOptions, type Request, createSender } from './send.ts'
import { type EventsReset, type FollowOptions, follow } from './stream.ts'
import type { Bytes } from './upload.ts'
import { ended, waitForEnd } from './wait.ts'

export { ApiError, JobEndedError, type Problem } from './error.ts'
export type {
  AliveAnswer,
  ApprovalRequest,
  ApprovedJobAnswer,
  AssetAnswer,
  AttentionAnswer,
  BatchAnswer,
  BudgetsAnswer,
  CallOptions,
  CancelAnswer,
  ChangesAnswer,
  ClientOptions,
  DeletedJobAnswer,
  DeletedSceneAnswer,
  DeliveriesAnswer,
  DeliveryAnswer,
  DeliveryDetailAnswer,
  EditedAnswer,
  EndpointAnswer,
  EndpointsAnswer,
  EstimateAnswer,
  EventType,
  EventsAnswer,
  EventsReset,
  EventsTokenAnswer,
  FilmLinkAnswer,
  FilmVersionsAnswer,
  FollowOptions,
  HistoryAnswer,
  JobAnswer,
  JobEvent,
  JobPauseAnswer,
  JobStatus,
  JobsAnswer,
  KeyAnswer,
  KeysAnswer,
  LedgerAnswer,
  LimitsAnswer,
  ModelsAnswer,
  NewEndpointAnswer,
  NewKeyAnswer,
  NodesAnswer,
  PrunedAnswer,
  QueueAnswer,
  ReadyAnswer,
  RejectAnswer,
  Resolution,
  ResolvedSceneAnswer,
  RetryAnswer,
  RetryRequest,
  SceneAnswer,
  SceneChange,
  ScenesAnswer,
  SecretAnswer,
  SecretRotationAnswer,
  SessionAnswer,
  ShownFilmAnswer,
  SpendAnswer,
  StatisticsAnswer,
  StorageAnswer,
  SubmitAnswer,
}

type In<Schema extends z.ZodType> = z.input<Schema>

export interface JobsQuery {
  /** One status, or several separated by commas. */
  readonly status?: string
  readonly type?: string
  readonly client_id?: string
  /** Only jobs that need an approval. */
  readonly needs_approval?: 'true'
  readonly created_after?: string
  readonly created_before?: string
  /** Codes of waits, separated by commas: only jobs that wait so, or have a scene that does. */
  readonly waiting?: string
  /** Default: newest. */
  readonly order?: 'newest' | 'oldest'
  /** Text that the film's name contains. */
  readonly q?: string
  /** 1 to 200. */
  readonly limit?: number
  /** `next_cursor` of the previous page. */
  readonly cursor?: string
  /** Any other name filters by that member of the job's `parameters`. */
  readonly [member: string]: string | number | undefined
}

export interface LedgerQuery {
  readonly job_id?: number
  readonly client_id?: string
  readonly status?: string
  readonly from?: string
  readonly to?: string
  /** 1 to 500. */
  readonly limit?: number
  readonly cursor?: string
}

export interface SpendQuery {
  /** Default: `client,month`. */
  readonly group?: 'client' | 'month' | 'day' | 'client,month' | 'month,client' | 'client,day' | 'day,client'
  readonly client_id?: string
  /** The first month or day, such as 2026-11 or 2026-11-25, UTC. */
  readonly from?: string
  /** The last month or day. */
  readonly to?: string
}

export interface ChangesQuery {
  /** 1 to 200. */
  readonly limit?: number
  readonly cursor?: string
}

export interface StatisticsQuery {
  /** By hours, by six hours, by days. Default: 24h. */
  readonly window?: StatisticsAnswer['window']
}

export interface DeliveriesQuery {
  readonly status?: DeliveryAnswer['status']
  readonly limit?: number
  readonly cursor?: string
}

export interface EventsQuery {
  /** Only those of this job. */
  readonly job_id?: number
  /** One type, or several separated by commas. */
  readonly type?: string
  /** The id of the last known event; 0, the default, starts at the first. */
  readonly after?: number
  /** 1 to 500. */
  readonly limit?: number
}

export interface HistoryQuery {
  readonly after?: number
  readonly limit?: number
  /** Whether progress events are included. */
  readonly progress?: boolean
}

/**
 * Every method rejects with `ApiError` if the server refuses, and with the error of `fetch` if no answer
 * arrives.
 */
export interface Client {
  createJob(request: In<typeof jobRequest>, options?: CallOptions): Promise<JobAnswer>
  listJobs(query?: JobsQuery, options?: CallOptions): Promise<JobsAnswer>
  readJob(jobId: number, options?: CallOptions): Promise<JobAnswer>
  updateJob(jobId: number, change: In<typeof jobChange>, options?: CallOptions): Promise<JobAnswer>
  /**
   * Approves a job. Given the job as read, approves its revision and its cost; `approval` overrides either.
   */
  approveJob(
    job: number | JobAnswer,
    approval?: ApprovalRequest,
    options?: CallOptions,
  ): Promise<ApprovedJobAnswer>
  /** Rejects a job: it cannot be approved until it is submitted again. */
  rejectJob(jobId: number, request: In<typeof rejection>, options?: CallOptions): Promise<RejectAnswer>
  submitJob(jobId: number, why?: In<typeof whyRequest>, options?: CallOptions): Promise<SubmitAnswer>
  cancelJob(jobId: number, why?: In<typeof whyRequest>, options?: CallOptions): Promise<CancelAnswer>
  retryJob(jobId: number, request?: RetryRequest, options?: CallOptions): Promise<RetryAnswer>
  /** Deletes an ended job; its cost stays in the ledger. */
  deleteJob(jobId: number, options?: CallOptions): Promise<DeletedJobAnswer>
  pauseJob(jobId: number, why?: In<typeof whyRequest>, options?: CallOptions): Promise<JobPauseAnswer>
  resumeJob(jobId: number, options?: CallOptions): Promise<JobPauseAnswer>
  approveJobs(batch: In<typeof approvalBatch>, options?: CallOptions): Promise<BatchAnswer>
  retryJobs(batch: In<typeof retryBatch>, options?: CallOptions): Promise<BatchAnswer>
  /** Changes the priority of many jobs. */
  updateJobs(batch: In<typeof changeBatch>, options?: CallOptions): Promise<BatchAnswer>
  /** What needs a person: of each kind the number, and the first. */
  readAttention(
    query?: { readonly client_id?: string; readonly limit?: number },
    options?: CallOptions,
  ): Promise<AttentionAnswer>
  cancelJobs(batch: In<typeof cancelBatch>, options?: CallOptions): Promise<BatchAnswer>

  listScenes(jobId: number, options?: CallOptions): Promise<ScenesAnswer>
  /** Adds a scene at `position`, from 0; without it at the end. */
  addScene(jobId: number, scene: In<typeof newScene>, options?: CallOptions): Promise<EditedAnswer>
  readScene(jobId: number, sceneId: string, options?: CallOptions): Promise<SceneAnswer>
  updateScene(
    jobId: number,
    sceneId: string,
    change: SceneChange,
    options?: CallOptions,
  ): Promise<EditedAnswer>
  /** With `revision`, only if the storyboard has not changed since. */
  deleteScene(
    jobId: number,
    sceneId: string,
    seen?: In<typeof seenRequest>,
    options?: CallOptions,
  ): Promise<DeletedSceneAnswer>
  regenerateScene(
    jobId: number,
    sceneId: string,
    seen?: In<typeof seenRequest>,
    options?: CallOptions,
  ): Promise<EditedAnswer>
  resolveScene(
    jobId: number,
    sceneId: string,
    resolution: Resolution,
    options?: CallOptions,
  ): Promise<ResolvedSceneAnswer>

  /** The response, with its body unread. */
  film(jobId: number, options?: CallOptions): Promise<Response>
  /** The response, with its body unread. */
  filmVersion(jobId: number, version: number, options?: CallOptions): Promise<Response>
  /** Makes an earlier version the job's film again. */
  showFilm(jobId: number, version: number, options?: CallOptions): Promise<ShownFilmAnswer>
  listFilmVersions(jobId: number, options?: CallOptions): Promise<FilmVersionsAnswer>
  /** A link that shows the film without a key until it ends. */
  createFilmLink(
    jobId: number,
    request?: In<typeof linkRequest>,
    options?: CallOptions,
  ): Promise<FilmLinkAnswer>
  /** The response, with its body unread. */
  thumbnail(jobId: number, options?: CallOptions): Promise<Response>
  /** The response, with its body unread. */
  clip(jobId: number, sceneId: string, options?: CallOptions): Promise<Response>

  uploadAsset(photograph: Bytes, options?: CallOptions): Promise<AssetAnswer>
  readAsset(assetId: string, options?: CallOptions): Promise<AssetAnswer>
  /** How a scene will look, as a small clip; the response, with its body unread. */
  scenePreview(jobId: number, sceneId: string, options?: CallOptions): Promise<Response>
  /** The same as a picture. */
  sceneFrame(jobId: number, sceneId: string, options?: CallOptions): Promise<Response>
  /** A photograph, small; the response, with its body unread. */
  assetPicture(assetId: string, options?: CallOptions): Promise<Response>
  /** The response, with its body unread. */
  assetData(assetId: string, options?: CallOptions): Promise<Response>

  estimateJob(request: In<typeof jobRequest>, options?: CallOptions): Promise<EstimateAnswer>
  readLedger(query?: LedgerQuery, options?: CallOptions): Promise<LedgerAnswer>
  readSpend(query?: SpendQuery, options?: CallOptions): Promise<SpendAnswer>
  /** The same as CSV. */
  readSpendCsv(query?: SpendQuery, options?: CallOptions): Promise<string>
  listModels(options?: CallOptions): Promise<ModelsAnswer>
  readBudgets(options?: CallOptions): Promise<BudgetsAnswer>
  setBudgets(limits: In<typeof budgetChange>, options?: CallOptions): Promise<BudgetsAnswer>

  /** A page of stored events, oldest first. */
  listEvents(query?: EventsQuery, options?: CallOptions): Promise<EventsAnswer>
  /** A token for `?token=`, for `EventSource` in a browser, which cannot send a key. */
  createEventsToken(options?: CallOptions): Promise<EventsTokenAnswer>
  /** Events of all jobs, from now on or after an event. Endless; resumes after a lost connection. */
  events(
    options?: FollowOptions & { readonly types?: readonly EventType[] },
  ): AsyncGenerator<JobEvent, void, undefined>
  /** Events of one job, from its first; ends when the job has ended. Resumes after a lost connection. */
  watchJob(jobId: number, options?: FollowOptions): AsyncGenerator<JobEvent, void, undefined>
  /**
   * Resolves with the job once it is completed, at once if it already is. It keeps waiting while the job
   * waits, even for an approval, and while the server cannot be reached. Limit it by `signal`, such as
   * `AbortSignal.timeout(3_600_000)`.
   * @throws {JobEndedError} if the job failed or was cancelled
   */
  waitFor(jobId: number, options?: CallOptions): Promise<JobAnswer>
  readHistory(jobId: number, query?: HistoryQuery, options?: CallOptions): Promise<HistoryAnswer>

  listWebhookEndpoints(query?: { readonly job_id?: number }, options?: CallOptions): Promise<EndpointsAnswer>
  addWebhookEndpoint(endpoint: In<typeof endpointRequest>, options?: CallOptions): Promise<NewEndpointAnswer>
  readWebhookEndpoint(endpointId: string, options?: CallOptions): Promise<EndpointAnswer>
  changeWebhookEndpoint(
    endpointId: string,
    change: In<typeof endpointChange>,
    options?: CallOptions,
  ): Promise<EndpointAnswer>
  removeWebhookEndpoint(endpointId: string, options?: CallOptions): Promise<void>
  readWebhookSecret(endpointId: string, options?: CallOptions): Promise<SecretAnswer>
  rotateWebhookSecret(endpointId: string, options?: CallOptions): Promise<SecretAnswer>
  testWebhookEndpoint(endpointId: string, options?: CallOptions): Promise<DeliveryAnswer>
  listWebhookDeliveries(
    endpointId: string,
    query?: DeliveriesQuery,
    options?: CallOptions,
  ): Promise<DeliveriesAnswer>
  readWebhookDelivery(deliveryId: string, options?: CallOptions): Promise<DeliveryDetailAnswer>
  redeliverWebhook(deliveryId: string, options?: CallOptions): Promise<DeliveryAnswer>
  readSharedWebhookSecret(options?: CallOptions): Promise<SecretAnswer>
  rotateSharedWebhookSecret(options?: CallOptions): Promise<SecretAnswer>

  listKeys(options?: CallOptions): Promise<KeysAnswer>
  createKey(request: In<typeof keyRequest>, options?: CallOptions): Promise<NewKeyAnswer>
  rotateKey(
    keyId: string,
    rotation?: In<typeof rotationRequest>,
    options?: CallOptions,
  ): Promise<NewKeyAnswer>
  revokeKey(keyId: string, options?: CallOptions): Promise<KeyAnswer>
  /** Who is signed in, in a browser. */
  readSession(options?: CallOptions): Promise<SessionAnswer>
  /** Signs a browser in: it keeps a cookie. Programs send the key instead. */
  signIn(request: { readonly key: string }, options?: CallOptions): Promise<SessionAnswer>
  signOut(options?: CallOptions): Promise<void>
  /** Replaces the installation's secret, which signs the addresses for providers. */
  rotateSecret(rotation?: In<typeof rotationRequest>, options?: CallOptions): Promise<SecretRotationAnswer>

  readLimits(options?: CallOptions): Promise<LimitsAnswer>
  setLimits(change: In<typeof limitsChange>, options?: CallOptions): Promise<LimitsAnswer>
  pause(request?: In<typeof pauseRequest>, options?: CallOptions): Promise<LimitsAnswer>
  resume(request?: In<typeof pauseRequest>, options?: CallOptions): Promise<LimitsAnswer>
  /** Who changed limits, budgets and pauses, newest first. */
  listChanges(query?: ChangesQuery, options?: CallOptions): Promise<ChangesAnswer>
  listNodes(options?: CallOptions): Promise<NodesAnswer>
  /** Throughput, times by stage and failures. */
  readStatistics(query?: StatisticsQuery, options?: CallOptions): Promise<StatisticsAnswer>
  /** What all waiting scenes wait for. */
  readQueue(options?: CallOptions): Promise<QueueAnswer>
  readStorage(options?: CallOptions): Promise<StorageAnswer>
  pruneStorage(request?: In<typeof pruneRequest>, options?: CallOptions): Promise<PrunedAnswer>
  isAlive(options?: CallOptions): Promise<AliveAnswer>
  isReady(options?: CallOptions): Promise<ReadyAnswer>
  /** In Prometheus' text format. */
  readMetrics(options?: CallOptions): Promise<string>
}

const api = '/api/v3'
const jobAt = (jobId: number): string => `${api}/jobs/${jobId}`
const sceneAt = (jobId: number, sceneId: string): string =>
  `${jobAt(jobId)}/scenes/${encodeURIComponent(sceneId)}`
const videoAt = (jobId: number): string => `${api}/videos/${jobId}`
const assetAt = (assetId: string): string => `${api}/assets/${encodeURIComponent(assetId)}`
const endpointAt = (id: string): string => `${api}/webhooks/endpoints/${encodeURIComponent(id)}`
const deliveryAt = (id: string): string => `${api}/webhooks/deliveries/${encodeURIComponent(id)}`
const keyAt = (id: string): string => `${api}/keys/${encodeURIComponent(id)}`

const endings: ReadonlySet<string> = new Set(['job_completed', 'job_failed', 'job_cancelled'])

const microsPerDollar = 1_000_000

/**
 * Approves a job's total cost by this answer, and never less than was approved. It sets no sum where a price
 * is unknown.
 */
export function approvalOf({
  revision,
  costs,
}: Pick<JobAnswer, 'revision'> & { readonly costs: Omit<JobAnswer['costs'], 'scenes'> }): ApprovalRequest {
  const { approved, reserved, spent, to_pay } = costs
  if (spent === null || to_pay === null) return { revision }
  const total = Math.round((reserved + spent + to_pay) * microsPerDollar) / microsPerDollar
  return { revision, max_cost: Math.max(approved, total) }
}

export function createClient(options: ClientOptions): Client {
  const sender = createSender(options)
  const get = <Answer>(path: string, call?: CallOptions, query?: Request['query']): Promise<Answer> =>
    sender.json({ method: 'GET', path, query }, call)
  const bytes = (path: string, call?: CallOptions): Promise<Response> =>
    sender.send({ method: 'GET', path, headers: { accept: '*/*' } }, call)
  const withBody =
    (method: Request['method']) =>
    <Answer>(path: string, json: unknown, call?: CallOptions): Promise<Answer> =>
      sender.json({ method, path, json }, call)
  const [post, put, patch] = [withBody('POST'), withBody('PUT'), withBody('PATCH')]
  const remove = <Answer>(path: string, call?: CallOptions, query?: Request['query']): Promise<Answer> =>
    sender.json({ method: 'DELETE', path, query }, call)

  const readJob: Client['readJob'] = (jobId, call) => get(jobAt(jobId), call)

  return {
    createJob: (request, call) => post(`${api}/jobs`, request, call),
    listJobs: (query, call) => get(`${api}/jobs`, call, query),
    readJob,
    updateJob: (jobId, change, call) => patch(jobAt(jobId), change, call),
    approveJob: (job, approval = {}, call) =>
      typeof job === 'number'
        ? post(`${jobAt(job)}/approve`, approval, call)
        : post(`${jobAt(job.job_id)}/approve`, { ...approvalOf(job), ...approval }, call),
    rejectJob: (jobId, request, call) => post(`${jobAt(jobId)}/reject`, request, call),
    submitJob: (jobId, why = {}, call) => post(`${jobAt(jobId)}/submit`, why, call),
    cancelJob: (jobId, why = {}, call) => post(`${jobAt(jobId)}/cancel`, why, call),
    retryJob: (jobId, request = {}, call) => post(`${jobAt(jobId)}/retry`, request, call),
    deleteJob: (jobId, call) => remove(jobAt(jobId), call),
    pauseJob: (jobId, why = {}, call) => post(`${jobAt(jobId)}/pause`, why, call),
    resumeJob: (jobId, call) => post(`${jobAt(jobId)}/resume`, undefined, call),
    approveJobs: (batch, call) => post(`${api}/jobs/approve`, batch, call),
    retryJobs: (batch, call) => post(`${api}/jobs/retry`, batch, call),
    updateJobs: (batch, call) => patch(`${api}/jobs`, batch, call),
    readAttention: (query, call) => get(`${api}/attention`, call, { ...query }),
    cancelJobs: (batch, call) => post(`${api}/jobs/cancel`, batch, call),

    listScenes: (jobId, call) => get(`${jobAt(jobId)}/scenes`, call),
    addScene: (jobId, scene, call) => post(`${jobAt(jobId)}/scenes`, scene, call),
    readScene: (jobId, sceneId, call) => get(sceneAt(jobId, sceneId), call),
    updateScene: (jobId, sceneId, change, call) => put(sceneAt(jobId, sceneId), change, call),
    deleteScene: (jobId, sceneId, seen = {}, call) => remove(sceneAt(jobId, sceneId), call, { ...seen }),
    regenerateScene: (jobId, sceneId, seen = {}, call) =>
      post(`${sceneAt(jobId, sceneId)}/regenerate`, seen, call),
    resolveScene: (jobId, sceneId, resolution, call) =>
      post(`${sceneAt(jobId, sceneId)}/resolve`, resolution, call),

    film: (jobId, call) => bytes(`${videoAt(jobId)}/combined`, call),
    filmVersion: (jobId, version, call) => bytes(`${videoAt(jobId)}/versions/${version}/combined`, call),
    showFilm: (jobId, version, call) =>
      post(`${videoAt(jobId)}/versions/${version}/current`, undefined, call),
    listFilmVersions: (jobId, call) => get(`${videoAt(jobId)}/versions`, call),
    createFilmLink: (jobId, request = {}, call) => post(`${videoAt(jobId)}/links`, request, call),
    thumbnail: (jobId, call) => bytes(`${videoAt(jobId)}/thumbnail`, call),
    clip: (jobId, sceneId, call) => bytes(`${videoAt(jobId)}/clips/${encodeURIComponent(sceneId)}`, call),

    uploadAsset: (photograph, call) =>
      sender.json(
        {
          method: 'POST',
          path: `${api}/assets`,
          bytes: photograph,
          headers: { 'content-type': 'application/octet-stream' },
        },
        call,
      ),
    readAsset: (assetId, call) => get(assetAt(assetId), call),
    scenePreview: (jobId, sceneId, call) => bytes(`${sceneAt(jobId, sceneId)}/preview`, call),
    sceneFrame: (jobId, sceneId, call) => bytes(`${sceneAt(jobId, sceneId)}/frame`, call),
    assetPicture: (assetId, call) => bytes(`${assetAt(assetId)}/picture`, call),
    assetData: (assetId, call) => bytes(`${assetAt(assetId)}/data`, call),

    estimateJob: (request, call) => post(`${api}/estimates`, request, call),
    readLedger: (query, call) => get(`${api}/ledger`, call, { ...query }),
    readSpend: (query, call) => get(`${api}/spend`, call, { ...query }),
    readSpendCsv: (query, call) =>
      sender.text({ method: 'GET', path: `${api}/spend`, query: { ...query, format: 'csv' } }, call),
    listModels: (call) => get(`${api}/models`, call),
    readBudgets: (call) => get(`${api}/budgets`, call),
    setBudgets: (limits, call) => put(`${api}/budgets`, limits, call),

    listEvents: ({ job_id, ...query } = {}, call) =>
      get(job_id === undefined ? `${api}/events` : `${jobAt(job_id)}/events`, call, query),
    createEventsToken: (call) => post(`${api}/events/token`, undefined, call),
    events: ({ types, ...following } = {}) =>
      follow(sender, { path: `${api}/events`, query: { type: types?.join(',') } }, following),
    async *watchJob(jobId, following = {}) {
      const events = follow(sender, { path: `${jobAt(jobId)}/events` }, { after: 0, ...following })
      for await (const event of events) {
        yield event
        // The job may have been retried after this event.
        if (endings.has(event.type) && ended.has((await readJob(jobId, following)).status)) return
      }
    },
    waitFor: (jobId, call = {}) =>
      waitForEnd(
        () => readJob(jobId, call),
        (signal) =>
          follow(
            sender,
            { path: `${jobAt(jobId)}/events`, query: { type: [...endings].join(',') } },
            { after: 0, signal },
          ),
        call,
      ),
    readHistory: (jobId, query, call) => get(`${jobAt(jobId)}/history`, call, { ...query }),

    listWebhookEndpoints: (query, call) => get(`${api}/webhooks/endpoints`, call, { ...query }),
    addWebhookEndpoint: (endpoint, call) => post(`${api}/webhooks/endpoints`, endpoint, call),
    readWebhookEndpoint: (id, call) => get(endpointAt(id), call),
    changeWebhookEndpoint: (id, change, call) => patch(endpointAt(id), change, call),
    removeWebhookEndpoint: async (id, call) => {
      await sender.send({ method: 'DELETE', path: endpointAt(id) }, call)
    },
    readWebhookSecret: (id, call) => get(`${endpointAt(id)}/secret`, call),
    rotateWebhookSecret: (id, call) => post(`${endpointAt(id)}/rotate`, undefined, call),
    testWebhookEndpoint: (id, call) => post(`${endpointAt(id)}/test`, undefined, call),
    listWebhookDeliveries: (id, query, call) => get(`${endpointAt(id)}/deliveries`, call, { ...query }),
    readWebhookDelivery: (id, call) => get(deliveryAt(id), call),
    redeliverWebhook: (id, call) => post(`${deliveryAt(id)}/redeliver`, undefined, call),
    readSharedWebhookSecret: (call) => get(`${api}/webhooks/secret`, call),
    rotateSharedWebhookSecret: (call) => post(`${api}/webhooks/secret/rotate`, undefined, call),

    listKeys: (call) => get(`${api}/keys`, call),
    readSession: (call) => get(`${api}/session`, call),
    signIn: (request, call) => post(`${api}/session`, request, call),
    signOut: async (call) => {
      await sender.send({ method: 'DELETE', path: `${api}/session` }, call)
    },
    createKey: (request, call) => post(`${api}/keys`, request, call),
    rotateKey: (keyId, rotation = {}, call) => post(`${keyAt(keyId)}/rotate`, rotation, call),
    revokeKey: (keyId, call) => post(`${keyAt(keyId)}/revoke`, undefined, call),
    rotateSecret: (rotation = {}, call) => post(`${api}/secret/rotate`, rotation, call),

    readLimits: (call) => get(`${api}/limits`, call),
    listChanges: (query, call) => get(`${api}/changes`, call, { ...query }),
    listNodes: (call) => get(`${api}/nodes`, call),
    readStatistics: (query, call) => get(`${api}/statistics`, call, { ...query }),
    readQueue: (call) => get(`${api}/queue`, call),
    setLimits: (change, call) => put(`${api}/limits`, change, call),
    pause: (request = {}, call) => post(`${api}/pause`, request, call),
    resume: (request = {}, call) => post(`${api}/resume`, request, call),
    readStorage: (call) => get(`${api}/storage`, call),
    pruneStorage: (request = {}, call) => post(`${api}/storage/prune`, request, call),
    isAlive: (call) => get('/livez', call),
    isReady: (call) => get('/readyz', call),
    readMetrics: (call) =>
      sender.text({ method: 'GET', path: '/metrics', headers: { accept: 'text/plain' } }, call),
  }
}
