/**
 * Why a job and its scenes wait: exactly one reason for each, by the rules of admission (`rules.ts`) and
 * their rows.
 */
import type { Attempt } from '../../job/attempt.ts'
import type { TaskKind } from '../../job/task.ts'
import type { Reader } from '../../store/database.ts'
import { listManualPauses } from '../../store/limits.ts'
import { type OtherRenders, rendererNow, sceneWait } from '../admission/admission.ts'
import { openBudgetSnapshot } from '../admission/budget-snapshot.ts'
import { freeJobSlots, manualPauseAmong } from '../admission/limits.ts'
import {
  type WaitCode,
  type Waiting,
  type WaitingSince,
  jobsLimitWait,
  rendererWait,
  manualPauseWait,
} from '../admission/rules.ts'
import type { Context } from '../context.ts'
import type { JobRows } from './job-rows.ts'
import {
  begunAt,
  dependencyWait,
  notActiveWait,
  pausedWait,
  reviewWait,
  rowWait,
  stitchingWait,
} from './job-waits.ts'
import { attemptWait, backOffWait, crashWait, queueWait, takingWait } from './scene-waits.ts'

export interface JobWaiting {
  /** Why no scene of the job progresses; null where one does, or the job has ended. */
  readonly job: WaitingSince | null
  /** Why each waiting scene waits, by scene id. */
  readonly scenes: ReadonlyMap<string, WaitingSince>
}

/** Call it before the snapshot, as it reads the disk's free space. */
export async function diskWait({ room }: Context): Promise<Waiting | undefined> {
  const lack = await room.lack()
  return lack && { code: 'disk', reason: lack.message, until: null }
}

/** Why a job and its scenes wait. `reader`: the snapshot that `rows` were read in. */
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
  const afterCrashOf = await afterCrash(reader, rows, now)
  const facts = { ...rows, ofJob, ofDisk, now }
  const waits = new Map([
    ...attemptWaits(facts, afterCrashOf),
    ...(await pendingWaits(context, reader, facts)),
  ])
  if (!isActive) {
    // The scene's money stays reserved until a person resolves it.
    const held = scenes.map(({ id }) => waits.get(id)).find((wait) => wait?.code === 'held')
    return { job: held ?? reviewWait(job, toApproveMicros) ?? null, scenes: waits }
  }
  const ofFilm = afterCrashOf('stitch-film', String(job.id))
  const whole = wholeWait(facts, waits, ofFilm)
  // A rejected job cannot be approved, so an approval is not what it waits for.
  const isRejected = job.rejected !== null && whole !== null && approvable.has(whole.code)
  return { job: isRejected ? reviewWait(job, toApproveMicros)! : whole, scenes: waits }
}

interface Facts extends JobRows {
  /** What blocks all of its scenes. */
  readonly ofJob: WaitingSince | undefined
  readonly ofDisk: Waiting | undefined
  readonly now: number
}

type AfterCrash = (kind: TaskKind, subject: string | null, renderer?: string) => WaitingSince | undefined

/** What blocks all scenes of an approved job, at every renderer. */
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
  if (jobs !== null && (await freeJobSlots(reader, jobs, now)) <= 0)
    return { ...jobsLimitWait(jobs), since: begunAt(job) }
  return undefined
}

/** Why a task that ran during a crash has not restarted; undefined for any other task. */
async function afterCrash(
  reader: Reader,
  { job, crashed, running }: JobRows,
  now: number,
): Promise<AfterCrash> {
  const waiting = crashed.filter(
    (task) => !running.some(({ kind, subject }) => kind === task.kind && subject === task.subject),
  )
  const stops = waiting.length > 0 ? await listManualPauses(reader) : []
  return (kind, subject, renderer) => {
    const task = waiting.find((one) => one.kind === kind && one.subject === subject)
    if (!task) return undefined
    if (job.pausedAt !== null) return pausedWait(job, job.pausedAt)
    const stop = manualPauseAmong(stops, renderer)
    return stop ? manualPauseWait(stop) : crashWait(task, now)
  }
}

const isUnfinished = ({ status, clip }: Attempt): boolean => status !== 'succeeded' || clip === null

/** The waits of scenes that have an attempt, or a kept clip being copied. */
function attemptWaits(
  { scenes, attempts, running: tasks, ofDisk, now }: Facts,
  afterCrashOf: AfterCrash,
): ReadonlyMap<string, WaitingSince> {
  const waits = new Map<string, WaitingSince>()
  const running = new Set(tasks.map(({ subject }) => subject))
  for (const scene of scenes) {
    // A held attempt needs a decision, whatever became of its scene.
    const attempt = attempts
      .filter(isUnfinished)
      .find(({ id, sceneId, status }) => (status === 'held' ? sceneId === scene.id : id === scene.attemptId))
    const wait =
      afterCrashOf('render-scene', scene.attemptId, scene.renderer) ??
      afterCrashOf('take-clip', scene.id) ??
      (attempt &&
        (attemptWait(attempt, now) ??
          // Without room on the disk, its task is postponed repeatedly.
          (ofDisk && !running.has(attempt.id) ? { ...ofDisk, since: attempt.updatedAt } : undefined)))
    if (wait) waits.set(scene.id, wait)
    if (scene.status === 'processing' && scene.notBefore !== null)
      waits.set(scene.id, takingWait(scene, scene.notBefore))
  }
  return waits
}

/** The waits of scenes that have not started. */
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
  const snapshot = openBudgetSnapshot(reader, budgets, now)
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
      (await sceneWait(renders, facts, snapshot, now)) ??
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

/** The wait of an approved job: that of its first waiting scene, unless another scene is progressing. */
function wholeWait(
  { job, scenes, running, ofDisk }: Facts,
  waits: ReadonlyMap<string, WaitingSince>,
  ofFilm: WaitingSince | undefined,
): WaitingSince | null {
  if (scenes.some(({ id, status }) => status === 'processing' && !waits.has(id))) return null
  const first = scenes.find(({ id }) => waits.has(id))
  if (first) return waits.get(first.id)!
  const isStitched = running.some(({ kind }) => kind === 'stitch-film')
  return isStitched || job.error ? null : (ofFilm ?? { since: job.updatedAt, ...(ofDisk ?? stitchingWait) })
}

/** Waits that an approval would end. */
const approvable: ReadonlySet<WaitCode> = new Set(['approval', 'budget_job', 'unknown_price'])
