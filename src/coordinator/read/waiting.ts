/** Why something waits: exactly one reason for each scene and job that does, in words, as a code, and since when. */
import { type Attempt, absentAfterMs, clipKeptUntil, takeAgainAt, triedWords } from '../../job/attempt.ts'
import { type Job, type ListedJob, needsApproval } from '../../job/job.ts'
import { spokenMoney } from '../../job/price.ts'
import type { Scene } from '../../job/scene.ts'
import type { TaskKind } from '../../job/task.ts'
import type { Reader } from '../../store/database.ts'
import { listStops } from '../../store/limits.ts'
import type { CrashedTask } from '../../store/tasks.ts'
import { type OtherRenders, rendererNow, sceneWait } from '../admission/admission.ts'
import { openTreasury } from '../admission/budget-snapshot.ts'
import { jobPlacesNow, stopAmong } from '../admission/limits.ts'
import {
  type WaitCode,
  type Waiting,
  type WaitingSince,
  jobsLimitWait,
  rendererWait,
  stopWait,
} from '../admission/rules.ts'
import type { Context } from '../context.ts'
import type { JobRows } from './job-rows.ts'

export interface JobWaiting {
  /** Why nothing of the job goes on; null where something does, or it has ended. */
  readonly job: WaitingSince | null
  /** Why each scene that waits does so, by its id. */
  readonly scenes: ReadonlyMap<string, WaitingSince>
}

/** To be asked for before the snapshot, as it looks at the disk. */
export async function diskWait({ room }: Context): Promise<Waiting | undefined> {
  const lack = await room.lack()
  return lack && { code: 'disk', reason: lack.message, until: null }
}

/** Why a job and its scenes wait. `reader`: of the snapshot that `rows` were read in. */
export async function waitsOf(
  context: Context,
  reader: Reader,
  rows: JobRows,
  ofDisk: Waiting | undefined,
): Promise<JobWaiting> {
  const { job, scenes } = rows
  const { toApproveMicros } = rows.needed
  const now = context.host.now()
  const isActive = job.status === 'approved' || job.status === 'processing'
  const ofJob = isActive ? await heldBack(reader, rows, now) : notActiveWait(job, toApproveMicros)
  const afterCrashOf = await afterCrash(context, reader, rows, now)
  const facts = { ...rows, ofJob, ofDisk, now }
  const waits = new Map([
    ...attemptWaits(context, facts, afterCrashOf),
    ...(await pendingWaits(context, reader, facts)),
  ])
  if (!isActive) {
    // Its money stays reserved until a person decides.
    const held = scenes.map(({ id }) => waits.get(id)).find((wait) => wait?.code === 'held')
    return { job: held ?? reviewWait(job, toApproveMicros) ?? null, scenes: waits }
  }
  const ofFilm = afterCrashOf('stitch-film', String(job.id))
  const whole = wholeWait(context, facts, waits, ofFilm)
  // An approval is not what a rejected job waits for.
  const isRejected = job.rejected !== null && whole !== null && approvable.has(whole.code)
  return { job: isRejected ? reviewWait(job, toApproveMicros)! : whole, scenes: waits }
}

interface Facts extends JobRows {
  /** What keeps all of its scenes from being started. */
  readonly ofJob: WaitingSince | undefined
  readonly ofDisk: Waiting | undefined
  readonly now: number
}

type AfterCrash = (kind: TaskKind, subject: string | null, renderer?: string) => WaitingSince | undefined

/** What keeps all of an approved job's scenes from being started, whoever renders them. */
async function heldBack(
  reader: Reader,
  { job, dependencies, limits }: JobRows,
  now: number,
): Promise<WaitingSince | undefined> {
  const ofRow = rowWait(job, now)
  if (ofRow?.code === 'dependency')
    return { ...ofRow, ...dependencyWait(dependencies.filter(({ isMet }) => !isMet)) }
  if (ofRow || job.status !== 'approved') return ofRow
  const { jobs } = limits
  if (jobs !== null && (await jobPlacesNow(reader, jobs, now)) <= 0)
    return { ...jobsLimitWait(jobs), since: begunAt(job) }
  return undefined
}

/** Why a task that ran when the process died has not begun again; undefined for any other. */
async function afterCrash(
  { engine }: Context,
  reader: Reader,
  { job, crashed }: JobRows,
  now: number,
): Promise<AfterCrash> {
  const running = engine.running()
  const waiting = crashed.filter(
    (task) => !running.some(({ kind, subject }) => kind === task.kind && subject === task.subject),
  )
  const stops = waiting.length > 0 ? await listStops(reader) : []
  return (kind, subject, renderer) => {
    const task = waiting.find((one) => one.kind === kind && one.subject === subject)
    if (!task) return undefined
    if (job.pausedAt !== null) return pausedWait(job, job.pausedAt)
    const stop = stopAmong(stops, renderer)
    return stop ? stopWait(stop) : crashWait(task, now)
  }
}

const isUnfinished = ({ status, clip }: Attempt): boolean => status !== 'succeeded' || clip === null

/** Of scenes that have an attempt, or a kept clip that is made their own. */
function attemptWaits(
  { engine }: Context,
  { scenes, attempts, ofDisk, now }: Facts,
  afterCrashOf: AfterCrash,
): ReadonlyMap<string, WaitingSince> {
  const waits = new Map<string, WaitingSince>()
  const running = new Set(engine.running().map(({ subject }) => subject))
  for (const scene of scenes) {
    // A held attempt is to be decided whatever has become of its scene.
    const attempt = attempts
      .filter(isUnfinished)
      .find(({ id, sceneId, status }) => (status === 'held' ? sceneId === scene.id : id === scene.attemptId))
    const wait =
      afterCrashOf('render-scene', scene.attemptId, scene.renderer) ??
      afterCrashOf('take-clip', scene.id) ??
      (attempt &&
        (attemptWait(attempt, now) ??
          // Its task is put off, time and again.
          (ofDisk && !running.has(attempt.id) ? { ...ofDisk, since: attempt.updatedAt } : undefined)))
    if (wait) waits.set(scene.id, wait)
    if (scene.status === 'processing' && scene.notBefore !== null)
      waits.set(scene.id, takingWait(scene, scene.notBefore))
  }
  return waits
}

/** Of scenes that have not started. */
async function pendingWaits(
  { budgets, renderers }: Context,
  reader: Reader,
  { job, scenes, pending, limits, ofJob, ofDisk, now }: Facts,
): Promise<ReadonlyMap<string, WaitingSince>> {
  const waits = new Map<string, WaitingSince>()
  if (pending.size === 0) return waits
  const waiting = scenes.filter(({ status }) => status === 'pending')
  const atRenderer = new Map<string, Waiting | undefined>()
  for (const configured of renderers)
    if (!ofJob && waiting.some(({ renderer }) => renderer === configured.name)) {
      const limit = limits.of(configured)
      atRenderer.set(limit.name, rendererWait(limit, await rendererNow(reader, limit.name, now)))
    }
  const treasury = openTreasury(reader, budgets, now)
  const renders: OtherRenders = {
    isServed: ({ id }) => pending.get(id)!.isServed,
    isBeingRendered: ({ id }) => pending.get(id)!.isBeingRendered,
    isHeld: ({ id }) => pending.get(id)!.isHeld,
  }
  for (const scene of waiting) {
    const facts = { ...job, ...scene, jobId: job.id, priceMicros: scene.price_micros }
    const wait: Waiting & { readonly since?: number } =
      ofJob ??
      backOffWait(scene, now) ??
      (await sceneWait(renders, facts, treasury, now)) ??
      ofDisk ??
      atRenderer.get(scene.renderer) ??
      queueWait
    waits.set(scene.id, {
      since: Math.max(scene.updatedAt, job.reopenedAt ?? job.approvedAt ?? 0),
      ...wait,
    })
  }
  return waits
}

/** Of an approved job: what its first waiting scene waits for, unless another one is rendered. */
function wholeWait(
  { engine }: Context,
  { job, scenes, ofDisk }: Facts,
  waits: ReadonlyMap<string, WaitingSince>,
  ofFilm: WaitingSince | undefined,
): WaitingSince | null {
  if (scenes.some(({ id, status }) => status === 'processing' && !waits.has(id))) return null
  const first = scenes.find(({ id }) => waits.has(id))
  if (first) return waits.get(first.id)!
  const isStitched = engine
    .running()
    .some(({ kind, subject }) => kind === 'stitch-film' && subject === String(job.id))
  return isStitched || job.error ? null : (ofFilm ?? { since: job.updatedAt, ...(ofDisk ?? stitchingWait) })
}

/** What an approval would end. */
const approvable: ReadonlySet<WaitCode> = new Set(['approval', 'budget_job', 'unknown_price'])

/** Why a job waits, as far as its own row and what is to be approved tell: what lists can say of many at once. */
export function listedWait(
  job: ListedJob,
  toApproveMicros: number | null,
  now: number,
): WaitingSince | undefined {
  if (job.status === 'approved' || job.status === 'processing')
    return rowWait(job, now) ?? reviewWait(job, toApproveMicros)
  return reviewWait(job, toApproveMicros)
}

const begunAt = ({ reopenedAt, approvedAt, insertedAt }: Omit<Job, 'storyboard'>): number =>
  reopenedAt ?? approvedAt ?? insertedAt

/** What of a job's own row keeps all its scenes from being started. */
function rowWait(job: Omit<Job, 'storyboard'>, now: number): WaitingSince | undefined {
  const since = begunAt(job)
  if (job.pausedAt !== null) return pausedWait(job, job.pausedAt)
  if (job.unmet > 0)
    return {
      code: 'dependency',
      reason: `${job.unmet === 1 ? 'another job' : `${job.unmet} other jobs`} must end first`,
      until: null,
      since,
    }
  if (job.runAt !== null && job.runAt > now)
    return { code: 'scheduled', reason: 'scheduled to begin later', until: job.runAt, since }
  return undefined
}

/** What a person has to do before a job, or a change of one, is paid for. */
function reviewWait(job: Omit<Job, 'storyboard'>, toApproveMicros: number | null): WaitingSince | undefined {
  const { status, rejected, insertedAt, endedAt } = job
  if (rejected && status !== 'cancelled')
    return {
      code: 'rejected',
      reason: `rejected (${rejected.note}): change and submit it again`,
      until: null,
      since: rejected.at,
    }
  if (!needsApproval(job, toApproveMicros)) return undefined
  return {
    code: 'approval',
    reason: status === 'pending' ? 'waiting for approval' : moreWords(toApproveMicros),
    until: null,
    since: endedAt ?? insertedAt,
  }
}

const moreWords = (toApproveMicros: number | null): string =>
  toApproveMicros === null
    ? 'needs more than was approved, at an unknown price: approve it'
    : `needs ${spokenMoney(toApproveMicros)} more than was approved: approve it`

const pausedWait = ({ pausedReason }: Pick<Job, 'pausedReason'>, since: number): WaitingSince => ({
  code: 'job_paused',
  reason: `the job is paused until it is resumed${pausedReason === null ? '' : `: ${pausedReason}`}`,
  until: null,
  since,
})

function dependencyWait(
  unmet: readonly { readonly onJobId: number; readonly status: string | null }[],
): Waiting {
  const [first, ...others] = unmet
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return {
    code: 'dependency',
    reason: `job ${first?.onJobId} (${first?.status ?? 'deleted'})${more} must end first`,
    until: null,
  }
}

/** From the first look for an attempt, whose request may be a minute old, to the belief that the provider never had it. */
const settledAfterMs = absentAfterMs + 60_000

/** A time that is still to come; what was to be over by then lasts longer, and nobody knows how long. */
const toCome = (at: number, now: number): number | null => (at > now ? at : null)

/** Why a scene that has an attempt doesn't go on; undefined where it does. */
function attemptWait(attempt: Attempt, now: number): WaitingSince | undefined {
  const { status, failure, unknownSince, updatedAt, fetched, takeTries, trouble, troubleSince } = attempt
  const why = failure ? ` (${failure.reason})` : ''
  if (status === 'held')
    return {
      code: 'held',
      reason: `the provider may have accepted this render: resolve the scene${why}`,
      until: null,
      since: updatedAt,
    }
  if (status === 'unknown')
    return {
      code: 'unknown',
      reason: `finding out whether the provider accepted this render${why}${trouble ? `; the provider cannot be read: ${trouble.reason}` : ''}`,
      until: trouble ? null : toCome((unknownSince ?? updatedAt) + settledAfterMs, now),
      since: unknownSince ?? updatedAt,
    }
  if (status === 'submitted' && trouble)
    return {
      code: 'unreadable',
      reason: `the provider accepted this render but cannot be read (${trouble.reason}); will retry`,
      until: null,
      since: troubleSince ?? updatedAt,
    }
  if (status === 'succeeded' && failure && takeTries > 0)
    return {
      code: 'ffmpeg_failed',
      reason: `${triedWords(failure, takeTries)}; the clip is kept`,
      until: takeAgainAt(attempt),
      since: updatedAt,
    }
  if (status === 'succeeded')
    return {
      code: 'fetching',
      reason: fetchingWords(attempt),
      until: fetched === null || trouble ? toCome(clipKeptUntil(attempt), now) : null,
      since: troubleSince ?? updatedAt,
    }
  return undefined
}

function fetchingWords({ fetched, trouble }: Attempt): string {
  const paid = 'rendered and paid for'
  if (!trouble) return `${paid}; ${fetched === null ? 'fetching' : 'verifying'} its clip`
  return fetched === null
    ? `${paid}; its clip cannot be fetched (${trouble.reason}); will retry while the provider keeps it`
    : `${paid}; its clip is bad (${trouble.reason}); the bytes are kept, and will be fetched again while the provider has them`
}

/** Why what ran when the process died has not begun again. */
const crashWait = ({ crashes, runAt, crashedAt }: CrashedTask, now: number): WaitingSince => ({
  code: 'after_crash',
  reason: `the server died ${crashes === 1 ? 'once' : `${crashes} times`} while this ran; it will resume by itself`,
  until: runAt > now ? runAt : null,
  since: crashedAt,
})

/** FFmpeg failed on the kept clip of a scene, and tries again. */
const takingWait = ({ error, updatedAt }: Scene, until: number): WaitingSince => ({
  code: 'ffmpeg_failed',
  reason: `${error?.reason ?? 'no reason given'}; the clip is kept`,
  until,
  since: updatedAt,
})

const stitchingWait: Waiting = {
  code: 'stitching',
  reason: 'all clips are ready; the film waits for a free slot',
  until: null,
}

const queueWait: Waiting = { code: 'queue', reason: 'other scenes are ahead in the queue', until: null }

/** Why the scenes of a job that is not active wait. */
function notActiveWait(job: Job, toApproveMicros: number | null): WaitingSince {
  const { status, insertedAt, endedAt, rejected } = job
  const since = endedAt ?? insertedAt
  if (rejected && status !== 'cancelled')
    return { code: 'job_not_approved', reason: 'the job was rejected', until: null, since: rejected.at }
  // It was changed after its job had ended.
  if ((status === 'completed' || status === 'failed') && toApproveMicros !== 0)
    return {
      code: 'approval',
      reason: `the job ${moreWords(toApproveMicros)}`,
      until: null,
      since,
    }
  const reason = status === 'pending' ? 'the job waits for approval' : `the job is ${status}`
  return { code: 'job_not_approved', reason, until: null, since }
}

const backOffWait = ({ notBefore, error, updatedAt }: Scene, now: number): WaitingSince | undefined =>
  notBefore !== null && notBefore > now
    ? {
        code: 'back_off',
        reason: `failed and will be retried: ${error?.reason ?? 'no reason given'}`,
        until: notBefore,
        since: updatedAt,
      }
    : undefined
