/** How a job ends before its film is there, and what follows from any end: for its renders, and for jobs that wait for it. */
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import type { Asked } from '../job/event.ts'
import { type Progress, initializing } from '../job/progress.ts'
import type { Failure } from '../job/scene.ts'
import { type Log, logLine } from '../log.ts'
import { listJobInFlight, requestCancel, setAttemptCancelled } from '../store/attempts.ts'
import type { Transaction } from '../store/database.ts'
import { hasDependents } from '../store/dependencies.ts'
import { type JobState, setCancelled, setFailed, setProcessing } from '../store/jobs.ts'
import { cancelScenes, listScenes } from '../store/scenes.ts'
import type { RendererLimit } from './admission-rules.ts'
import type { News } from './news.ts'
import type { Tell } from './tell.ts'

export interface Ending {
  /**
   * What runs for a job is stopped; what was sent to a provider is ended there by who follows it. `waitingToo`: scenes that
   * wait are cancelled with those that are worked on.
   */
  stopWork(tx: Transaction, jobId: number, waitingToo: boolean): Promise<void>
  /** A job has ended, however: those that wait for it are seen to. */
  ended(tx: Transaction, jobId: number): Promise<void>
  /** Whether it was cancelled: not where the job had ended. */
  cancel(
    tx: Transaction,
    job: JobState,
    why: { readonly error: Failure | null; readonly asked?: Asked | undefined },
  ): Promise<boolean>
  /** Whether it failed: not where the job isn't worked on. */
  fail(tx: Transaction, job: JobState, error: Failure, asked?: Asked): Promise<boolean>
  /** It can't be done any more, whatever state it is in: a job that was approved fails, any other is cancelled. */
  giveUp(tx: Transaction, job: JobState, error: Failure): Promise<void>
}

export interface EndingOptions {
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  readonly tell: Tell
  readonly news: News
  /** The task that sees to an attempt, by renderer. */
  readonly taskOf: ReadonlyMap<string, RendererLimit['task']>
  readonly admitSoon: () => void
}

const ends = (progress: Progress, stage: 'failed' | 'cancelled'): Progress => ({
  percentage: progress.percentage,
  stage,
})

export function createEnding(options: EndingOptions): Ending {
  const { engine, host, log, tell, news, taskOf, admitSoon } = options

  const stopAttempts = async (tx: Transaction, jobId: number): Promise<void> => {
    const now = host.now()
    const over: Failure = { code: 'cancelled', reason: 'The job has ended' }
    for (const attempt of await listJobInFlight(tx, jobId)) {
      const task = { kind: taskOf.get(attempt.renderer) ?? 'follow-render', subject: attempt.id } as const
      const isUnsent = attempt.status === 'intended' && attempt.postedAt === null
      if (task.kind === 'render-scene' || isUnsent) {
        await setAttemptCancelled(tx, attempt.id, 0, over, now)
        await engine.cancel(tx, task)
      } else {
        await requestCancel(tx, attempt.id, now)
        tx.afterCommit(() => news.of(attempt.id))
      }
    }
  }

  const stopWork: Ending['stopWork'] = async (tx, jobId, waitingToo) => {
    for (const scene of await listScenes(tx, jobId)) {
      if (scene.status !== 'processing' && !(waitingToo && scene.status === 'pending')) continue
      if (scene.status === 'processing') await engine.cancel(tx, { kind: 'take-clip', subject: scene.id })
      await tell(tx, { type: 'scene_cancelled', jobId, sceneId: scene.id, data: {} })
    }
    await cancelScenes(tx, jobId, waitingToo, host.now())
    await stopAttempts(tx, jobId)
    await engine.cancel(tx, { kind: 'stitch-film', subject: String(jobId) })
    tx.afterCommit(admitSoon)
  }

  const ended: Ending['ended'] = async (tx, jobId) => {
    if (await hasDependents(tx, jobId))
      await engine.enqueue(tx, { kind: 'settle-dependents', subject: String(jobId), jobId })
    // Another job may be begun in its place.
    tx.afterCommit(admitSoon)
  }

  const cancel: Ending['cancel'] = async (tx, { id, progress }, { error, asked }) => {
    if ((await setCancelled(tx, id, ends(progress, 'cancelled'), error, host.now())) === 0) return false
    await tell(tx, { type: 'job_cancelled', jobId: id, data: { ...error }, asked })
    await stopWork(tx, id, true)
    await ended(tx, id)
    tx.afterCommit(() => logLine.jobCancelled(log, id))
    return true
  }

  const fail: Ending['fail'] = async (tx, { id, progress }, error, asked) => {
    if ((await setFailed(tx, id, ends(progress, 'failed'), error, host.now())) === 0) return false
    await tell(tx, { type: 'job_failed', jobId: id, data: { ...error }, asked })
    // What waits may be rendered after a retry.
    await stopWork(tx, id, false)
    await ended(tx, id)
    tx.afterCommit(() => logLine.jobFailed(log, id, error.reason))
    return true
  }

  return {
    stopWork,
    ended,
    cancel,
    fail,
    async giveUp(tx, job, error) {
      // A job fails only while it is worked on: one that was approved is, for as long as that takes to say.
      if (job.status === 'approved') {
        await setProcessing(tx, job.id, initializing, host.now())
        await tell(tx, { type: 'job_processing', jobId: job.id, data: { ...initializing } })
      }
      if (job.status === 'pending') await cancel(tx, job, { error })
      else await fail(tx, job, error)
    },
  }
}
