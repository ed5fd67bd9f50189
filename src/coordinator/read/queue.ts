/** What all waiting scenes wait for, by the rules that say why a single one does. */
import type { Reader } from '../../store/database.ts'
import { listInFlight, listUnfetched } from '../../store/attempts.ts'
import { moneyOfJobs } from '../../store/money.ts'
import { noMoney } from '../../job/price.ts'
import {
  type HeldBackCode,
  type QueuedScene,
  countQueued,
  countWaitingJobs,
  listHeldBack,
  listQueuedScenes,
  mostQueued,
} from '../../store/queued.ts'
import { type OtherRenders, rendererNow, sceneWait } from '../admission/admission.ts'
import { type BudgetSnapshot, openBudgetSnapshot } from '../admission/budget-snapshot.ts'
import { freeJobSlots, limitsNow } from '../admission/limits.ts'
import { type WaitCode, type Waiting, jobsLimitWait, rendererWait } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { createBriefMemory } from './brief-memory.ts'
import { attemptWait, queueWait } from './scene-waits.ts'
import { diskWait } from './waiting.ts'

/** Scenes that wait for the same thing. */
export interface QueueReason {
  readonly code: WaitCode
  /** Null for what holds at any renderer. */
  readonly renderer: string | null
  readonly scenes: number
  readonly jobs: number
  /** Of the scene that waits longest, among those that were looked at one by one. */
  readonly oldest: { readonly jobId: number; readonly since: number; readonly reason: string }
  /** When the first of these waits ends by itself, ms since the epoch; null where that is unknown. */
  readonly until: number | null
}

export interface QueueReasons {
  readonly reasons: readonly QueueReason[]
  /** Jobs behind those that were counted. */
  readonly moreJobs: number
}

/** Jobs whose scenes are looked at one by one: those behind them wait for their renderer. */
const mostJobs = 500

const keptMs = 3000
const remembered = createBriefMemory<QueueReasons>()

/** At most a few seconds old. */
export const getQueue = (context: Context): Promise<QueueReasons> =>
  remembered(context, 'queue', keptMs, async () => {
    const ofDisk = await diskWait(context)
    return context.database.snapshot((reader) => read(context, reader, ofDisk))
  })

const heldBackWords: Readonly<Record<HeldBackCode, string>> = {
  approval: 'waiting for approval',
  rejected: 'rejected: change and submit it again',
  job_paused: 'the job is paused until it is resumed',
  dependency: 'another job must end first',
  scheduled: 'scheduled to begin later',
}

async function read(context: Context, reader: Reader, ofDisk: Waiting | undefined): Promise<QueueReasons> {
  const now = context.host.now()
  const reasons = createReasons()
  for (const { code, jobs, scenes, oldest } of await listHeldBack(reader, now))
    reasons.addMany({
      code,
      renderer: null,
      scenes,
      jobs,
      oldest: { ...oldest, reason: heldBackWords[code] },
      until: null,
    })
  for (const attempt of [...(await listInFlight(reader)), ...(await listUnfetched(reader))]) {
    const wait = attemptWait(attempt, now)
    if (wait) reasons.add(wait, attempt)
  }
  const limits = await limitsNow(reader)
  const ofJobs =
    limits.jobs !== null && (await freeJobSlots(reader, limits.jobs, now)) <= 0
      ? jobsLimitWait(limits.jobs)
      : undefined
  const atRenderer = new Map<string, Waiting>()
  for (const configured of context.renderers) {
    const limit = limits.of(configured)
    const wait = ofDisk ?? rendererWait(limit, await rendererNow(reader, limit.name, now)) ?? queueWait
    atRenderer.set(limit.name, wait)
  }
  const scenes = await listQueuedScenes(reader, mostJobs)
  const snapshot = await snapshotFor(context, reader, scenes, now)
  for (const scene of scenes) {
    const wait =
      (scene.jobApproved ? ofJobs : undefined) ??
      backOff(scene, now) ??
      (await sceneWait(rendersOf(scene), scene, snapshot, now)) ??
      atRenderer.get(scene.renderer) ??
      queueWait
    reasons.add({ ...wait, since: scene.since }, scene)
  }
  if (new Set(scenes.map(({ jobId }) => jobId)).size >= mostJobs)
    for (const { renderer, scenes: all, jobs } of await countQueued(reader)) {
      const seen = scenes.filter((scene) => scene.renderer === renderer)
      const seenJobs = new Set(seen.map(({ jobId }) => jobId)).size
      const wait = ofJobs ?? atRenderer.get(renderer) ?? queueWait
      const last = seen.at(-1) ?? scenes.at(-1)!
      reasons.addMany({
        code: wait.code,
        renderer,
        scenes: all - seen.length,
        jobs: jobs - seenJobs,
        oldest: { jobId: last.jobId, since: last.since, reason: wait.reason },
        until: wait.until,
      })
    }
  const { queued, heldBack } = await countWaitingJobs(reader)
  const moreJobs = Math.max(0, queued - mostQueued) + Math.max(0, heldBack - mostQueued)
  return { reasons: reasons.list(), moreJobs }
}

const backOff = ({ notBefore }: QueuedScene, now: number): Waiting | undefined =>
  notBefore !== null && notBefore > now
    ? { code: 'back_off', reason: 'failed and will be retried', until: notBefore }
    : undefined

const rendersOf = (scene: QueuedScene): OtherRenders => ({
  isServed: () => scene.isServed,
  isBeingRendered: () => scene.isBeingRendered,
  isHeld: () => scene.isHeld,
})

/** With the money of all these jobs read at once. */
async function snapshotFor(
  { budgets }: Context,
  reader: Reader,
  scenes: readonly QueuedScene[],
  now: number,
): Promise<BudgetSnapshot> {
  const paid = scenes.filter(({ priceMicros }) => priceMicros !== 0)
  const moneyOf = await moneyOfJobs(reader, [...new Set(paid.map(({ jobId }) => jobId))])
  const snapshot = openBudgetSnapshot(reader, budgets, now)
  return { ...snapshot, moneyOfJob: (jobId) => Promise.resolve(moneyOf.get(jobId) ?? noMoney) }
}

/** Whose wait is the same at any renderer. */
const anywhere: ReadonlySet<WaitCode> = new Set([
  'approval',
  'paused',
  'jobs_limit',
  'disk',
  'budget_job',
  'budget_client',
  'budget_day',
  'budget_total',
  'unknown_price',
  'same_render',
])

function createReasons() {
  const found = new Map<string, QueueReason>()
  const jobsOf = new Map<string, Set<number>>()
  const addMany = (more: QueueReason): void => {
    if (more.scenes <= 0) return
    const key = JSON.stringify([more.code, more.renderer])
    const known = found.get(key)
    if (!known) {
      found.set(key, more)
      return
    }
    found.set(key, {
      ...known,
      scenes: known.scenes + more.scenes,
      jobs: known.jobs + more.jobs,
      oldest: more.oldest.since < known.oldest.since ? more.oldest : known.oldest,
      until:
        known.until === null || more.until === null
          ? (known.until ?? more.until)
          : Math.min(known.until, more.until),
    })
  }
  return {
    addMany,
    add(
      { code, reason, since, until }: Waiting & { readonly since: number },
      { jobId, renderer }: { readonly jobId: number; readonly renderer: string },
    ): void {
      const where = anywhere.has(code) ? null : renderer
      const key = JSON.stringify([code, where])
      const jobs = jobsOf.get(key) ?? new Set()
      jobsOf.set(key, jobs)
      const isFirst = !jobs.has(jobId)
      jobs.add(jobId)
      addMany({
        code,
        renderer: where,
        scenes: 1,
        jobs: isFirst ? 1 : 0,
        oldest: { jobId, since, reason },
        until,
      })
    },
    list: (): readonly QueueReason[] =>
      [...found.values()].toSorted((one, other) => other.scenes - one.scenes),
  }
}
