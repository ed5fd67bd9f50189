// Slow for its size (seconds): real clips, encoded, stitched and decoded again.
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { makeCanonical } from '../../src/media/canonical.ts'
import { type FilmFormat, prepareFilmFormat } from '../../src/media/film-format.ts'
import { type FilmRequest, makeFilm } from '../../src/media/film.ts'
import { createMedia } from '../../src/media/pool.ts'
import { createMp4, type Mp4Ledger } from '../../src/media/mp4-writer.ts'
import { verifyClip } from '../../src/media/probe.ts'
import { makeThumbnail } from '../../src/media/thumbnail.ts'
import { verifyMp4 } from '../../src/media/written.ts'
import { planTimeline, type Timeline } from '../../src/job/timeline.ts'
import { encode, listen, remux, watch } from './source-clip.ts'
import { chirpSamples, lagOf } from './chirp.ts'

const media = createMedia({ host: systemHost })
const limits = { wallMs: 60_000, stallMs: 20_000, memoryBytes: 2 ** 32 }
const flashFrame = 10
const clips = 100
let directory = ''
let format: FilmFormat
let timeline: Timeline
let request: FilmRequest

const inDirectory = (name: string): string => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'film-'))
  format = await prepareFilmFormat({
    media,
    width: 160,
    height: 90,
    fps: 24,
    crf: 18,
    preset: 'veryfast',
    scratchPath: inDirectory('format.mp4'),
    limits,
  })
  const frames = 24
  await media.run({
    inputs: [],
    graph: `color=black:s=160x90:r=24:d=1,geq=lum='if(eq(N,${flashFrame}),235,16+4*N)':cb=128:cr=128[v]`,
    output: {
      kind: 'video',
      path: inDirectory('picture.mp4'),
      video: { fps: 24, frames, crf: 18, preset: 'veryfast', keyframes: [0] },
    },
    limits,
  })
  await encode({
    graph: `aevalsrc='${chirpSamples(flashFrame / 24)}':s=48000:d=1,aformat=sample_fmts=fltp:channel_layouts=stereo[out]`,
    kind: 'audio',
    codec: 'aac',
    path: inDirectory('sound.mp4'),
    options: { b: '192000' },
  })
  await remux({
    videoPath: inDirectory('picture.mp4'),
    audioPath: inDirectory('sound.mp4'),
    path: inDirectory('clip.mp4'),
  })
  const verdict = await verifyClip({ media, path: inDirectory('clip.mp4'), limits })
  if (!verdict.ok) throw new Error(verdict.reason)
  timeline = planTimeline({
    fps: 24,
    clips: Array.from({ length: clips }, () => frames),
    seams: Array.from({ length: clips - 1 }, () => ({ transition: 'cut', overlapFrames: 0 })),
  })
  // Clips that begin at the same place within a packet of sound are the same file: 8 of 100.
  const byPhase = new Map<number, string>()
  const clipPaths: string[] = []
  for (const place of timeline.clips) {
    const phase = place.startSample % 1024
    const path = byPhase.get(phase) ?? inDirectory(`canonical-${phase}.mp4`)
    if (!byPhase.has(phase)) {
      const made = await makeCanonical({
        media,
        ...verdict,
        outPath: path,
        format,
        place,
        fit: 'crop',
        limits,
      })
      expect(made).toMatchObject({ differences: [], hasSound: true })
      byPhase.set(phase, path)
    }
    clipPaths.push(path)
  }
  request = {
    timeline,
    format,
    clipPaths,
    seamPaths: timeline.clips.map(() => null),
    outPath: inDirectory('film.mp4'),
  }
}, 60_000)

afterAll(async () => {
  await media.close()
  await rm(directory, { recursive: true, force: true })
})

test('after 100 clips, picture and sound are where they were in each: 0 ms off', async () => {
  const film = await makeFilm(request)
  expect(film).toMatchObject({ frames: 2400, durationMs: 100_000 })
  expect((await stat(film.path)).size).toBe(film.sizeBytes)

  const frames = await watch(film.path)
  expect(frames).toHaveLength(2400)
  expect(frames.every((frame, index) => Math.abs(frame.seconds - index / 24) < 1e-9)).toBe(true)
  const flashes = frames.flatMap((frame, index) => (frame.luma > 200 ? [index] : []))
  expect(flashes).toEqual(timeline.clips.map((clip) => clip.startFrame + flashFrame))

  const { samples, sampleRate, channels } = await listen(film.path)
  expect({ sampleRate, channels }).toEqual({ sampleRate: 48_000, channels: 2 })
  expect(samples.length - 100 * 48_000).toBeLessThan(1024)
  expect(flashes.map((frame) => lagOf(samples, frame * 2000))).toEqual(flashes.map(() => 0))
}, 30_000)

test('its header lies in front, so a player may begin before the rest has come', async () => {
  const bytes = await readFile(inDirectory('film.mp4'))
  const names: string[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at))
    names.push(bytes.toString('latin1', at + 4, at + 8))
  expect(names).toEqual(['ftyp', 'moov', 'free', 'mdat'])
})

test("a clip that was cut, or is another film's, stops the film and is named", async () => {
  const broken = inDirectory('broken.mp4')
  await copyFile(request.clipPaths[50]!, broken)
  await truncate(broken, (await stat(broken)).size >> 1)
  const clipPaths = request.clipPaths.with(50, broken)
  const outPath = inDirectory('never.mp4')
  await expect(makeFilm({ ...request, clipPaths, outPath })).rejects.toMatchObject({
    code: 'broken_part',
    path: broken,
    message: expect.stringMatching(/\d+ packets of the picture instead of 24/),
  })
  const other: FilmFormat = { ...format, description: Uint8Array.from(format.description).fill(0x1e, 3, 4) }
  await expect(makeFilm({ ...request, format: other, outPath })).rejects.toMatchObject({
    code: 'broken_part',
    message: expect.stringMatching(/another film/),
  })
  const missing = request.clipPaths.with(99, inDirectory('missing.mp4'))
  await expect(makeFilm({ ...request, clipPaths: missing, outPath })).rejects.toMatchObject({
    code: 'broken_part',
  })
})

test('it stops when it is no longer wanted', async () => {
  const cancel = new AbortController()
  const film = media.makeFilm(
    { ...request, outPath: inDirectory('aborted.mp4'), limits },
    { signal: cancel.signal },
  )
  cancel.abort()
  await expect(film).rejects.toMatchObject({ code: 'cancelled' })
})

test('its thumbnail is a picture from its first scene', async () => {
  const outPath = inDirectory('thumbnail.jpg')
  await makeThumbnail({ media, clipPath: request.clipPaths[0]!, frames: 24, outPath, maxWidth: 80, limits })
  const { width, height, format: kind } = await sharp(outPath).metadata()
  expect({ width, height, kind }).toEqual({ width: 80, height: 46, kind: 'jpeg' })
})

test('a file that is not what was written is found out', async () => {
  const path = inDirectory('small.mp4')
  const ledger = await writeSmall(path)
  await expect(verifyMp4(path, ledger)).resolves.toBeUndefined()
  const bytes = await readFile(path)
  const patched = async (position: number, byte: number): Promise<void> => {
    const handle = await open(path, 'r+')
    await handle.write(Buffer.of(byte), 0, 1, position)
    await handle.close()
  }
  const refused = async (position: number, byte: number, reason: RegExp): Promise<void> => {
    await patched(position, byte)
    await expect(verifyMp4(path, ledger)).rejects.toMatchObject({
      code: 'not_as_written',
      message: expect.stringMatching(reason),
    })
    await patched(position, bytes[position]!)
  }
  // One bit of a packet; then in the header the length of the frames, where a chunk lies, its name.
  await refused(bytes.length - 1, bytes.at(-1)! ^ 1, /the bytes of the (picture|sound) are not those written/)
  await refused(bytes.indexOf('stts') + 19, bytes[bytes.indexOf('stts') + 19]! ^ 1, /shown at another time/)
  await refused(bytes.indexOf('stco') + 15, bytes[bytes.indexOf('stco') + 15]! ^ 1, /./)
  await refused(bytes.indexOf('moov'), 0x78, /the header is not in front/)
  await truncate(path, bytes.length - 1)
  await expect(verifyMp4(path, ledger)).rejects.toThrow(
    `${bytes.length - 1} bytes instead of ${bytes.length}`,
  )
})

async function writeSmall(path: string): Promise<Mp4Ledger> {
  const writer = await createMp4({
    path,
    video: { ...format, frames: 24 },
    audio: { packets: 47, leadSamples: 0, samples: 48_000 },
  })
  for (let frame = 0; frame < 24; frame++)
    await writer.addVideo(
      { data: Buffer.alloc(100 + frame, frame), type: frame === 0 ? 'key' : 'delta' },
      frame,
    )
  for (let cell = 0; cell < 47; cell++) await writer.addAudio(Buffer.alloc(6, cell))
  const ledger = await writer.finish()
  await writer.sync()
  await writer.close()
  return ledger
}
