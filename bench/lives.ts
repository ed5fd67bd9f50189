/** Jobs worked from request to completed without media: a handler that answers at once stands where renders and films are made. */
import { asset, jobRequest, together } from './harness.ts'
import type { Host } from '../src/host.ts'
import type { Harness } from '../test/harness/harness.ts'

export interface Lives {
  /** From each approval to the start of its render. */
  readonly startMs: number[]
  /** Resolves when the last of `jobs` is completed. */
  work(jobs: number, inFlight: number): Promise<void>
}

/** Starts the coordinator of `harness`. */
export async function beginLives(
  { coordinator, engine }: Harness<Host>,
  concurrency: number,
): Promise<Lives> {
  const approvedAt = new Map<number, number>()
  const startMs: number[] = []
  const ended = new Map<number, () => void>()
  const options = {
    concurrency,
    onExhausted: (_: unknown, error: unknown) => Promise.reject(error),
  }
  engine.handle('render-scene', options, async (task) => {
    startMs.push(performance.now() - approvedAt.get(task.jobId)!)
    const work = await coordinator.beginAttempt(task.subject)
    for (const percentage of [20, 40, 60, 80])
      await coordinator.updateProgress(work!.job.id, { percentage, stage: 'rendering' })
    const { format } = work!.job.storyboard
    await coordinator.sceneRendered(task.subject, { clip: asset, source: asset, place: '' }, format)
  })
  engine.handle('join-clips', options, () => Promise.resolve())
  engine.handle('stitch-film', options, async (task) => {
    await coordinator.completeJob(task.jobId, new Uint8Array([1]))
    approvedAt.delete(task.jobId)
    ended.get(task.jobId)?.()
    ended.delete(task.jobId)
  })
  await coordinator.start()
  return {
    startMs,
    work: (jobs, inFlight) =>
      together(jobs, inFlight, async () => {
        const job = await coordinator.createJob(jobRequest)
        const done = new Promise<void>((resolve) => ended.set(job.id, resolve))
        approvedAt.set(job.id, performance.now())
        await coordinator.approveJob(job.id)
        await done
      }),
  }
}
