/**
 * A coordinator with its real database, engine and log, on a clock the test moves itself. Nothing is rendered:
 * the test says how each task ends.
 */
import { createCoordinator, type RunningCoordinator } from '../../src/coordinator/coordinator.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine, TaskContext } from '../../src/engine/engine.ts'
import { createPubSub, type PubSub } from '../../src/events/pubsub.ts'
import type { Host } from '../../src/host.ts'
import type { JobEvent } from '../../src/job/event.ts'
import type { Job } from '../../src/job/job.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { type Task, type TaskKind, taskKinds } from '../../src/job/task.ts'
import { createLog } from '../../src/log.ts'
import type { Database } from '../../src/store/database.ts'
import { listJobEvents } from '../../src/store/events.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import type { Place } from '../store/open-database.ts'
import { createClock, type Clock } from '../clock.ts'

/** A task that waits for the test to say how it ends. */
export interface HeldTask extends Task {
  readonly signal: AbortSignal
  done(): void
  reject(error: Error): void
}

export interface House {
  readonly database: Database
  readonly coordinator: RunningCoordinator
  readonly engine: Engine
  readonly pubsub: PubSub
  readonly clock: Clock
  /** Every message logged so far. */
  readonly lines: readonly string[]
  /** The next task of a kind that is started, once it is. */
  next(kind: TaskKind): Promise<HeldTask>
  /** A pending job of `scenes` scenes. */
  job(scenes?: number, members?: object): Promise<Job>
  /** Begins a render as the pipeline does, and ends it with a clip. */
  render(task: HeldTask): Promise<void>
  events(jobId: number): Promise<readonly JobEvent[]>
  close(): Promise<void>
}

export const clip = 'c'.repeat(64)
const assetOf = (index: number): string => index.toString(16).padStart(64, '0')

export interface HouseOptions {
  readonly place: Place
  readonly slots?: number
  readonly clock?: Clock
}

export async function openHouse({ place, slots = 4, clock = createClock() }: HouseOptions): Promise<House> {
  const database = await place.open()
  await migrate(database, migrations)
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    destination: { write: (line) => lines.push((JSON.parse(line) as { msg: string }).msg) },
  })
  const host: Host = clock
  const pubsub = createPubSub(() => undefined)
  const engine = createEmbeddedEngine({ database, host, log, maxTries: 3 })
  const renderers = [
    {
      name: 'local',
      models: ['local'],
      maxConcurrency: slots,
      startDelayMs: 0,
      task: 'render-scene' as const,
    },
  ]
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host,
    log,
    renderers,
    catalogue: readCatalogue(),
  })

  const queues = new Map<TaskKind, { tasks: HeldTask[]; wanted: ((task: HeldTask) => void)[] }>()
  for (const kind of taskKinds) {
    const queue = { tasks: [] as HeldTask[], wanted: [] as ((task: HeldTask) => void)[] }
    queues.set(kind, queue)
    const onExhausted = (task: Task, error: unknown): Promise<void> =>
      kind === 'render-scene'
        ? coordinator.sceneFailed(task.subject, { code: 'internal', reason: String(error) }, false)
        : coordinator.failJob(task.jobId, String(error))
    const isRisky = kind !== 'follow-render'
    const concurrency = kind === 'render-scene' ? () => coordinator.rendersAtOnce() : 100
    engine.handle(kind, { concurrency, isRisky, onExhausted }, (task, { signal }: TaskContext) =>
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

  for (let index = 0; index < 8; index++)
    await coordinator.addAsset({
      id: assetOf(index),
      contentType: 'image/png',
      width: 4,
      height: 3,
      size: 1,
      master: assetOf(index),
    })

  return {
    database,
    coordinator,
    engine,
    pubsub,
    clock,
    lines,
    next(kind) {
      const queue = queues.get(kind)!
      const task = queue.tasks.shift()
      return task ? Promise.resolve(task) : new Promise((resolve) => queue.wanted.push(resolve))
    },
    job: (scenes = 1, members = {}) =>
      coordinator.createJob({
        type: 'property_photos',
        parameters: {
          photos: Array.from({ length: scenes }, (_, index) => ({ asset_id: assetOf(index % 8) })),
          transition: 'cut',
        },
        // Jobs of the same pictures are to be rendered all the same.
        force: true,
        ...members,
      }),
    async render(task) {
      await coordinator.beginAttempt(task.subject)
      await coordinator.sceneRendered(task.subject, { clip, source: clip, place: '' })
      task.done()
    },
    events: (jobId) => listJobEvents(database, jobId, 0, 1000),
    async close() {
      await coordinator.stop()
      await engine.stop({ graceMs: 0 })
      await database.close()
    },
  }
}
