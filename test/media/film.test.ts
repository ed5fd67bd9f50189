// Slow for its size (seconds): real clips, encoded, stitched and decoded again.
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { makeCanonical } from '../../src/media/canonical.ts'
import { type FilmFormat, prepareFilmFormat } from '../../src/media/film-format.ts'
import { type FilmRequest, makeFilm } from '../../src/media/film.ts'
import { createPackagedMedia } from '../../src/media/packaged.ts'
import { verifyClip } from '../../src/media/probe.ts'
import { planTimeline, type Timeline } from '../../src/media/timeline.ts'
import { encode, listen, remux, watch } from './source-clip.ts'
import { chirpSamples, lagOf } from './chirp.ts'

const media = createPackagedMedia({ host: systemHost })
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
      const made = await makeCanonical({ media, clip: verdict.clip, outPath: path, format, place, limits })
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
