/** Why something waits: exactly one reason for each scene and job that does, in words, as a code, and since when. */
import { type Attempt, absentAfterMs, clipKeptUntil, takeAgainAt, triedWords } from '../../job/attempt.ts'
import { type Job, type ListedJob, needsApproval } from '../../job/job.ts'
import { spokenMoney } from '../../job/price.ts'
import type { Scene } from '../../job/scene.ts'
import type { TaskKind } from '../../job/task.ts'
import { listJobUnfinished } from '../../store/attempts.ts'
import { listDependencies } from '../../store/dependencies.ts'
import { listStops } from '../../store/limits.ts'
import { listScenes } from '../../store/scenes.ts'
import { type CrashedTask, listCrashed } from '../../store/tasks.ts'
import {
  type WaitCode,
  type Waiting,
  type WaitingSince,
  jobsLimitWait,
  rendererWait,
  stopWait,
} from '../admission/rules.ts'
import { rendererNow, sceneWait } from '../admission/admission.ts'
import { neededFor } from '../job/needed.ts'
import { existingJob } from '../job/existing-job.ts'
import { jobPlacesNow, limitsNow, stopAmong } from '../admission/limits.ts'
import { openTreasury } from '../admission/budget-snapshot.ts'
import type { Context } from '../context.ts'

export interface JobWaiting {
  /** Why nothing of the job goes on; null where something does, or it has ended. */
  readonly job: WaitingSince | null
  /** Why each scene that waits does so, by its id. */
  readonly scenes: ReadonlyMap<string, WaitingSince>
}

type AfterCrash = (kind: TaskKind, subject: string | null, renderer?: string) => WaitingSince | undefined

/** What keeps all of an approved job's scenes from being started, whoever renders them. */
async function heldBack(context: Context, job: Job, now: number): Promise<WaitingSince | undefined> {
  const { database } = context
  const begunAt = job.reopenedAt ?? job.approvedAt ?? job.insertedAt
  const ofRow = rowWait(job, now)
  if (ofRow?.code === 'dependency') {
    const unmet = (await listDependencies(database, job.id)).filter(({ isMet }) => !isMet)
    return { ...ofRow, ...dependencyWait(unmet) }
  }
  if (ofRow || job.status !== 'approved') return ofRow
  const { jobs } = await limitsNow(database)
  if (jobs !== null && (await jobPlacesNow(database, jobs, now)) <= 0)
    return { ...jobsLimitWait(jobs), since: begunAt }
  return undefined
}

/** Why a task that ran when the process died has not begun again; undefined for any other. */
async function afterCrash(context: Context, job: Job, now: number): Promise<AfterCrash> {
  const { engine, database } = context
  const running = engine.running()
  const crashed = (await listCrashed(database, job.id)).filter(
    (task) => !running.some(({ kind, subject }) => kind === task.kind && subject === task.subject),
  )
  const stops = crashed.length > 0 ? await listStops(database) : []
  return (kind, subject, renderer) => {
    const task = crashed.find((one) => one.kind === kind && one.subject === subject)
    if (!task) return undefined
    if (job.pausedAt !== null) return pausedWait(job, job.pausedAt)
    const stop = stopAmong(stops, renderer)
    return stop ? stopWait(stop) : crashWait(task, now)
  }
}

async function roomWait(context: Context): Promise<Waiting | undefined> {
  const { room } = context
  const lack = await room.lack()
  return lack && { code: 'disk', reason: lack.message, until: null }
}

async function ofScenes(
  context: Context,
  job: Job,
  scenes: readonly Scene[],
  afterCrashOf: AfterCrash,
  ofJob: WaitingSince | undefined,
  now: number,
): Promise<ReadonlyMap<string, WaitingSince>> {
  const { database, budgets, renderers, engine } = context
  const treasury = openTreasury(database, budgets, now)
  const limits = await limitsNow(database)
  const atRenderer = new Map<string, Waiting | undefined>()
  for (const configured of renderers)
    if (scenes.some(({ status, renderer }) => status === 'pending' && renderer === configured.name)) {
      const limit = limits.of(configured)
      atRenderer.set(limit.name, rendererWait(limit, await rendererNow(database, limit.name, now)))
    }
  const waits = new Map<string, WaitingSince>()
  const ofRoom = await roomWait(context)
  const running = new Set(engine.running().map(({ subject }) => subject))
  const unfinished = await listJobUnfinished(database, job.id)
  for (const scene of scenes) {
    // One that is held is to be decided whatever has become of its scene.
    const attempt = unfinished.find(({ id, sceneId, status }) =>
      status === 'held' ? sceneId === scene.id : id === scene.attemptId,
    )
    const ofAttempt =
      afterCrashOf('render-scene', scene.attemptId, scene.renderer) ??
      afterCrashOf('take-clip', scene.id) ??
      (attempt &&
        (attemptWait(attempt, now) ??
          // Its task is put off, time and again.
          (ofRoom && !running.has(attempt.id) ? { ...ofRoom, since: attempt.updatedAt } : undefined)))
    if (ofAttempt) waits.set(scene.id, ofAttempt)
    if (scene.status === 'processing' && scene.notBefore !== null)
      waits.set(scene.id, takingWait(scene, scene.notBefore))
    if (scene.status !== 'pending') continue
    const facts = { ...job, ...scene, jobId: job.id, priceMicros: scene.price_micros }
    const wait: Waiting & { readonly since?: number } =
      ofJob ??
      backOffWait(scene, now) ??
      (await sceneWait(database, facts, treasury, now)) ??
      ofRoom ??
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
async function ofWhole(
  context: Context,
  job: Job,
  scenes: readonly Scene[],
  waits: ReadonlyMap<string, WaitingSince>,
  ofFilm: WaitingSince | undefined,
): Promise<WaitingSince | null> {
  const { engine } = context
  if (scenes.some(({ id, status }) => status === 'processing' && !waits.has(id))) return null
  const first = scenes.find(({ id }) => waits.has(id))
  if (first) return waits.get(first.id)!
  const isStitched = engine
    .running()
    .some(({ kind, subject }) => kind === 'stitch-film' && subject === String(job.id))
  return isStitched || job.error
    ? null
    : (ofFilm ?? { since: job.updatedAt, ...((await roomWait(context)) ?? stitchingWait) })
}

export async function getWaiting(context: Context, jobId: number): Promise<JobWaiting> {
  const { host, database } = context
  const job = await existingJob(database, jobId)
  const now = host.now()
  const scenes = await listScenes(database, jobId)
  const { toApproveMicros } = await neededFor(database, job, scenes)
  const isActive = job.status === 'approved' || job.status === 'processing'
  const ofJob = isActive ? await heldBack(context, job, now) : notActiveWait(job, toApproveMicros)
  const afterCrashOf = await afterCrash(context, job, now)
  const waits = await ofScenes(context, job, scenes, afterCrashOf, ofJob, now)
  if (!isActive) {
    // Its money stays reserved until somebody decides.
    const held = scenes.map(({ id }) => waits.get(id)).find((wait) => wait?.code === 'held')
    return { job: held ?? reviewWait(job, toApproveMicros) ?? null, scenes: waits }
  }
  const ofFilm = afterCrashOf('stitch-film', String(jobId))
  const whole = await ofWhole(context, job, scenes, waits, ofFilm)
  // Nobody is to approve what was rejected.
  const isRejected = job.rejected !== null && whole !== null && approvable.has(whole.code)
  return { job: isRejected ? reviewWait(job, toApproveMicros)! : whole, scenes: waits }
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

/** What of a job's own row keeps all its scenes from being started. */
function rowWait(job: Omit<Job, 'storyboard'>, now: number): WaitingSince | undefined {
  const since = job.reopenedAt ?? job.approvedAt ?? job.insertedAt
  if (job.pausedAt !== null) return pausedWait(job, job.pausedAt)
  if (job.unmet > 0)
    return {
      code: 'dependency',
      reason: `it waits for ${job.unmet === 1 ? 'another job' : `${job.unmet} other jobs`}`,
      until: null,
      since,
    }
  if (job.runAt !== null && job.runAt > now)
    return { code: 'scheduled', reason: 'it is to begin later', until: job.runAt, since }
  return undefined
}

/** What a person has to do before a job, or a change of one, is paid for. */
function reviewWait(job: Omit<Job, 'storyboard'>, toApproveMicros: number | null): WaitingSince | undefined {
  const { status, rejected, insertedAt, endedAt } = job
  if (rejected && status !== 'cancelled')
    return {
      code: 'rejected',
      reason: `it was rejected (${rejected.note}), and has to be submitted again`,
      until: null,
      since: rejected.at,
    }
  if (!needsApproval(job, toApproveMicros)) return undefined
  return {
    code: 'approval',
    reason:
      status === 'pending'
        ? 'nothing is spent before it is approved'
        : `it needs ${toApproveMicros === null ? 'an unknown sum' : spokenMoney(toApproveMicros)} more than was approved`,
    until: null,
    since: endedAt ?? insertedAt,
  }
}

const pausedWait = ({ pausedReason }: Pick<Job, 'pausedReason'>, since: number): WaitingSince => ({
  code: 'job_paused',
  reason: `it was paused${pausedReason === null ? '' : `: ${pausedReason}`}`,
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
    reason: `it waits for job ${first?.onJobId} (${first?.status ?? 'gone'})${more}`,
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
      reason: `nobody knows whether the provider accepted it: a person has to resolve it${why}`,
      until: null,
      since: updatedAt,
    }
  if (status === 'unknown')
    return {
      code: 'unknown',
      reason: `it is not known whether the provider accepted it, and is looked into${why}${trouble ? `; the provider cannot be read: ${trouble.reason}` : ''}`,
      until: trouble ? null : toCome((unknownSince ?? updatedAt) + settledAfterMs, now),
      since: unknownSince ?? updatedAt,
    }
  if (status === 'submitted' && trouble)
    return {
      code: 'unreadable',
      reason: `the provider has it, and cannot be read (${trouble.reason}); it is asked again and again`,
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
  const paid = 'it is rendered and paid for'
  if (!trouble) return `${paid}, and its clip is being ${fetched === null ? 'fetched' : 'verified'}`
  return fetched === null
    ? `${paid}, and its clip cannot be fetched yet (${trouble.reason}); it is tried again while the provider keeps it`
    : `${paid}, and its clip is bad (${trouble.reason}); the bytes are kept, and fetched again while the provider has them`
}

/** Why what ran when the process died has not begun again. */
const crashWait = ({ crashes, runAt, crashedAt }: CrashedTask, now: number): WaitingSince => ({
  code: 'after_crash',
  reason: `the server died ${crashes === 1 ? 'once' : `${crashes} times`} while it ran; it begins again by itself`,
  until: runAt > now ? runAt : null,
  since: crashedAt,
})

/** FFmpeg failed on the kept clip of a scene, and tries again. */
const takingWait = ({ error, updatedAt }: Scene, until: number): WaitingSince => ({
  code: 'ffmpeg_failed',
  reason: `${error?.reason ?? 'no reason was given'}; the clip is kept`,
  until,
  since: updatedAt,
})

const stitchingWait: Waiting = {
  code: 'stitching',
  reason: 'its clips are there, and its film waits for a place',
  until: null,
}

const queueWait: Waiting = { code: 'queue', reason: 'others are before it', until: null }

/** Why the scenes of a job that isn't worked on wait. */
function notActiveWait(job: Job, toApproveMicros: number | null): WaitingSince {
  const { status, insertedAt, endedAt, rejected } = job
  const since = endedAt ?? insertedAt
  if (rejected && status !== 'cancelled')
    return { code: 'job_not_approved', reason: 'its job was rejected', until: null, since: rejected.at }
  // It was changed after its job had ended.
  if ((status === 'completed' || status === 'failed') && toApproveMicros !== 0)
    return {
      code: 'approval',
      reason: `its job needs ${toApproveMicros === null ? 'an unknown sum' : spokenMoney(toApproveMicros)} more than was approved`,
      until: null,
      since,
    }
  const reason = status === 'pending' ? 'its job waits for approval' : `its job is ${status}`
  return { code: 'job_not_approved', reason, until: null, since }
}

const backOffWait = ({ notBefore, error, updatedAt }: Scene, now: number): WaitingSince | undefined =>
  notBefore !== null && notBefore > now
    ? {
        code: 'back_off',
        reason: `it failed and is tried again: ${error?.reason ?? 'no reason was given'}`,
        until: notBefore,
        since: updatedAt,
      }
    : undefined
