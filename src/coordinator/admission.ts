/**
 * Admission: which scenes start now. All it decides by is read from rows in the transaction that starts them,
 * never from counters that can leak, so no number of approvals at once takes more slots than there are.
 */
import { isDiskFull } from '../disk-full.ts'
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { initializing } from '../job/progress.ts'
import { type PriceBook, clipPrice } from '../job/price.ts'
import { type Log, logLine } from '../log.ts'
import { countInFlight, insertAttempt } from '../store/attempts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { setProcessing } from '../store/jobs.ts'
import { type WaitingScene, listWaitingScenes, nextRetryAt, setSceneProcessing } from '../store/scenes.ts'
import type { Tell } from './tell.ts'

/** What admission knows of a renderer. */
export interface RendererLimit {
  readonly name: string
  readonly models: readonly string[]
  /** Attempts it may have in flight at once, over all jobs. */
  readonly maxConcurrency: number
}

export interface AdmissionOptions {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly priceBook: PriceBook
  readonly tell: Tell
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
      setAlarm(lookAgainAt)
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

/** Fills a renderer's free slots; resolves to when the next scene that backs off may start. */
async function admit(
  tx: Transaction,
  renderer: RendererLimit,
  options: AdmissionOptions,
): Promise<number | undefined> {
  const now = options.host.now()
  const freeSlots = renderer.maxConcurrency - (await countInFlight(tx, renderer.name))
  if (freeSlots > 0) {
    const started = new Set<number>()
    for (const scene of await listWaitingScenes(tx, renderer.name, now, freeSlots)) {
      if (scene.jobApproved && !started.has(scene.jobId)) await startJob(tx, scene.jobId, options)
      started.add(scene.jobId)
      await startScene(tx, scene, renderer.name, options)
    }
  }
  return nextRetryAt(tx, renderer.name, now)
}

async function startJob(
  tx: Transaction,
  jobId: number,
  { host, log, tell }: AdmissionOptions,
): Promise<void> {
  await setProcessing(tx, jobId, initializing, host.now())
  await tell(tx, { type: 'job_processing', jobId, data: { ...initializing } })
  tx.afterCommit(() => logLine.jobProcessing(log, jobId))
}

async function startScene(
  tx: Transaction,
  scene: WaitingScene,
  renderer: string,
  { engine, host, priceBook, tell }: AdmissionOptions,
): Promise<void> {
  const attemptId = host.id()
  const { id: sceneId, jobId, model } = scene
  const now = host.now()
  await setSceneProcessing(tx, sceneId, now)
  // Every model offered so far has a price. One without must be refused at approval, and never counted as free.
  const costMicros = clipPrice(priceBook, scene) ?? 0
  await insertAttempt(tx, { id: attemptId, jobId, sceneId, renderer, model, costMicros }, now)
  await tell(tx, {
    type: 'scene_processing',
    jobId,
    sceneId,
    data: { attempt_id: attemptId, renderer, model },
  })
  await engine.enqueue(tx, { kind: 'render-scene', subject: attemptId, jobId })
}
