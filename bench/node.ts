/**
 * One node of `nodes.ts`, as a process: PostgreSQL, pg-boss and shared events, opened as `src/wire.ts` opens them. Renders and
 * films are only recorded. It does what its parent sends, and dies with it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createCoordinator } from '../src/coordinator/coordinator.ts'
import type { RendererLimit } from '../src/coordinator/admission/rules.ts'
import { systemHost } from '../src/host.ts'
import { readCatalogue } from '../src/job/catalogue.ts'
import type { FilmManifest } from '../src/job/job.ts'
import { packageVersion } from '../src/package-version.ts'
import type { DatabaseCounts } from '../src/store/database.ts'
import { openStorage } from '../src/wire/storage.ts'
import { silentLog } from '../test/harness/harness.ts'
import { asset, jobRequest, together } from './harness.ts'

export interface NodeSettings {
  readonly name: string
  readonly databaseUrl: string
  readonly folder: string
  /** Renders at once over all nodes. */
  readonly cap: number
  /** How long a render takes. */
  readonly renderMs: number
}

/** Sent by the parent: works `jobs` from request to completed, `inFlight` of them at a time. */
export interface Work {
  readonly jobs: number
  readonly inFlight: number
}

/** Times are ms since the epoch with fractions: of this machine's one clock. */
export interface Worked {
  readonly counts: DatabaseCounts
  readonly cpuSeconds: number
  readonly approved: readonly (readonly [jobId: number, at: number])[]
}

export interface Rendered {
  readonly jobId: number
  readonly attemptId: string
  readonly startedAt: number
  readonly endedAt: number
}

/** How long each read took, ms. */
export interface Reads {
  readonly list: readonly number[]
  readonly eta: readonly number[]
  readonly waiting: readonly number[]
}

export type FromNode =
  | { readonly kind: 'ready' }
  | { readonly kind: 'begun'; readonly attemptId: string }
  | ({ readonly kind: 'worked' } & Worked)
  | { readonly kind: 'rendered'; readonly rendered: readonly Rendered[] }
  | ({ readonly kind: 'read' } & Reads)
export type ToNode =
  | ({ readonly kind: 'work' } & Work)
  | { readonly kind: 'approve' }
  | { readonly kind: 'rendered' }
  | { readonly kind: 'read'; readonly jobId: number; readonly times: number }

/** No two alike: equal scenes would wait for each other's row of the kept render. */
const requestOf = (room: string): object => ({
  ...jobRequest,
  parameters: { ...jobRequest.parameters, photos: [{ asset_id: asset, room }] },
})

const file = { id: asset, size: 1, contentType: 'video/mp4' }
const film: FilmManifest = {
  film: file,
  thumbnail: file,
  durationMs: 4000,
  frames: 96,
  format: { width: 1280, height: 720, fps: 24 },
}

const now = (): number => performance.timeOrigin + performance.now()

export const capped = (cap: number): RendererLimit => ({
  name: 'local',
  models: ['local'],
  maxConcurrency: cap,
  startDelayMs: 0,
  task: 'render-scene',
})

const say = (what: FromNode): void => void process.send!(what)

async function run({ name: node, databaseUrl, folder, cap, renderMs }: NodeSettings): Promise<void> {
  const log = silentLog
  const storage = await openStorage(
    { dataDir: folder, databaseUrl, artifacts: { kind: 'folder', directory: folder } },
    { host: systemHost, log },
  )
  await storage.migrate()
  const { database, host } = storage
  const nodes = storage.createNodes(
    { name: node, role: 'all', version: packageVersion(), slots: { local: cap }, settings: {} },
    log,
  )
  const { signal, pubsub } = await storage.openEvents({ node: nodes.id, log })
  const engine = await storage.openEngine({ signal, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    signal,
    host,
    log,
    renderers: [capped(cap)],
    nodes,
    onBeat: async () => {
      await storage.clock?.measure()
    },
    catalogue: readCatalogue(),
  })
  const ended = new Map<number, () => void>()
  const approved: [number, number][] = []
  const rendered: Rendered[] = []
  const options = {
    concurrency: cap,
    onExhausted: (_: unknown, error: unknown) => Promise.reject(error),
  }
  engine.handle('render-scene', options, async (task, { signal: stopped }) => {
    const startedAt = now()
    if (renderMs > 0) say({ kind: 'begun', attemptId: task.subject })
    const work = await coordinator.beginAttempt(task.subject)
    if (renderMs > 0) await sleep(renderMs, undefined, { signal: stopped })
    else
      for (const percentage of [20, 40, 60, 80])
        await coordinator.updateProgress(work!.job.id, { percentage, stage: 'rendering' })
    const endedAt = now()
    const { format } = work!.job.storyboard
    await coordinator.sceneRendered(task.subject, { clip: asset, source: asset, place: '' }, format)
    rendered.push({ jobId: task.jobId, attemptId: task.subject, startedAt, endedAt })
  })
  engine.handle('join-clips', options, () => Promise.resolve())
  engine.handle('stitch-film', options, (task) => coordinator.completeJob(task.jobId, film))
  pubsub.subscribe('jobs:completed', ({ job_id }) => {
    ended.get(job_id)?.()
    ended.delete(job_id)
  })
  await coordinator.start()

  const work = async ({ jobs, inFlight }: Work): Promise<void> => {
    const [before, cpu] = [database.counts!(), process.cpuUsage()]
    approved.length = 0
    await together(jobs, inFlight, async () => {
      const job = await coordinator.createJob(requestOf(host.id()))
      const done = new Promise<void>((resolve) => ended.set(job.id, resolve))
      approved.push([job.id, now()])
      await coordinator.approveJob(job.id)
      await done
    })
    const { user, system } = process.cpuUsage(cpu)
    const counts = Object.fromEntries(
      Object.entries(database.counts!()).map(([name, count]) => [
        name,
        count - before[name as keyof DatabaseCounts],
      ]),
    ) as unknown as DatabaseCounts
    say({ kind: 'worked', counts, cpuSeconds: (user + system) / 1e6, approved })
  }
  const read = async (jobId: number, times: number): Promise<Reads> => {
    const measured = async (reading: () => Promise<unknown>): Promise<number[]> => {
      const ms: number[] = []
      for (let time = -3; time < times; time++) {
        const begun = performance.now()
        await reading()
        // The first few make plans and fill caches.
        if (time >= 0) ms.push(performance.now() - begun)
      }
      return ms
    }
    return {
      list: await measured(() => coordinator.jobs({ limit: 50 })),
      eta: await measured(() => coordinator.eta(jobId)),
      waiting: await measured(() => coordinator.waiting(jobId)),
    }
  }
  const approveOne = async (): Promise<void> => {
    const job = await coordinator.createJob(requestOf(host.id()))
    await coordinator.approveJob(job.id)
  }
  process.on('message', (message: ToNode) => {
    if (message.kind === 'work') void work(message)
    else if (message.kind === 'approve') void approveOne()
    else if (message.kind === 'read')
      void read(message.jobId, message.times).then((reads) => say({ kind: 'read', ...reads }))
    else {
      say({ kind: 'rendered', rendered })
      rendered.length = 0
    }
  })
  process.once('disconnect', () => process.exit())
  say({ kind: 'ready' })
}

if (import.meta.main) await run(JSON.parse(process.argv[2]!) as NodeSettings)
