/**
 * The app over the real database, engine, coordinator and artifacts, in a folder of its own. Only rendering is
 * left out: a test says itself when a job has its clips and its film, and of which bytes.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { type RunningCoordinator, createCoordinator } from '../../src/coordinator/coordinator.ts'
import { type DiskRoom, endlessRoom } from '../../src/disk-full.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import { type Feed, createFeed } from '../../src/events/feed.ts'
import { type PubSub, createPubSub } from '../../src/events/pubsub.ts'
import { type Host, systemHost } from '../../src/host.ts'
import { type AppOptions, createApp } from '../../src/http/app.ts'
import type { JobAnswer } from '../../src/http/routes/jobs.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { type Log, createLog } from '../../src/log.ts'
import { createMedia } from '../../src/media/pool.ts'
import { createStudio } from '../../src/pipeline/studio.ts'
import { createTakeAsset } from '../../src/pipeline/take-asset.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { openSqlite } from '../../src/store/sqlite.ts'

export interface House {
  readonly app: ReturnType<typeof createApp>
  readonly database: Database
  readonly coordinator: RunningCoordinator
  readonly artifacts: ArtifactStore
  readonly feed: Feed
  readonly pubsub: PubSub
  readonly log: Log
  /** Everything that was logged, as parsed lines. */
  readonly logged: { readonly msg: string; readonly [member: string]: unknown }[]
  /** The app with other options over the same coordinator. */
  appWith(options: Partial<AppOptions>): ReturnType<typeof createApp>
  /** A picture of its own colour, uploaded; its asset id. */
  picture(shade: number): Promise<string>
  /** A pending job of `scenes` scenes. */
  job(
    scenes?: number,
    members?: { readonly parameters?: object; readonly [member: string]: unknown },
  ): Promise<JobAnswer>
  /** Brings a pending job to its film of these bytes; every clip has the same ones. */
  finish(jobId: number, film: Uint8Array): Promise<void>
  /** Films and clips that are made from now on have these bytes. */
  show(film: Uint8Array): void
  close(): Promise<void>
}

/** An answer's body, to be looked at rather than typed. */
export const jsonOf = async (response: Response | Promise<Response>): Promise<any> =>
  JSON.parse(await (await response).text())

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export interface HouseOptions {
  /** A folder that another house left, or will find: it outlives this one. */
  readonly folder?: string
  readonly host?: Host
  readonly room?: DiskRoom
}

export async function openHouse({
  folder,
  host = systemHost,
  room = endlessRoom,
}: HouseOptions = {}): Promise<House> {
  const directory = folder ?? (await mkdtemp(join(tmpdir(), 'http-house-')))
  const database = openSqlite({ path: join(directory, 'coordinator.db') })
  await migrate(database, migrations)
  const artifacts = await openDiskArtifacts(directory)
  const logged: House['logged'] = []
  const log = createLog({ level: 'info', destination: { write: (line) => logged.push(JSON.parse(line)) } })
  const pubsub = createPubSub((error) => {
    throw error
  })
  const parts = { database, host, log, pubsub, catalogue: readCatalogue() }
  const engine = createEmbeddedEngine(parts)
  const renderers = [
    { name: 'local', models: ['local'], maxConcurrency: 4, startDelayMs: 0, task: 'render-scene' as const },
  ]
  const coordinator = createCoordinator({ ...parts, engine, renderers, room })
  const media = createMedia({ host: systemHost })
  const studio = createStudio({ media, artifacts, database, host: systemHost })
  let film: Uint8Array = new Uint8Array()
  let started: Promise<void> | undefined
  const once = { concurrency: 4, onExhausted: () => Promise.resolve() }
  const keep = (bytes: Uint8Array) =>
    studio.inWorkspace(async (workspace) => {
      await writeFile(join(workspace, 'bytes'), bytes)
      return artifacts.adopt(join(workspace, 'bytes'))
    })
  engine.handle('render-scene', once, async ({ subject }) => {
    await coordinator.beginAttempt(subject)
    const { id } = await keep(film)
    await coordinator.sceneRendered(subject, { clip: id, source: id, place: '' })
  })
  engine.handle('take-clip', once, async ({ subject }) => {
    const work = await coordinator.beginTaking(subject)
    if (work) await coordinator.clipTaken(subject, { clip: work.source, source: work.source, place: '' })
  })
  engine.handle('join-clips', once, () => Promise.resolve())
  engine.handle('follow-render', once, () => Promise.resolve())
  engine.handle('settle-dependents', once, ({ jobId }) => coordinator.settleDependents(jobId))
  engine.handle('stitch-film', once, async ({ jobId }) => {
    const stored = await keep(film)
    const { storyboard } = await coordinator.job(jobId)
    await coordinator.completeJob(jobId, {
      film: { ...stored, contentType: 'video/mp4' },
      thumbnail: { ...stored, contentType: 'image/jpeg' },
      durationMs: storyboard.total_duration * 1000,
      frames: storyboard.total_duration * storyboard.format.fps,
      format: storyboard.format,
    })
  })

  const takeAsset = createTakeAsset({ coordinator, artifacts, studio, room })
  const feed = createFeed({ database, pubsub, host: systemHost, log })
  const options = { coordinator, artifacts, takeAsset, log, feed }
  const app = createApp(options)
  const picture = async (shade: number): Promise<string> => {
    const background = { r: shade, g: 0, b: 0 }
    const bytes = await sharp({ create: { width: 4, height: 3, channels: 3, background } })
      .png()
      .toBuffer()
    return (await takeAsset(chunksOf(bytes))).id
  }
  return {
    app,
    database,
    coordinator,
    artifacts,
    feed,
    pubsub,
    log,
    logged,
    appWith: (other) => createApp({ ...options, ...other }),
    picture,
    async job(scenes = 1, { parameters, ...others } = {}) {
      const photos = []
      for (let shade = 0; shade < scenes; shade++) photos.push({ asset_id: await picture(shade) })
      const response = await app.request('/api/v3/jobs', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          type: 'property_photos',
          parameters: { photos, ...parameters },
          // Jobs of the same pictures are to be rendered all the same.
          force: true,
          ...others,
        }),
      })
      if (response.status !== 201) throw new Error(await response.text())
      return jsonOf(response)
    },
    async finish(jobId, bytes) {
      film = bytes
      const ended = Promise.withResolvers<void>()
      const end = pubsub.subscribe('jobs:completed', (event) => event.job_id === jobId && ended.resolve())
      await (started ??= coordinator.start())
      await coordinator.approveJob(jobId)
      await ended.promise
      end()
    },
    show(bytes) {
      film = bytes
    },
    async close() {
      feed.close()
      await coordinator.stop()
      await engine.stop({ graceMs: 1000 })
      await media.close()
      await database.close()
      if (folder === undefined) await rm(directory, { recursive: true, force: true })
    },
  }
}

export async function* chunksOf(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size)
}
