/**
 * Admission: which scenes start now. All it decides by is read from rows in the transaction that starts them,
 * never from counters that can leak, so no number of approvals at once takes more slots than there are.
 */
import { type DiskRoom, isDiskFull } from '../disk-full.ts'
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { dayOf } from '../job/price.ts'
import { type Log, logLine } from '../log.ts'
import { insertAttempt, isBeingRendered, isHeldFor, occupancyOf, postedAt } from '../store/attempts.ts'
import type { Database, Reader, Transaction } from '../store/database.ts'
import { type WaitingScene, nextRetryAt, setSceneProcessing } from '../store/scenes.ts'
import {
  type Gate,
  type RendererLimit,
  type RendererNow,
  type Waiting,
  freeStarts,
  moneyWait,
  ownHeldWait,
  sameRenderWait,
} from './admission-rules.ts'
import { jobPlacesNow, limitsNow, stopOf } from './limits.ts'
import { pauseOf } from './outage.ts'
import { isServed } from './quote.ts'
import type { Starting } from './starting.ts'
import type { Tell } from './tell.ts'
import { type ConfiguredBudgets, type Treasury, openTreasury } from './treasury.ts'
import { setTurn } from '../store/turns.ts'
import { openTurns } from './turns.ts'

export interface AdmissionOptions {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly budgets: ConfiguredBudgets
  readonly starting: Starting
  readonly tell: Tell
  readonly room: DiskRoom
  /** Told of a renderer's limits in force, at each look. */
  readonly onLimit: (limit: RendererLimit) => void
}

export interface Admission {
  /** Looks for scenes to start, soon: several calls at once are one look. */
  admitSoon(): void
  /** Ends admission; resolves when a look under way has ended. */
  stop(): Promise<void>
}

/** How long to wait before asking a database again that refused. */
const refusedMs = 3000

export function createAdmission(options: AdmissionOptions): Admission {
  const { database, host, log, renderers } = options
  const stopped = new AbortController()
  let isLooking = false
  let looking: Promise<void> = Promise.resolve()
  let again = false
  let alarm: AbortController | undefined

  const look = async (): Promise<void> => {
    do {
      again = false
      let lookAgainAt = Number.POSITIVE_INFINITY
      for (const renderer of renderers) {
        const retryAt = await database
          .transaction((tx) => admit(tx, renderer, options))
          .catch((error: unknown) => {
            if (isDiskFull(error)) logLine.admissionWaitsForRoom(log)
            else logLine.cannotAdmit(log, error)
            return host.now() + refusedMs
          })
        lookAgainAt = Math.min(lookAgainAt, retryAt ?? Number.POSITIVE_INFINITY)
      }
      if (lookAgainAt <= host.now()) again = true
      else setAlarm(lookAgainAt)
    } while (again && !stopped.signal.aborted)
    // In the same breath as the last look at `again`: whoever asks from now on begins a look of his own.
    isLooking = false
  }

  const setAlarm = (at: number): void => {
    alarm?.abort()
    if (at === Number.POSITIVE_INFINITY || stopped.signal.aborted) return
    const ring = (alarm = new AbortController())
    void host.sleep(Math.max(0, at - host.now()), ring.signal).then(() => {
      if (!ring.signal.aborted) admitSoon()
    })
  }

  const admitSoon = (): void => {
    if (stopped.signal.aborted) return
    again = true
    if (isLooking) return
    isLooking = true
    looking = look()
  }

  return {
    admitSoon,
    async stop() {
      stopped.abort()
      alarm?.abort()
      await looking
    },
  }
}

/** Scenes started in one transaction: nothing else is heard meanwhile. */
const startsAtOnce = 64

/** Starts what may start at a renderer; resolves to when to look again, where that is known. */
async function admit(
  tx: Transaction,
  configured: RendererLimit,
  options: AdmissionOptions,
): Promise<number | undefined> {
  const now = options.host.now()
  const limits = await limitsNow(tx)
  const limit = limits.of(configured)
  // Before the effects of what is started here: those count the places.
  tx.afterCommit(() => options.onLimit(limit))
  const at = await rendererNow(tx, limit.name, now)
  // Who ends a person's pause asks for another look.
  if (at.stop) return undefined
  if (at.pause) return at.pause.until
  const places = freeStarts(limit, at)
  let free = Math.min(places, startsAtOnce)
  let again = Number.POSITIVE_INFINITY
  const treasury = openTreasury(tx, options.budgets, now)
  let jobPlaces = await jobPlacesNow(tx, limits.jobs, now)
  const begun = new Set<number>()
  const turns =
    free > 0 ? await openTurns(tx, limit.name, { free, now, onlyBegun: jobPlaces <= 0 }) : undefined
  for (let scene = await turns?.next(); scene && free > 0; scene = await turns!.next()) {
    const isFirst = scene.jobApproved && !begun.has(scene.jobId)
    // Only jobs that have begun from here on: that is another look.
    if (isFirst && jobPlaces <= 0) return now
    const wait = await sceneWait(tx, scene, treasury, now)
    if (wait) {
      again = Math.min(again, wait.until ?? Number.POSITIVE_INFINITY)
      continue
    }
    await options.room.require()
    if (isFirst) {
      jobPlaces--
      begun.add(scene.jobId)
      await options.starting.startJob(tx, scene.jobId)
    }
    // What could be had for nothing was left until the job had its place.
    if (isFirst || (await isServed(tx, scene))) await options.starting.serveJob(tx, scene.jobId)
    if (!(await startScene(tx, scene, limit, options))) continue
    turns!.started(scene)
    treasury.reserve(scene, scene.priceMicros)
    free--
  }
  if (free === 0 && places > startsAtOnce) return now
  return Math.min(again, (await nextRetryAt(tx, limit.name, now)) ?? Number.POSITIVE_INFINITY)
}

/** What goes on at a renderer. */
export const rendererNow = async (reader: Reader, renderer: string, now: number): Promise<RendererNow> => ({
  ...(await occupancyOf(reader, renderer, now)),
  ...(await pauseOf(reader, renderer, now)),
  stop: await stopOf(reader, renderer),
})

/** When something was sent there last. */
export const gateNow = async (
  reader: Reader,
  { name, startsPerMinute }: RendererLimit,
  now: number,
): Promise<Gate> => ({
  lastPostedAt: await postedAt(reader, name, 1),
  minuteBeganAt: startsPerMinute === undefined ? undefined : await postedAt(reader, name, startsPerMinute),
  unanswered: (await occupancyOf(reader, name, now)).unanswered,
  ...(await pauseOf(reader, name, now)),
  stop: await stopOf(reader, name),
})

/** Why a scene at the head of the queue can't start, though its renderer has a place for it. */
export async function sceneWait(
  reader: Reader,
  scene: Pick<
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
  >,
  treasury: Treasury,
  now: number,
): Promise<Waiting | undefined> {
  if (await isServed(reader, scene)) return undefined
  if (!scene.forced && (await isBeingRendered(reader, scene.renderKey))) return sameRenderWait
  if (!scene.forced && (await isHeldFor(reader, scene.id, scene.renderKey))) return ownHeldWait
  if (scene.priceMicros === 0) return undefined
  const { jobId, priceMicros, authorisedMicros, unknownCostAccepted, unapproved } = scene
  const [job, budgets] = [await treasury.moneyOfJob(jobId), await treasury.budgetsFor(scene)]
  return moneyWait({ priceMicros, authorisedMicros, unknownCostAccepted, unapproved, job, budgets }, now)
}

/** Whether it was started: it may have taken a kept clip meanwhile. */
async function startScene(
  tx: Transaction,
  scene: WaitingScene,
  { name: renderer, task }: RendererLimit,
  { engine, host, tell }: AdmissionOptions,
): Promise<boolean> {
  const attemptId = host.id()
  const { id: sceneId, jobId, model, priceMicros: costMicros, clientId, renderKey, render: settings } = scene
  const now = host.now()
  if ((await setSceneProcessing(tx, sceneId, attemptId, now)) === 0) return false
  await insertAttempt(
    tx,
    {
      id: attemptId,
      jobId,
      sceneId,
      renderer,
      model,
      costMicros,
      clientId,
      day: dayOf(now),
      renderKey,
      settings,
    },
    now,
  )
  await setTurn(tx, renderer, clientId)
  await tell(tx, {
    type: 'scene_processing',
    jobId,
    sceneId,
    data: { attempt_id: attemptId, renderer, model },
  })
  await engine.enqueue(tx, { kind: task, subject: attemptId, jobId })
  return true
}
