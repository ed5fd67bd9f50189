/**
 * A harness with the HTTP app and artifacts on disk. Only rendering is left out: a test says itself when a job has its
 * clips and its film, and of which bytes.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { openDiskArtifacts } from '../../src/artifact/disk.ts'
import { type DiskRoom, endlessRoom } from '../../src/disk-full.ts'
import { type Feed, createFeed } from '../../src/events/feed.ts'
import { type Host, systemHost } from '../../src/host.ts'
import type { AppOptions } from '../../src/http/app.ts'
import type { JobAnswer } from '../../src/http/routes/jobs.ts'
import { createMedia } from '../../src/media/pool.ts'
import { createStudio } from '../../src/pipeline/studio.ts'
import { createTakeAsset } from '../../src/pipeline/take-asset.ts'
import { type App, appOver, chunksOf, jsonOf } from './ask.ts'
import { type OpenHarness, openHarness } from './harness.ts'

/** What is kept where a renderer would make something: by default what the test shows. */
export interface MadeBytes {
  readonly clip: () => string | Uint8Array
  readonly film: () => string | Uint8Array
  readonly thumbnail: () => string | Uint8Array
}

export interface AppHarness<Time extends Host = Host> extends OpenHarness<Time> {
  readonly app: App
  readonly artifacts: ArtifactStore
  readonly feed: Feed
  /** The app with other options over the same coordinator. */
  appWith(options: Partial<AppOptions>): App
  /** A picture of its own colour, uploaded; its asset id. */
  picture(shade: number): Promise<string>
  /** Keeps bytes as a task does, without a row that names them. */
  keep(bytes: string | Uint8Array): Promise<{ readonly id: string; readonly size: number }>
  /** A pending job of `scenes` scenes. */
  job(
    scenes?: number,
    members?: { readonly parameters?: object; readonly [member: string]: unknown },
  ): Promise<JobAnswer>
  /** Runs what is approved; `finish` does so, too. */
  start(): Promise<void>
  /** Films and clips that are made from now on have these bytes. */
  show(film: Uint8Array): void
  /** Brings a pending job to its film: of these bytes, as every clip, where they are given. */
  finish(jobId: number, film?: Uint8Array): Promise<void>
}

export interface AppHarnessOptions<Time extends Host> {
  readonly folder?: string
  readonly clock?: Time
  readonly room?: DiskRoom
  readonly makes?: MadeBytes
}

export async function openAppHarness<Time extends Host = Host>(
  options: AppHarnessOptions<Time> = {},
): Promise<AppHarness<Time>> {
  const { room = endlessRoom, clock = systemHost as Time, makes, ...others } = options
  const harness = await openHarness({ ...others, clock, room })
  const { closing, coordinator, database, engine, log, pubsub, shared } = harness
  const artifacts = await openDiskArtifacts(harness.folder, clock)
  const media = createMedia({ host: clock })
  const studio = createStudio({ media, artifacts, database, host: clock, renderSlots: () => 2 })
  const feed =
    shared?.events.feed ??
    createFeed({ database, onEvent: (wake) => pubsub.subscribe('*', wake), host: systemHost, log })
  closing.defer(() => media.close())
  closing.defer(() => feed.close())
  const takeAsset = createTakeAsset({ coordinator, artifacts, studio, room })
  // Connections are in real time, whatever clock dates the rows.
  const given = { artifacts, takeAsset, feed }
  const app = appOver(harness, given)
  const keep: AppHarness['keep'] = (bytes) =>
    studio.inWorkspace(async ({ directory }) => {
      await writeFile(join(directory, 'bytes'), bytes)
      return artifacts.adopt(join(directory, 'bytes'))
    })

  let shown: Uint8Array = new Uint8Array()
  const { clip, film, thumbnail } = makes ?? { clip: () => shown, film: () => shown, thumbnail: () => shown }
  const once = { concurrency: 4, onExhausted: () => Promise.resolve() }
  engine.handle('render-scene', once, async ({ subject }) => {
    await coordinator.beginAttempt(subject)
    const { id } = await keep(clip())
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
    const made = { film: await keep(film()), thumbnail: await keep(thumbnail()) }
    const { storyboard } = await coordinator.job(jobId)
    await coordinator.completeJob(jobId, {
      film: { ...made.film, contentType: 'video/mp4' },
      thumbnail: { ...made.thumbnail, contentType: 'image/jpeg' },
      durationMs: storyboard.total_duration * 1000,
      frames: storyboard.total_duration * storyboard.format.fps,
      format: storyboard.format,
    })
  })

  let started: Promise<void> | undefined
  const start = (): Promise<void> => (started ??= coordinator.start())
  const picture = async (shade: number): Promise<string> => {
    const background = { r: shade, g: 0, b: 0 }
    const image = sharp({ create: { width: 4, height: 3, channels: 3, background } })
    return (await takeAsset(chunksOf(await image.png().toBuffer()))).id
  }
  return {
    ...harness,
    app,
    artifacts,
    feed,
    appWith: (other) => appOver(harness, { ...given, ...other }),
    picture,
    keep,
    async job(scenes = 1, { parameters, ...members } = {}) {
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
          ...members,
        }),
      })
      if (response.status !== 201) throw new Error(await response.text())
      return jsonOf(response)
    },
    start,
    show(bytes) {
      shown = bytes
    },
    async finish(jobId, bytes) {
      if (bytes) shown = bytes
      const ended = Promise.withResolvers<void>()
      const end = pubsub.subscribe('jobs:completed', (event) => event.job_id === jobId && ended.resolve())
      await start()
      await coordinator.approveJob(jobId)
      await ended.promise
      end()
    },
  }
}
