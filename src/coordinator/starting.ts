/** How a job begins, and how its scenes take clips that are kept: for nothing, and without a place at a renderer. */
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import { initializing } from '../job/progress.ts'
import { type Log, logLine } from '../log.ts'
import type { Transaction } from '../store/database.ts'
import { setProcessing } from '../store/jobs.ts'
import { type ServedScene, listServedBy, listServedOfJob, setSceneProcessing } from '../store/scenes.ts'
import type { Tell } from './tell.ts'

export interface Starting {
  /** An approved job is worked on from now on. */
  startJob(tx: Transaction, jobId: number): Promise<void>
  /** The waiting scenes of an active job take the clips that are kept for them. */
  serveJob(tx: Transaction, jobId: number): Promise<void>
  /** All scenes that wait for this clip take it. */
  serveRender(tx: Transaction, renderKey: string): Promise<void>
}

export interface StartingOptions {
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly tell: Tell
}

export function createStarting({ engine, host, log, tell }: StartingOptions): Starting {
  const startJob: Starting['startJob'] = async (tx, jobId) => {
    await setProcessing(tx, jobId, initializing, host.now())
    await tell(tx, { type: 'job_processing', jobId, data: { ...initializing } })
    tx.afterCommit(() => logLine.jobProcessing(log, jobId))
  }

  const serve = async (tx: Transaction, scenes: readonly ServedScene[]): Promise<void> => {
    const begun = new Set<number>()
    for (const { id: sceneId, jobId, jobApproved } of scenes) {
      if (jobApproved && !begun.has(jobId)) await startJob(tx, jobId)
      begun.add(jobId)
      await setSceneProcessing(tx, sceneId, null, host.now())
      await tell(tx, { type: 'scene_processing', jobId, sceneId, data: { kept: true } })
      await engine.enqueue(tx, { kind: 'take-clip', subject: sceneId, jobId })
    }
  }

  return {
    startJob,
    serveJob: async (tx, jobId) => serve(tx, await listServedOfJob(tx, jobId)),
    serveRender: async (tx, renderKey) => serve(tx, await listServedBy(tx, renderKey)),
  }
}
