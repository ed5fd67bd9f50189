/** The log and its lines. Operators watch for these lines: their wording is a contract and is defined only here. */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { JobEvent } from './job/event.ts'
import type { PruneReport } from './job/storage.ts'
import type { Task } from './job/task.ts'
import { escaped, printable } from './printable.ts'

export type Log = Logger

export interface LogOptions {
  /** trace, debug, info, warn, error, fatal or silent. */
  readonly level: string
  /** Plain lines instead of JSON. Default: if standard output is a terminal. */
  readonly pretty?: boolean
  /** Default: standard output, written synchronously so that a crash loses no line. */
  readonly destination?: DestinationStream
}

/** Writes JSON lines, with the watched line as `msg`; plain lines on a terminal. */
export function createLog({ level, pretty, destination }: LogOptions): Log {
  const lines = destination ?? pino.destination({ fd: 1, sync: true })
  const plain = pretty ?? (destination === undefined && process.stdout.isTTY)
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { streamWrite: (line) => escaped(redacted(line)) },
    },
    plain ? { write: (line) => lines.write(readable(line)) } : lines,
  )
}

/**
 * Keys, webhook secrets, values of Authorization headers, signatures in URLs, Replicate's tokens, and passwords of database
 * URLs. An escaped newline of JSON may precede them.
 */
const secrets =
  /(wck_|wce_|whsec_)[\w+/=-]+|(Bearer\s+)[^\s"'\\,]+|([?&]signature=)[\w%+/=-]+|(?<=^|[^a-z0-9]|\\[nrt])(r8_)\w+|(postgres(?:ql)?:\/\/[^\s:@/"]*:)[^\s@"]+(?=@)/gi

/** The text with secrets replaced by `[redacted]`. */
export const redacted = (text: string): string => text.replace(secrets, '$1$2$3$4$5[redacted]')

/** Changed settings by name: the values after and before; null: as configured, or none. */
interface Changed {
  readonly old: Readonly<Record<string, unknown>>
  readonly new: Readonly<Record<string, unknown>>
}

export const logLine = {
  starting: (log: Log): void => log.info('[Workflow.Coordinator] Starting Workflow Coordinator'),

  recovering: (log: Log, jobs: { readonly approved: number; readonly processing: number }): void =>
    log.info(jobs, '[Workflow.Coordinator] Recovering interrupted jobs'),

  resuming: (log: Log, { renders, films }: { readonly renders: number; readonly films: number }): void =>
    log.info({ renders, films }, `[Workflow.Coordinator] Resuming ${renders} renders and ${films} films`),

  jobApproved: (log: Log, jobId: number): void =>
    log.info({ job_id: jobId }, `[Workflow.Coordinator] Job approved: ${jobId}`),

  jobProcessing: (log: Log, jobId: number): void =>
    log.info({ job_id: jobId }, `[Workflow.Coordinator] Spawning processing task for job ${jobId}`),

  jobCompleted: (log: Log, jobId: number): void =>
    log.info({ job_id: jobId }, `[Workflow.Coordinator] Job ${jobId} marked as completed`),

  jobFailed: (log: Log, jobId: number, reason: string): void =>
    log.error({ job_id: jobId, reason }, `[Workflow.Coordinator] Task failed for job ${jobId}: ${reason}`),

  jobCancelled: (log: Log, jobId: number): void =>
    log.info({ job_id: jobId }, `[Workflow.Coordinator] Job cancelled: ${jobId}`),

  jobRetried: (log: Log, jobId: number): void =>
    log.info({ job_id: jobId }, `[Workflow.Coordinator] Job retried: ${jobId}`),

  jobDeleted: (log: Log, jobId: number, by: string | undefined): void =>
    log.info({ job_id: jobId, by }, `[Workflow.Coordinator] Job deleted: ${jobId}`),

  jobPaused: (log: Log, jobId: number, by: string | undefined): void =>
    log.info({ job_id: jobId, by }, `[Workflow.Coordinator] Job paused: ${jobId}`),

  jobResumed: (log: Log, jobId: number, by: string | undefined): void =>
    log.info({ job_id: jobId, by }, `[Workflow.Coordinator] Job resumed: ${jobId}`),

  paused: (log: Log, scope: string, by: string | undefined, reason: string | null): void =>
    log.warn({ scope, by, reason }, `[Workflow.Coordinator] Paused: ${scope}`),

  resumed: (log: Log, scope: string, by: string | undefined): void =>
    log.warn({ scope, by }, `[Workflow.Coordinator] Resumed: ${scope}`),

  limitsChanged: (log: Log, changed: Changed, by: string | undefined): void =>
    log.info({ limits: changed.new, old_limits: changed.old, by }, '[Workflow.Coordinator] Limits changed'),

  budgetsChanged: (log: Log, changed: Changed, by: string | undefined): void =>
    log.info(
      { budgets: changed.new, old_budgets: changed.old, by },
      '[Workflow.Coordinator] Budgets changed',
    ),

  cannotKeepTimes: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] Cannot look for jobs that are due; trying again'),

  clockPutBack: (log: Log, byMs: number): void =>
    log.warn(
      { put_back_ms: byMs },
      `[Workflow.Coordinator] The clock was put back by ${Math.round(byMs / 1000)} s; waits keep their length`,
    ),

  beginsAfterCrash: (log: Log, waits: readonly number[]): void => {
    const later = waits.filter((waitMs) => waitMs > 0).length
    const lastMs = Math.max(...waits)
    const others = later === 0 ? '' : `, ${later} within ${Math.ceil(lastMs / 1000)} s`
    log.warn(
      { tasks: waits.length, later, last_ms: lastMs },
      `[Workflow.Coordinator] The process died while ${waits.length} tasks ran: ${waits.length - later} begin again at once${others}`,
    )
  },

  providerPaused: (log: Log, renderer: string, waitMs: number, reason: string): void =>
    log.warn(
      { renderer, wait_ms: waitMs, reason },
      `[Workflow.Coordinator] Nothing is started at ${renderer} for ${Math.ceil(waitMs / 1000)} s: ${reason}`,
    ),

  providerSilent: (log: Log, renderer: string, waitMs: number, reason: string): void =>
    log.warn(
      { renderer, wait_ms: waitMs, reason },
      `[Workflow.Coordinator] ${renderer} does not answer a request for a render (${reason}): nothing is sent for ${Math.ceil(waitMs / 1000)} s, then one at a time`,
    ),

  providerAnswers: (log: Log, renderer: string): void =>
    log.info({ renderer }, `[Workflow.Coordinator] ${renderer} accepts renders again`),

  otherAccount: (log: Log, renderer: string, now: string, before: string, attempts: number): void =>
    log.error(
      { renderer, account: now, other_account: before, attempts },
      `[Workflow.Coordinator] The token of ${renderer} belongs to the account ${now}, and ${attempts} ${attempts === 1 ? 'render was' : 'renders were'} sent from ${before}: only a token of ${before} tells what became of them`,
    ),

  attemptUnknown: (log: Log, attempt: AttemptFacts, reason: string): void =>
    log.warn(
      { ...attemptFacts(attempt), reason },
      `[Workflow.Coordinator] Whether ${attempt.renderer} has attempt ${attempt.id} of job ${attempt.jobId} is unknown, and is looked into: ${reason}`,
    ),

  clipShort: (log: Log, attempt: AttemptFacts, reason: string): void =>
    log.warn(
      { ...attemptFacts(attempt), reason },
      `[Workflow.Coordinator] The clip of attempt ${attempt.id} of job ${attempt.jobId} is short, and is taken: ${reason}`,
    ),

  attemptUnreadable: (log: Log, attempt: AttemptFacts, reason: string): void =>
    log.warn(
      { ...attemptFacts(attempt), reason },
      `[Workflow.Coordinator] Attempt ${attempt.id} of job ${attempt.jobId} cannot be read at ${attempt.renderer}; trying again: ${reason}`,
    ),

  attemptReadable: (log: Log, attempt: AttemptFacts): void =>
    log.info(
      attemptFacts(attempt),
      `[Workflow.Coordinator] Attempt ${attempt.id} of job ${attempt.jobId} can be read at ${attempt.renderer} again`,
    ),

  attemptHeld: (log: Log, attempt: AttemptFacts, reason: string): void =>
    log.error(
      { ...attemptFacts(attempt), reason },
      `[Workflow.Coordinator] Attempt ${attempt.id} of job ${attempt.jobId} is held until a person decides: ${reason}`,
    ),

  attemptResolved: (log: Log, attempt: AttemptFacts, resolution: string): void =>
    log.info(
      { ...attemptFacts(attempt), resolution },
      `[Workflow.Coordinator] Attempt ${attempt.id} of job ${attempt.jobId} was decided by a person: ${resolution}`,
    ),

  refusedCandidate: (
    log: Log,
    { renderer, providerId, attemptId }: { renderer: string; providerId: string; attemptId: string | null },
  ): void =>
    log.warn(
      { renderer, prediction_id: providerId, attempt_id: attemptId },
      `[Workflow.Coordinator] A person decided that ${providerId} at ${renderer} is not the render of attempt ${attemptId}: no attempt accounts for it`,
    ),

  orphanRender: (
    log: Log,
    orphan: {
      readonly renderer: string
      readonly providerId: string
      readonly mark: string
      readonly state: string
    },
  ): void =>
    log.error(
      { renderer: orphan.renderer, provider_id: orphan.providerId, mark: orphan.mark, state: orphan.state },
      `[Workflow.Coordinator] ${orphan.renderer} has a render ${orphan.providerId} with our mark that no attempt accounts for`,
    ),

  cannotAccount: (log: Log, renderer: string, reason: string): void =>
    log.warn(
      { renderer, reason },
      `[Workflow.Coordinator] Cannot compare our attempts with what ${renderer} lists; trying again: ${reason}`,
    ),

  deliveryGivenUp: (
    log: Log,
    delivery: { readonly id: string; readonly endpointId: string; readonly address: string },
    reason: string,
  ): void =>
    log.warn(
      { delivery_id: delivery.id, endpoint_id: delivery.endpointId, address: delivery.address, reason },
      `[Workflow.Coordinator] Webhook delivery ${delivery.id} to ${delivery.address} is given up: ${reason}`,
    ),

  endpointDisabled: (
    log: Log,
    endpoint: { readonly id: string; readonly address: string },
    reason: string,
  ): void =>
    log.warn(
      { endpoint_id: endpoint.id, address: endpoint.address, reason },
      `[Workflow.Coordinator] Webhook endpoint ${endpoint.id} at ${endpoint.address} is disabled: ${reason}`,
    ),

  cannotDeliver: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] Cannot process webhooks; trying again'),

  taskPutOff: (log: Log, task: Task, err: unknown): void =>
    log.warn(
      { err, ...facts(task) },
      `[Workflow.Coordinator] A ${task.kind} task of job ${task.jobId} is put off`,
    ),

  waitsForRoom: (log: Log, task: Task, waitMs: number): void =>
    log.warn(
      facts(task),
      `[Workflow.Coordinator] No room left on the disk: a ${task.kind} task of job ${task.jobId} waits and is tried again within ${waitMs / 1000} s`,
    ),

  waitsForStore: (log: Log, task: Task, waitMs: number, err: unknown): void =>
    log.warn(
      { ...facts(task), err },
      `[Workflow.Coordinator] The database or the artifact store cannot be used: a ${task.kind} task of job ${task.jobId} waits and is tried again within ${waitMs / 1000} s`,
    ),

  admissionWaitsForRoom: (log: Log): void =>
    log.warn('[Workflow.Coordinator] No room left on the disk: no scene is started until there is some'),

  writeRefused: (log: Log, method: string, path: string): void =>
    log.warn(
      { method, path },
      `[Workflow.Coordinator] No room left on the disk: ${method} ${path} is refused with 507`,
    ),

  taskNotSettled: (log: Log, task: Task, err: unknown): void =>
    log.error(
      { err, ...facts(task) },
      `[Workflow.Coordinator] Cannot note how a ${task.kind} task of job ${task.jobId} ended; trying again`,
    ),

  keyCreated: (log: Log, key: KeyFacts, by: string | undefined): void =>
    log.info(
      keyFacts(key, by),
      `[Workflow.Coordinator] Key ${key.name} was created (${key.scopes.join(', ')})`,
    ),

  keyRotated: (log: Log, key: KeyFacts, by: string | undefined): void =>
    log.info(keyFacts(key, by), `[Workflow.Coordinator] Key ${key.name} was rotated`),

  keyRevoked: (log: Log, key: KeyFacts, by: string | undefined): void =>
    log.warn(keyFacts(key, by), `[Workflow.Coordinator] Key ${key.name} is revoked`),

  secretRotated: (log: Log, previousUntil: number | null, by: string | undefined): void =>
    log.info(
      { previous_until: previousUntil && new Date(previousUntil).toISOString(), by },
      '[Workflow.Coordinator] The secret that signs URLs was rotated',
    ),

  keyUseNotNoted: (log: Log, err: unknown): void =>
    log.warn({ err }, '[Workflow.Coordinator] Cannot record the use of a key; the request was accepted'),

  notLetIn: (log: Log, address: string, path: string): void =>
    log.warn(
      { address, path },
      `[Workflow.Coordinator] A request from ${address} without a valid key is refused`,
    ),

  answerNotKept: (log: Log, err: unknown): void =>
    log.warn(
      { err },
      '[Workflow.Coordinator] Cannot store the response to a request with an Idempotency-Key',
    ),

  requestServed: (log: Log, request: RequestFacts): void =>
    log.debug(
      request,
      `[Workflow.Coordinator] ${request.method} ${request.route ?? request.path} ${request.status}`,
    ),

  pruned: (log: Log, { events, stored }: PruneReport): void => {
    const bytes = Object.values(stored).reduce((sum, amount) => sum + amount.bytes, 0)
    const files = Object.values(stored).reduce((sum, { count }) => sum + count, 0)
    log.info(
      { events, stored, bytes },
      `[Workflow.Coordinator] Retention removed ${files} files (${Math.ceil(bytes / 1e6)} MB) and ${events} events`,
    )
  },

  storedTooMuch: (log: Log, overBytes: number): void =>
    log.warn(
      { over_bytes: overBytes },
      `[Workflow.Coordinator] ${Math.ceil(overBytes / 1e6)} MB more are stored than MAX_STORED_GB allows: jobs need them, or they are new`,
    ),

  cannotPrune: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] Cannot apply retention; trying again'),

  notReady: (log: Log, reason: string): void =>
    log.warn({ reason }, `[Workflow.Coordinator] Not ready: ${reason}`),

  readyAgain: (log: Log): void => log.info('[Workflow.Coordinator] Ready again'),

  sceneRetrying: (log: Log, event: JobEvent): void =>
    log.warn(
      eventFacts(event),
      `[Workflow.Coordinator] A scene of job ${event.job_id} is to be tried again: ${String(event.data['reason'])}`,
    ),

  sceneFailed: (log: Log, event: JobEvent): void =>
    log.warn(
      eventFacts(event),
      `[Workflow.Coordinator] A scene of job ${event.job_id} failed: ${String(event.data['reason'])}`,
    ),

  happened: (log: Log, event: JobEvent): void =>
    log.debug(eventFacts(event), `[Workflow.Coordinator] ${event.type} of job ${event.job_id}`),

  listening: (log: Log, url: string, facts: Readonly<Record<string, unknown>>): void =>
    log.info({ url, ...facts }, `[Workflow.Coordinator] Listening on ${url}`),

  stopping: (log: Log, why: string): void => log.info({ why }, '[Workflow.Coordinator] Stopping'),

  stopped: (log: Log): void => log.info('[Workflow.Coordinator] Stopped'),

  cannotAdmit: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] Cannot look for scenes to start; trying again'),

  cannotReadEvents: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] Cannot read the events for their subscribers; trying again'),

  eventsHeldUp: (log: Log): void =>
    log.warn(
      '[Workflow.Coordinator] New events wait: a transaction that writes stays open at the PostgreSQL server, in any of its databases; pg_stat_activity (backend_xid) and pg_prepared_xacts show it',
    ),

  cannotHearNodes: (log: Log, err: unknown): void =>
    log.warn(
      { err },
      '[Workflow.Coordinator] The connection to the other nodes is lost; connecting again, and looking for work by the clock',
    ),

  hearsNodes: (log: Log): void => log.info('[Workflow.Coordinator] Connected to the other nodes'),

  cannotTakeTasks: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] Cannot look for tasks; trying again'),

  leadFailed: (log: Log, err: unknown): void =>
    log.error({ err }, '[Workflow.Coordinator] A background job of all nodes failed; it begins again soon'),

  leads: (log: Log, name: string): void =>
    log.info({ lead: name }, `[Workflow.Coordinator] This node leads: ${name}`),

  taskLost: (log: Log, task: Task): void =>
    log.warn(
      facts(task),
      `[Workflow.Coordinator] Another node has a ${task.kind} task of job ${task.jobId} now, or it was cancelled: its run here ends`,
    ),

  queueTrouble: (log: Log, err: unknown): void =>
    log.warn(
      { reason: err instanceof Error ? err.message : String(err) },
      '[Workflow.Coordinator] The task queue could not be kept in order; trying again',
    ),

  heartbeatFailed: (log: Log, err: unknown): void =>
    log.warn(
      { reason: err instanceof Error ? err.message : String(err) },
      '[Workflow.Coordinator] This node cannot tell the others that it lives; trying again',
    ),

  otherSettings: (log: Log, other: string, differing: readonly string[]): void =>
    log.warn(
      { other, settings: differing },
      `[Workflow.Coordinator] The node ${other} has other settings than this one, and each goes by its own: ${differing.join(', ')}`,
    ),

  listenerFailed: (log: Log, topic: string, err: unknown): void =>
    log.error({ err, topic }, `[Workflow.Coordinator] A listener of ${topic} failed`),
}

type AttemptFacts = {
  readonly id: string
  readonly jobId: number
  readonly sceneId: string
  readonly renderer: string
}

const attemptFacts = ({ id, jobId, sceneId, renderer }: AttemptFacts) => ({
  attempt_id: id,
  job_id: jobId,
  scene_id: sceneId,
  renderer,
})

type KeyFacts = { readonly id: string; readonly name: string; readonly scopes: readonly string[] }

const keyFacts = ({ id, name }: KeyFacts, by: string | undefined) => ({ key_id: id, key: name, by })

const facts = ({ kind, subject, jobId }: Task) => ({
  kind,
  subject,
  job_id: jobId,
  ...((kind === 'render-scene' || kind === 'follow-render') && { attempt_id: subject }),
  ...((kind === 'take-clip' || kind === 'join-clips') && { scene_id: subject }),
})

const eventFacts = ({ id, job_id, scene_id, data, by }: JobEvent) => ({
  event_id: id,
  job_id,
  ...(scene_id !== undefined && { scene_id }),
  ...(typeof data['attempt_id'] === 'string' && { attempt_id: data['attempt_id'] }),
  ...(typeof data['code'] === 'string' && { code: data['code'] }),
  ...(typeof data['reason'] === 'string' && { reason: data['reason'] }),
  ...(by !== undefined && { by }),
})

interface RequestFacts {
  readonly request_id: string
  readonly method: string
  /** The pattern of the route; null if none matched. */
  readonly route: string | null
  readonly path: string
  readonly status: number
  readonly ms: number
  /** The actor; null for a request without a valid key. */
  readonly by: string | null
}

interface LoggedLine {
  readonly level: number
  readonly time: string
  readonly msg?: string
  readonly err?: { readonly stack?: string; readonly message?: string }
  readonly [member: string]: unknown
}

function readable(json: string): string {
  const line: LoggedLine = JSON.parse(json)
  const { level, time, msg = '', err, ...members } = line
  const rank = level >= 50 ? 'ERROR ' : level >= 40 ? 'WARN ' : ''
  // Values that the message contains, such as ids, are not repeated.
  const further = Object.entries(members)
    .filter(([name, value]) => !msg.includes(String(value)) && name !== 'reason')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const head = printable(`${time.slice(11, 23)} ${rank}${[msg, ...further].join(' ')}`)
  const stack = err ? (err.stack ?? err.message ?? '').split('\n') : []
  return `${[head, ...stack.map((at) => `    ${printable(at)}`)].join('\n')}\n`
}
