// Scenes and sounds that outlive a garbage collection, which frees what nobody holds: minutes of film, seconds of work.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import type { MediaJob } from '../../src/media/ffmpeg.ts'
import { createMedia } from '../../src/media/pool.ts'
import { sceneGraph } from '../../src/media/scene-graph.ts'
import { planTimeline } from '../../src/job/timeline.ts'
import { findFfmpeg } from './find-ffmpeg.ts'
import { encode, remux } from './source-clip.ts'

const limits = { wallMs: 600_000, stallMs: 60_000, memoryBytes: 2 ** 31 }
const format = { width: 160, height: 90, fps: 60 }

let directory = ''
const inDirectory = (name: string): string => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'long-'))
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const
  for (const [name, background] of [
    ['one', '#a33'],
    ['two', '#3a3'],
  ] as const)
    await sharp({ create: { width: 320, height: 180, channels: 3, background, noise } })
      .jpeg()
      .toFile(inDirectory(`${name}.jpg`))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const scene = (path: string, images: 1 | 2, seconds: number): MediaJob => {
  const frames = seconds * format.fps
  const names = images === 1 ? ['one'] : ['one', 'two']
  return {
    inputs: names.map((name) => ({ path: inDirectory(`${name}.jpg`), format: 'jpeg' })),
    graph: sceneGraph({
      format,
      frames,
      position: 0,
      images,
      transition: 'fade',
      fit: 'crop',
      titleHeight: null,
    }),
    output: {
      kind: 'video',
      path,
      video: { fps: format.fps, frames, crf: 30, preset: 'ultrafast', keyframes: [0] },
    },
    limits,
  }
}

/** A provider's clip: another size than the film's, and sound of the kind that `graph` gives. */
async function clipWithSound(path: string, graph: string, codec: string, seconds: number): Promise<void> {
  const picture = `testsrc2=s=256x144:r=24:d=${seconds},format=yuv420p[out]`
  const videoPath = `${path}.picture.mp4`
  const audioPath = `${path}.sound.mp4`
  await encode({ graph: picture, kind: 'video', codec: 'libx264', path: videoPath })
  await encode({ graph: `${graph},atrim=end=${seconds}[out]`, kind: 'audio', codec, path: audioPath })
  await remux({ videoPath, audioPath, path })
}

const adapters = [
  { name: 'packaged', ffmpegPath: undefined },
  { name: 'command', ffmpegPath: findFfmpeg() ?? undefined },
]

describe.for(adapters)('FFmpeg, $name', ({ name, ffmpegPath }) => {
  const present = name === 'packaged' || ffmpegPath !== undefined
  const media = createMedia({ host: systemHost, ...(ffmpegPath && { ffmpegPath }) })
  afterAll(() => media.close())

  it.runIf(present).for([1, 2] as const)('renders 60 s at 60 fps of %i pictures, whole', async (images) => {
    const path = inDirectory(`${name}-${images}.mp4`)
    expect(await media.run(scene(path, images, 60))).toEqual({ frames: 3600 })
    expect(await media.verifyClip({ path, limits })).toMatchObject({ ok: true, decodedFrames: 3600 })
  })

  /** As providers send it: mono, stereo and 5.1, at several rates. */
  const sounds = {
    'mono AAC': ['aac', 'sine=440:r=48000,aformat=sample_fmts=fltp:channel_layouts=mono'],
    'stereo AAC of 44.1 kHz': [
      'aac',
      'anoisesrc=r=44100:a=0.2,aformat=sample_fmts=fltp:channel_layouts=stereo',
    ],
    'AAC of 5.1': ['aac', 'sine=440:r=48000,aformat=sample_fmts=fltp:channel_layouts=5.1'],
    'MP3 of 22 kHz': [
      'libmp3lame',
      'sine=300:r=22050,aformat=sample_fmts=fltp:channel_layouts=stereo,asetnsamples=n=576:p=0',
    ],
    Opus: [
      'libopus',
      'sine=500:r=48000,aformat=sample_fmts=flt:channel_layouts=stereo,asetnsamples=n=960:p=0',
    ],
  } as const
  it.runIf(present).for(Object.entries(sounds))(
    'takes a clip of 10 s with %s',
    async ([kind, [codec, graph]]) => {
      const file = (role: string): string => inDirectory(`${name}-${kind.replaceAll(' ', '-')}-${role}.mp4`)
      await clipWithSound(file('clip'), graph, codec, 10)
      const encoding = { width: 320, height: 180, fps: 24, crf: 30, preset: 'ultrafast' } as const
      const filmFormat = await media.prepareFilmFormat({ ...encoding, scratchPath: file('format'), limits })
      const verdict = await media.verifyClip({ path: file('clip'), limits })
      if (!verdict.ok) throw new Error(verdict.reason)
      const made = await media.canonicalClip({
        path: file('clip'),
        ...verdict,
        fit: 'crop',
        outPath: file('canonical'),
        format: filmFormat,
        place: planTimeline({ fps: 24, clips: [240], seams: [] }).clips[0]!,
        limits,
      })
      expect(made).toMatchObject({ ok: true, clip: { hasSound: true } })
      expect(await media.verifyClip({ path: file('canonical'), limits })).toMatchObject({
        ok: true,
        decodedFrames: 240,
      })
    },
  )
})

it('holds all that FFmpeg uses, whenever garbage is collected', async () => {
  const collecting = fileURLToPath(new URL('collecting.ts', import.meta.url))
  const media = createMedia({ host: systemHost, execArgv: ['--expose-gc', '--import', collecting] })
  try {
    const path = inDirectory('collected.mp4')
    expect(await media.run(scene(path, 2, 0.2))).toEqual({ frames: 12 })
    expect(await media.verifyClip({ path, limits })).toMatchObject({ ok: true, decodedFrames: 12 })
    const sound = inDirectory('collected.m4a')
    await media.run({
      inputs: [],
      graph: 'sine=440:d=0.5[a]',
      output: { kind: 'audio', path: sound, bitrate: 96_000 },
      limits,
    })
    await media.makeThumbnail({
      clipPath: path,
      frames: 12,
      outPath: inDirectory('collected.jpg'),
      maxWidth: 80,
      limits,
    })
  } finally {
    await media.close()
  }
})
