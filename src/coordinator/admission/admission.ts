/**
 * Admission: decides which scenes start now. It reads only rows, in the transaction that starts the scenes, never
 * counters that can leak. So no number of concurrent approvals uses more slots than exist.
 */
import { isDiskFull } from '../../disk-full.ts'
import { dayOf } from '../../job/price.ts'
import { logLine } from '../../log.ts'
import { insertAttempt, isBeingRendered, isHeldFor, postedAt } from '../../store/attempts.ts'
import type { Reader, Transaction } from '../../store/database.ts'
import { hasManyEvents } from '../../store/events.ts'
import {
  type WaitingScene,
  hasWaitingScene,
  listWaitingClients,
  nextRetryAt,
  setSceneProcessing,
} from '../../store/scenes.ts'
import { waitForOtherStarts } from '../../store/turns.ts'
import {
  type Gate,
  type RendererLimit,
  type RendererNow,
  type Waiting,
  freeStarts,
  moneyWait,
  ownHeldWait,
  sameRenderWait,
} from './rules.ts'
import { freeJobSlots, limitsOf, manualPauseAmong, type LimitsNow } from './limits.ts'
import { cooldownOf } from '../attempt/cooldown.ts'
import { isServed } from '../job/quote.ts'
import { serveJob, startJob } from '../scene/starting.ts'
import { readGate, type GateRows } from '../../store/gate.ts'
import { initializing } from '../../job/progress.ts'
import type { Context } from '../context.ts'
import { type Loop, backOffMs, createLoop } from '../../loop.ts'
import { type BudgetSnapshot, openBudgetSnapshot } from './budget-snapshot.ts'
import { openFairQueue } from './fair-queue.ts'

export interface Admission extends Omit<Loop, 'start'> {
  /** Renders that may run on this machine at once, by the limits at the last look. */
  rendersAtOnce(): number
}

/** Idle until the first wake. */
export function createAdmission(context: Context): Admission {
  const { engine, host, log, renderers } = context
  const limits = new Map(context.limitOf)
  const onLimit = (limit: RendererLimit): void => {
    const before = limits.get(limit.name)
    limits.set(limit.name, limit)
    if (before && before.maxConcurrency < limit.maxConcurrency) engine.wake()
  }

  const look = async (): Promise<number> => {
    let nextAt = Number.POSITIVE_INFINITY
    for (const renderer of renderers) {
      const againAt = await admitIfPossible(context, renderer, onLimit).catch((error: unknown) => {
        if (isDiskFull(error)) logLine.admissionWaitsForRoom(log)
        else logLine.cannotAdmit(log, error)
        return host.now() + backOffMs
      })
      nextAt = Math.min(nextAt, againAt ?? Number.POSITIVE_INFINITY)
    }
    return nextAt - host.now()
  }

  const { start, wake, stop } = createLoop({
    host,
    look,
    onError: (error) => logLine.cannotAdmit(log, error),
  })
  return {
    wake() {
      start()
      wake()
    },
    stop,
    rendersAtOnce: () =>
      [...limits.values()]
        .filter(({ task }) => task === 'render-scene')
        .reduce((sum, { maxConcurrency }) => sum + maxConcurrency, 0),
  }
}

/** Scenes started in one transaction, which blocks other writes. */
const startsAtOnce = 64

/**
 * Starts scenes at a renderer. Resolves to when to look again, ms since the epoch; undefined: at the next wake. Where nodes share
 * the database, all of them are woken by the same change: they first see without a transaction whether anything is left to start.
 */
async function admitIfPossible(
  context: Context,
  configured: RendererLimit,
  onLimit: (limit: RendererLimit) => void,
): Promise<number | undefined> {
  const { database, host, nodes } = context
  if (!nodes.areShared) return database.transaction((tx) => admit(context, tx, configured, onLimit))
  const now = host.now()
  const [gate, isWaiting] = await Promise.all([
    readGate(database, configured.name, now),
    hasWaitingScene(database, configured.name, now),
  ])
  const { limit, slots, lookAgainAt } = startsAt(gate, configured, now)
  if (slots === 0 || !isWaiting) {
    onLimit(limit)
    return lookAgainAt ?? nextRetryAt(database, limit.name, now)
  }
  return database.transaction(async (tx) => {
    await waitForOtherStarts(tx)
    return admit(context, tx, configured, onLimit)
  })
}

/** What may start at a renderer, and with no slots when to look again: `lookAgainAt` undefined says at the next retry. */
function startsAt(gate: GateRows, configured: RendererLimit, now: number): Starts {
  const limits = limitsOf(gate.limits)
  const limit = limits.of(configured)
  const at = nowOf(gate, limit.name, now)
  // The end of a manual pause wakes admission.
  if (!gate.isQueued || at.manualPause)
    return { limits, limit, slots: 0, lookAgainAt: Number.POSITIVE_INFINITY }
  if (at.cooldown) return { limits, limit, slots: 0, lookAgainAt: at.cooldown.until }
  return { limits, limit, slots: freeStarts(limit, at), lookAgainAt: undefined }
}

interface Starts {
  readonly limits: LimitsNow
  readonly limit: RendererLimit
  readonly slots: number
  readonly lookAgainAt: number | undefined
}

async function admit(
  context: Context,
  tx: Transaction,
  configured: RendererLimit,
  onLimit: (limit: RendererLimit) => void,
): Promise<number | undefined> {
  const now = context.host.now()
  const gate = await readGate(tx, configured.name, now)
  const { limits, limit, slots, lookAgainAt } = startsAt(gate, configured, now)
  // Before the effects of the starts below, which count the slots.
  tx.afterCommit(() => onLimit(limit))
  if (slots === 0) return lookAgainAt ?? nextRetryAt(tx, limit.name, now)
  const { free, againAt } = await startWaiting(context, tx, { limit, limits, slots, now })
  if (free === 0) return slots > startsAtOnce ? now : againAt
  return Math.min(againAt, (await nextRetryAt(tx, limit.name, now)) ?? Number.POSITIVE_INFINITY)
}

interface Look {
  readonly limit: RendererLimit
  readonly limits: LimitsNow
  readonly slots: number
  readonly now: number
}

/** Starts scenes in the order of the fair queue while slots are free. Resolves to the slots left and when to look again. */
async function startWaiting(
  context: Context,
  tx: Transaction,
  { limit, limits, slots, now }: Look,
): Promise<{ readonly free: number; readonly againAt: number }> {
  let free = Math.min(slots, startsAtOnce)
  let againAt = Number.POSITIVE_INFINITY
  const snapshot = openBudgetSnapshot(tx, context.budgets, now)
  const [places, clients] = await Promise.all([
    freeJobSlots(tx, limits.jobs, now),
    listWaitingClients(tx, limit.name),
  ])
  let jobPlaces = places
  const begun = new Set<number>()
  const rendering = new Set<number>()
  const queue = await openFairQueue(tx, limit.name, { clients, free, now, onlyBegun: jobPlaces <= 0 })
  while (free > 0) {
    const scene = await queue.next()
    if (!scene) break
    if (hasManyEvents(tx)) {
      againAt = now
      break
    }
    const isFirst = scene.jobApproved && !begun.has(scene.jobId)
    // The limit of jobs is reached: another look starts scenes of started jobs only.
    if (isFirst && jobPlaces <= 0) {
      againAt = now
      break
    }
    const wait = await sceneWait(rendersIn(tx), scene, snapshot, now)
    if (wait) {
      againAt = Math.min(againAt, wait.until ?? Number.POSITIVE_INFINITY)
      continue
    }
    await context.room.require()
    if (isFirst) {
      jobPlaces--
      begun.add(scene.jobId)
      await startJob(
        context,
        tx,
        scene.jobId,
        limit.task === 'render-scene' ? initialRendering : initializing,
      )
    }
    // Under a limit of jobs, scenes with stored clips had to wait for their job's start.
    if (isFirst || (await isServed(tx, scene))) await serveJob(context, tx, scene.jobId)
    if (!(await startScene(context, tx, scene, limit))) continue
    rendering.add(scene.jobId)
    queue.started(scene)
    snapshot.reserve(scene, scene.priceMicros)
    free--
  }
  if (limit.task === 'render-scene')
    for (const jobId of begun)
      if (rendering.has(jobId))
        await context.emit(tx, { type: 'job_progress', jobId, data: { ...initialRendering } })
  await queue.keep(tx, context.host)
  return { free, againAt }
}

/** A job's progress when its first scene begins on this machine at once. */
const initialRendering = { ...initializing, stage: 'rendering' }

const nowOf = (gate: GateRows, renderer: string, now: number): RendererNow => ({
  ...gate.occupancy,
  ...cooldownOf(gate, now),
  manualPause: manualPauseAmong(gate.manualPauses, renderer),
})

/** A renderer's current load, manual pause and cooldown. */
export const rendererNow = async (reader: Reader, renderer: string, now: number): Promise<RendererNow> =>
  nowOf(await readGate(reader, renderer, now), renderer, now)

/** As `rendererNow`, with the time of the last start at this renderer. */
export async function gateNow(
  reader: Reader,
  { name, startsPerMinute }: RendererLimit,
  now: number,
): Promise<Gate> {
  const { unanswered, cooldown: pause, isProbed, manualPause: stop } = await rendererNow(reader, name, now)
  return {
    lastPostedAt: await postedAt(reader, name, 1),
    minuteBeganAt: startsPerMinute === undefined ? undefined : await postedAt(reader, name, startsPerMinute),
    unanswered,
    cooldown: pause,
    isProbed,
    manualPause: stop,
  }
}

/** What is known of other renders of what a scene is to show: read scene by scene, or of a whole job at once. */
export interface OtherRenders {
  isServed(scene: HeadScene): boolean | Promise<boolean>
  isBeingRendered(scene: HeadScene): boolean | Promise<boolean>
  isHeld(scene: HeadScene): boolean | Promise<boolean>
}

const rendersIn = (reader: Reader): OtherRenders => ({
  isServed: (scene) => isServed(reader, scene),
  isBeingRendered: ({ renderKey }) => isBeingRendered(reader, renderKey),
  isHeld: ({ id, renderKey }) => isHeldFor(reader, id, renderKey),
})

type HeadScene = Pick<
  WaitingScene,
  | 'id'
  | 'jobId'
  | 'clientId'
  | 'priceMicros'
  | 'authorisedMicros'
  | 'unknownCostAccepted'
  | 'unapproved'
  | 'renderKey'
  | 'forced'
  | 'attemptId'
>

/** Why a scene at the head of the queue can't start, though its renderer has a free slot. */
export async function sceneWait(
  renders: OtherRenders,
  scene: HeadScene,
  snapshot: BudgetSnapshot,
  now: number,
): Promise<Waiting | undefined> {
  if (await renders.isServed(scene)) return undefined
  if (!scene.forced && (await renders.isBeingRendered(scene))) return sameRenderWait
  if (!scene.forced && (await renders.isHeld(scene))) return ownHeldWait
  if (scene.priceMicros === 0) return undefined
  const { jobId, priceMicros, authorisedMicros, unknownCostAccepted, unapproved } = scene
  const [job, budgets] = [await snapshot.moneyOfJob(jobId), await snapshot.budgetsFor(scene)]
  return moneyWait({ priceMicros, authorisedMicros, unknownCostAccepted, unapproved, job, budgets }, now)
}

/** Resolves to whether the scene was started; it may have used a stored clip meanwhile. */
async function startScene(
  context: Context,
  tx: Transaction,
  scene: WaitingScene,
  { name: renderer, task }: RendererLimit,
): Promise<boolean> {
  const { engine, host, emit } = context
  const isHere = task === 'render-scene'
  const attemptId = host.id()
  const { id: sceneId, jobId, model, priceMicros: costMicros, clientId, renderKey, render: settings } = scene
  const now = host.now()
  if ((await setSceneProcessing(tx, sceneId, attemptId, now)) === 0) return false
  const status = isHere ? 'submitted' : 'intended'
  const day = dayOf(now)
  const attempt = {
    id: attemptId,
    jobId,
    sceneId,
    renderer,
    model,
    status,
    costMicros,
    clientId,
    day,
  } as const
  await insertAttempt(tx, { ...attempt, renderKey, settings }, now)
  const data = { attempt_id: attemptId, renderer, model }
  await emit(tx, { type: 'scene_processing', jobId, sceneId, scene, data })
  await engine.enqueue(tx, { kind: task, subject: attemptId, jobId })
  return true
}
