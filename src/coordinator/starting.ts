/** How a job begins, and how its scenes take clips that are kept: for nothing, and without a place at a renderer. */
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { initializing, renderedShare } from '../job/progress.ts'
import { type Log, logLine } from '../log.ts'
import { setTakenAgain } from '../store/attempts.ts'
import type { Transaction } from '../store/database.ts'
import { requeue, setProcessing } from '../store/jobs.ts'
import {
  type ServedScene,
  listServedBy,
  listServedOfJob,
  setSceneProcessing,
  setSceneProgress,
} from '../store/scenes.ts'
import { jobPlacesNow, limitsNow } from './limits.ts'
import type { Settling } from './settling.ts'
import type { Tell } from './tell.ts'

export interface Starting {
  /** An approved job is worked on from now on. */
  startJob(tx: Transaction, jobId: number): Promise<void>
  /** The waiting scenes of an active job take the clips that are kept for them, and those they have paid for themselves. */
  serveJob(tx: Transaction, jobId: number): Promise<void>
  /** All scenes that wait for this clip take it. */
  serveRender(tx: Transaction, renderKey: string): Promise<void>
  /** Something that kept a job from the queue is over: it takes its place there, and what is kept for it. */
  rejoin(tx: Transaction, jobId: number): Promise<void>
}

export interface StartingOptions {
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly tell: Tell
  readonly settling: Pick<Settling, 'settleJob'>
  readonly admitSoon: () => void
}

export function createStarting({ engine, host, log, tell, settling, admitSoon }: StartingOptions): Starting {
  const startJob: Starting['startJob'] = async (tx, jobId) => {
    await setProcessing(tx, jobId, initializing, host.now())
    await tell(tx, { type: 'job_processing', jobId, data: { ...initializing } })
    tx.afterCommit(() => logLine.jobProcessing(log, jobId))
  }

  const serve = async (tx: Transaction, scenes: readonly ServedScene[]): Promise<void> => {
    const begun = new Set<number>()
    let places: number | undefined
    for (const { id: sceneId, jobId, jobApproved, paidBy, isUntaken } of scenes) {
      if (jobApproved && !begun.has(jobId)) {
        places ??= await jobPlacesNow(tx, (await limitsNow(tx)).jobs, host.now())
        // It takes them when it is begun.
        if (places <= 0) continue
        places--
        await startJob(tx, jobId)
      }
      begun.add(jobId)
      const now = host.now()
      await setSceneProcessing(tx, sceneId, paidBy, now)
      await setSceneProgress(tx, sceneId, renderedShare, now)
      await tell(tx, { type: 'scene_processing', jobId, sceneId, data: { kept: true } })
      if (paidBy !== null && isUntaken) {
        await setTakenAgain(tx, paidBy, now)
        await engine.enqueue(tx, { kind: 'follow-render', subject: paidBy, jobId })
      } else await engine.enqueue(tx, { kind: 'take-clip', subject: sceneId, jobId })
    }
    for (const jobId of begun) await settling.settleJob(tx, jobId)
  }

  const serveJob: Starting['serveJob'] = async (tx, jobId) => serve(tx, await listServedOfJob(tx, jobId))

  return {
    startJob,
    serveJob,
    async rejoin(tx, jobId) {
      await requeue(tx, jobId, host.now())
      await serveJob(tx, jobId)
      tx.afterCommit(admitSoon)
    },
    serveRender: async (tx, renderKey) => serve(tx, await listServedBy(tx, renderKey)),
  }
}
