/** A harness in which nothing is rendered: the test says how each task ends. */
import type { JobEvent } from '../../src/job/event.ts'
import type { Job } from '../../src/job/job.ts'
import { type Task, type TaskKind, taskKinds } from '../../src/job/task.ts'
import { filmRequest, assets } from './data.ts'
import { type HarnessOptions, type OpenHarness, openHarness } from './harness.ts'
import { jobEvents } from './job-events.ts'

/** A task that waits for the test to say how it ends. */
export interface HeldTask extends Task {
  readonly signal: AbortSignal
  done(): void
  reject(error: Error): void
}

export interface HeldHarness extends OpenHarness {
  /** The next task of a kind that is started, once it is. */
  next(kind: TaskKind): Promise<HeldTask>
  /** A pending job of `scenes` scenes. */
  job(scenes?: number, members?: object): Promise<Job>
  /** Begins a render as the pipeline does, and ends it with a clip. */
  render(task: HeldTask): Promise<void>
  events(jobId: number): Promise<readonly JobEvent[]>
}

export const clip = 'c'.repeat(64)

export async function openHeldHarness(options: HarnessOptions): Promise<HeldHarness> {
  const harness = await openHarness({ assets, ...options })
  const { coordinator, database, engine } = harness
  const queues = new Map<TaskKind, { tasks: HeldTask[]; wanted: ((task: HeldTask) => void)[] }>()
  for (const kind of taskKinds) {
    const queue = { tasks: [] as HeldTask[], wanted: [] as ((task: HeldTask) => void)[] }
    queues.set(kind, queue)
    const onExhausted = (task: Task, error: unknown): Promise<void> =>
      kind === 'render-scene'
        ? coordinator.sceneFailed(task.subject, {
            failure: { code: 'internal', reason: String(error) },
            retry: false,
          })
        : coordinator.failJob(task.jobId, String(error))
    const isRisky = kind !== 'follow-render'
    const concurrency = kind === 'render-scene' ? () => coordinator.rendersAtOnce() : 100
    engine.handle(kind, { concurrency, isRisky, onExhausted }, (task, { signal }) =>
      kind === 'join-clips'
        ? Promise.resolve()
        : new Promise((resolve, reject) => {
            const held: HeldTask = { ...task, signal, done: resolve, reject }
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
            const wanted = queue.wanted.shift()
            if (wanted) wanted(held)
            else queue.tasks.push(held)
          }),
    )
  }
  return {
    ...harness,
    next(kind) {
      const queue = queues.get(kind)!
      const task = queue.tasks.shift()
      return task ? Promise.resolve(task) : new Promise((resolve) => queue.wanted.push(resolve))
    },
    job: (scenes, members) => coordinator.createJob(filmRequest(scenes, members)),
    async render(task) {
      await coordinator.beginAttempt(task.subject)
      await coordinator.sceneRendered(task.subject, { clip, source: clip, place: '' })
      task.done()
    },
    events: (jobId) => jobEvents(database, jobId),
  }
}
