// Slow for its size (seconds): real clips, encoded, cross-faded and decoded again.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { makeCanonical } from '../../src/media/canonical.ts'
import { prepareFilmFormat } from '../../src/media/film-format.ts'
import { makeFilm } from '../../src/media/film.ts'
import { createMedia } from '../../src/media/pool.ts'
import { verifyClip } from '../../src/media/probe.ts'
import { makeSeam } from '../../src/media/seam.ts'
import { planTimeline, type Seam } from '../../src/job/timeline.ts'
import { encode, listen, remux, watch } from './source-clip.ts'

const media = createMedia({ host: systemHost })
const limits = { wallMs: 60_000, stallMs: 20_000, memoryBytes: 2 ** 32 }
const frames = 30
let directory = ''
const inDirectory = (name: string): string => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seam-'))
})
afterAll(async () => {
  await media.close()
  await rm(directory, { recursive: true, force: true })
})

/** Each frame tells its number by its brightness and its clip by its blue. */
const lumaOf = (frame: number): number => 40 + 6 * frame
const blues = [80, 128, 176]
const tones = [440, 700, 1100]
const tone = (clip: number): string => `0.4*sin(2*PI*${tones[clip]}*t)`

/** Renders three clips, makes them canonical, fades them as `seams` say, and puts the film together. */
async function filmOf(fps: number, seams: readonly Seam[], hasSound: boolean): Promise<string> {
  const size = { width: 160, height: 90, fps }
  const name = (part: string): string => inDirectory(`${fps}-${hasSound}-${seams[0]!.transition}-${part}.mp4`)
  const format = await prepareFilmFormat({
    media,
    ...size,
    crf: 16,
    preset: 'veryfast',
    scratchPath: name('format'),
    limits,
  })
  const timeline = planTimeline({ fps, clips: blues.map(() => frames), seams })
  const clipPaths = await Promise.all(
    timeline.clips.map(async (place, index) => {
      const video = { fps, frames, crf: 16, preset: 'veryfast', keyframes: place.keyframes } as const
      await media.run({
        inputs: [],
        graph: `color=black:s=160x90:r=${fps}:d=${frames / fps},geq=lum='40+6*N':cb=${blues[index]}:cr=128[v]`,
        output: { kind: 'video', path: name(`picture-${index}`), video },
        limits,
      })
      if (hasSound)
        await encode({
          graph: `aevalsrc='${tone(index)}|${tone(index)}':s=48000:d=${frames / fps},aformat=sample_fmts=fltp[out]`,
          kind: 'audio',
          codec: 'aac',
          path: name(`sound-${index}`),
          options: { b: '192000' },
        })
      await remux({
        videoPath: name(`picture-${index}`),
        ...(hasSound && { audioPath: name(`sound-${index}`) }),
        path: name(`clip-${index}`),
      })
      const verdict = await verifyClip({ media, path: name(`clip-${index}`), limits })
      if (!verdict.ok) throw new Error(verdict.reason)
      const outPath = name(`canonical-${index}`)
      const made = await makeCanonical({ media, ...verdict, outPath, format, place, fit: 'crop', limits })
      expect(made.differences).toEqual([])
      return outPath
    }),
  )
  const seamPaths = await Promise.all(
    timeline.clips.map(async (_, index) => {
      const seam = seams[index]
      if (seam === undefined || seam.transition === 'cut') return null
      const { path } = await makeSeam({
        media,
        timeline,
        index,
        transition: seam.transition,
        leftPath: clipPaths[index]!,
        rightPath: clipPaths[index + 1]!,
        outPath: name(`seam-${index}`),
        format,
        limits,
      })
      return path
    }),
  )
  const film = await makeFilm({ timeline, format, clipPaths, seamPaths, outPath: name('film') })
  return film.path
}

test.each([24, 25, 30, 60])(
  'at %i frames a second a cross-fade takes its frames from both clips, and only those',
  async (fps) => {
    const overlap = 8
    const seams: Seam[] = [
      { transition: 'fade', overlapFrames: overlap },
      { transition: 'fade', overlapFrames: 5 },
    ]
    const seen = await watch(await filmOf(fps, seams, false))
    expect(seen).toHaveLength(3 * frames - 13)
    for (const [index, frame] of seen.entries()) {
      expect(frame.seconds).toBeCloseTo(index / fps, 9)
      const starts = [0, frames - overlap, 2 * frames - 13]
      const showing = starts.flatMap((start, clip) =>
        index >= start && index < start + frames ? [{ clip, frame: index - start }] : [],
      )
      // The fade begins with the left clip alone and would reach the right one alone a frame after its end.
      const length = showing[0]!.clip === 0 ? overlap : 5
      const share = showing.length === 1 ? 0 : (index - starts[showing[1]!.clip]!) / length
      const mixed = (of: (shown: { clip: number; frame: number }) => number): number =>
        of(showing[0]!) * (1 - share) + (showing.length === 1 ? 0 : of(showing[1]!) * share)
      expect(Math.abs(frame.luma - mixed((shown) => lumaOf(shown.frame)))).toBeLessThan(2.5)
      expect(Math.abs(frame.blue - mixed((shown) => blues[shown.clip]!))).toBeLessThan(2.5)
    }
  },
)

test('the sound of a cross-fade runs on from one clip and into the next without a gap', async () => {
  const fps = 24
  const overlap = 8
  const seams: Seam[] = [
    { transition: 'slide', overlapFrames: overlap },
    { transition: 'cut', overlapFrames: 0 },
  ]
  const { samples } = await listen(await filmOf(fps, seams, true))
  const clipSamples = frames * 2000
  const start = clipSamples - overlap * 2000
  const ideal = (at: number): number => {
    const left = 0.4 * Math.sin((2 * Math.PI * tones[0]! * at) / 48_000)
    const right = 0.4 * Math.sin((2 * Math.PI * tones[1]! * (at - start)) / 48_000)
    const share = Math.min(1, Math.max(0, (at - start) / (overlap * 2000)))
    return left * Math.cos((share * Math.PI) / 2) + right * Math.sin((share * Math.PI) / 2)
  }
  // From past the film's own fade-in to before the cut.
  let worst = 0
  for (let at = 3000; at < start + clipSamples - 2000; at++)
    worst = Math.max(worst, Math.abs(samples[at]! - ideal(at)))
  expect(worst).toBeLessThan(0.012)
  // At the cut there is silence for a packet, and the third clip begins.
  const cut = start + clipSamples
  const loudest = (from: number, to: number): number =>
    samples.subarray(from, to).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
  const cell = Math.floor(cut / 1024) * 1024
  expect(loudest(cell, cell + 1024)).toBeLessThan(0.01)
  expect(loudest(cell + 2048, cell + 4096)).toBeGreaterThan(0.38)
})
