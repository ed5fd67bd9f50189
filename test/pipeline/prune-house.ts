/**
 * A house that makes films of a few bytes each, on a clock that the test moves, over the real database, coordinator, disk
 * and HTTP app. Every clip and film has bytes of its own, unless equal ones are asked for.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { type RunningCoordinator, createCoordinator } from '../../src/coordinator/coordinator.ts'
import { endlessRoom } from '../../src/disk-full.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import { createPubSub } from '../../src/events/pubsub.ts'
import { createApp } from '../../src/http/app.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import type { RetentionLimits } from '../../src/job/storage.ts'
import { createLog } from '../../src/log.ts'
import { createMedia } from '../../src/media/pool.ts'
import { type Prune, startPrune } from '../../src/pipeline/prune.ts'
import { createStudio } from '../../src/pipeline/studio.ts'
import { createTakeAsset } from '../../src/pipeline/take-asset.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type Clock, createClock } from '../clock.ts'
import { chunksOf, jsonOf } from '../http/house.ts'

export const hour = 3_600_000
export const day = 24 * hour
export const filmBytes = 1000
export const clipBytes = 100

export interface PruneHouse {
  readonly clock: Clock
  readonly database: Database
  readonly coordinator: RunningCoordinator
  readonly artifacts: ArtifactStore
  readonly lines: readonly string[]
  readonly app: ReturnType<typeof createApp>
  readonly prune: Prune
  /** An hour later, after the look that is due. */
  nextHour(): Promise<void>
  /** The parts of the store that were walked through. */
  readonly listed: readonly string[]
  /** Uploads a picture of its own colour. */
  picture(shade: number): Promise<string>
  /** Keeps bytes as a task does, without a row that names them. */
  keep(bytes: string): Promise<string>
  ask(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly body: any }>
  /** A pending job that shows these pictures. */
  job(pictures: readonly string[], members?: object): Promise<number>
  /** Approves a job and waits for its film. */
  finish(jobId: number): Promise<void>
  close(): Promise<void>
}

export const keepAll: RetentionLimits = {
  eventsDays: null,
  filmsDays: null,
  clipsDays: null,
  inputsDays: null,
  maxStoredBytes: null,
}

export async function openPruneHouse(limits: Partial<RetentionLimits>): Promise<PruneHouse> {
  const directory = await mkdtemp(join(tmpdir(), 'prune-'))
  const clock = createClock()
  const database = openSqlite({ path: join(directory, 'coordinator.db'), host: clock })
  await migrate(database, migrations)
  const artifacts = await openDiskArtifacts(directory, clock)
  const lines: string[] = []
  const log = createLog({
    level: 'info',
    destination: { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
  })
  const pubsub = createPubSub((error) => {
    throw error
  })
  const engine = createEmbeddedEngine({ database, host: clock, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host: clock,
    log,
    catalogue: readCatalogue(),
    renderers: [
      { name: 'local', models: ['local'], maxConcurrency: 4, startDelayMs: 0, task: 'render-scene' },
    ],
  })
  const media = createMedia({ host: clock })
  const studio = createStudio({ media, artifacts, database, host: clock, renderSlots: 2 })
  const keep = async (bytes: string): Promise<string> =>
    studio.inWorkspace(async (folder) => {
      await writeFile(join(folder, 'bytes'), bytes)
      return (await artifacts.adopt(join(folder, 'bytes'))).id
    })
  let made = 0
  const once = { concurrency: 4, onExhausted: () => Promise.resolve() }
  engine.handle('render-scene', once, async ({ subject }) => {
    await coordinator.beginAttempt(subject)
    const clip = await keep(`clip ${++made}`.padEnd(clipBytes))
    await coordinator.sceneRendered(subject, { clip, source: clip, place: '' })
  })
  engine.handle('take-clip', once, async ({ subject }) => {
    const work = await coordinator.beginTaking(subject)
    if (work) await coordinator.clipTaken(subject, { clip: work.source, source: work.source, place: '' })
  })
  engine.handle('join-clips', once, () => Promise.resolve())
  engine.handle('stitch-film', once, async ({ jobId }) => {
    const film = await keep(`film ${++made}`.padEnd(filmBytes))
    const thumbnail = await keep(`thumbnail ${made}`)
    const { storyboard } = await coordinator.job(jobId)
    await coordinator.completeJob(jobId, {
      film: { id: film, size: filmBytes, contentType: 'video/mp4' },
      thumbnail: { id: thumbnail, size: `thumbnail ${made}`.length, contentType: 'image/jpeg' },
      durationMs: 1000,
      frames: 25,
      format: storyboard.format,
    })
  })
  await coordinator.start()

  const freeBytes = () => Promise.resolve(5e9)
  const listed: string[] = []
  let asleep = Promise.withResolvers<void>()
  let wake = (): void => {}
  /** It looks when the test says so. */
  const sleep = (_ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      signal?.addEventListener('abort', () => resolve(), { once: true })
      asleep.resolve()
    })
  const prune = startPrune({
    coordinator,
    artifacts: {
      ...artifacts,
      list(prefix) {
        listed.push(prefix)
        return artifacts.list(prefix)
      },
    },
    limits: { ...keepAll, ...limits },
    host: { ...clock, sleep },
    log,
    freeBytes,
  })
  const takeAsset = createTakeAsset({ coordinator, artifacts, studio, room: endlessRoom })
  const app = createApp({ coordinator, artifacts, takeAsset, log, host: clock, storage: prune })
  const ask: PruneHouse['ask'] = async (method, path, body) => {
    const text = body && JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': String(text?.length ?? 0) }
    const response = await app.request(path, { method, ...(text !== undefined && { body: text, headers }) })
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, body: isJson ? await jsonOf(response) : await response.text() }
  }
  return {
    clock,
    database,
    coordinator,
    artifacts,
    lines,
    app,
    prune,
    listed,
    async nextHour() {
      await asleep.promise
      asleep = Promise.withResolvers()
      clock.advance(hour)
      wake()
      await asleep.promise
    },
    keep,
    ask,
    async picture(shade) {
      const background = { r: shade, g: 0, b: 0 }
      const bytes = await sharp({ create: { width: 4, height: 3, channels: 3, background } })
        .png()
        .toBuffer()
      return (await takeAsset(chunksOf(bytes))).id
    },
    async job(pictures, members = {}) {
      const { status, body } = await ask('POST', '/api/v3/jobs', {
        type: 'property_photos',
        parameters: { photos: pictures.map((asset_id) => ({ asset_id })), transition: 'cut' },
        ...members,
      })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return body.job_id
    },
    async finish(jobId) {
      const ended = Promise.withResolvers<void>()
      const end = pubsub.subscribe('jobs:completed', ({ job_id }) => job_id === jobId && ended.resolve())
      await coordinator.approveJob(jobId)
      await ended.promise
      end()
    },
    async close() {
      await coordinator.stop()
      await prune.stop()
      await engine.stop({ graceMs: 0 })
      await media.close()
      await database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
