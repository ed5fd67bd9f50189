// Slow for its size (seconds): clips of every odd kind, encoded, made canonical and decoded again.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { type CanonicalClip, makeCanonical } from '../../src/media/canonical.ts'
import { type FilmFormat, prepareFilmFormat } from '../../src/media/film-format.ts'
import { createMedia } from '../../src/media/pool.ts'
import { probeClip, verifyClip } from '../../src/media/probe.ts'
import { type ClipPlace, planTimeline } from '../../src/job/timeline.ts'
import { chirpSamples, lagOf } from './chirp.ts'
import { encode, type EncodeSettings, listen, remux, type SeenFrame, watch } from './source-clip.ts'

const media = createMedia({ host: systemHost })
const limits = { wallMs: 60_000, stallMs: 20_000, memoryBytes: 2 ** 32 }
const width = 160
const height = 90
const fps = 24
const frames = 24
const chirpFrame = 12
let directory = ''
let format: FilmFormat
let place: ClipPlace
const inDirectory = (name: string): string => join(directory, name)

/** Brightness tells the frame; a quarter at the left is bluer, so that turned and mirrored pictures show it. */
const picture = (w = width, h = height, rate = fps, seconds = 1): string =>
  `color=black:s=${w}x${h}:r=${rate}:d=${seconds},format=yuv420p,geq=lum='40+6*floor(T*${fps}+0.01)':cb='if(lt(X,W/4),200,100)':cr=128`

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'canonical-'))
  format = await prepareFilmFormat({
    media,
    width,
    height,
    fps,
    crf: 16,
    preset: 'veryfast',
    scratchPath: inDirectory('format.mp4'),
    limits,
  })
  place = planTimeline({ fps, clips: [frames], seams: [] }).clips[0]!
  const video = { fps, frames, crf: 16, preset: 'veryfast', keyframes: [0] } as const
  await media.run({
    inputs: [],
    graph: `${picture()}[v]`,
    output: { kind: 'video', path: inDirectory('like.mp4'), video },
    limits,
  })
  await encode({
    graph: `aevalsrc='${chirpSamples(chirpFrame / fps)}':s=48000:d=1,aformat=sample_fmts=fltp:channel_layouts=stereo[out]`,
    kind: 'audio',
    codec: 'aac',
    path: inDirectory('sound.mp4'),
  })
})
afterAll(async () => {
  await media.close()
  await rm(directory, { recursive: true, force: true })
})

async function canonical(name: string, over: Partial<ClipPlace> = {}): Promise<CanonicalClip> {
  const verdict = await verifyClip({ media, path: inDirectory(name), limits })
  if (!verdict.ok) throw new Error(verdict.reason)
  return makeCanonical({
    media,
    ...verdict,
    outPath: inDirectory(`canonical-${name}`),
    format,
    fit: 'crop',
    place: { ...place, ...over },
    limits,
  })
}

async function expectFrames(path: string, expected: readonly number[]): Promise<SeenFrame[]> {
  const seen = await watch(path)
  expect(seen.map((frame) => Math.round(frame.seconds * fps * 1000) / 1000)).toEqual(
    expected.map((_, i) => i),
  )
  expect(seen.map((frame) => Math.round((frame.luma - 40) / 6))).toEqual(expected)
  expect(seen.every((frame) => frame.width === width && frame.height === height)).toBe(true)
  expect(seen.every((frame) => frame.left.blue > 180 && frame.blue < 110)).toBe(true)
  return seen
}

const counting = Array.from({ length: frames }, (_, index) => index)

describe('a clip like the film is copied', () => {
  test('packet by packet, with silence where it has no sound', async () => {
    const made = await canonical('like.mp4')
    expect(made).toMatchObject({ differences: [], hasSound: false })
    await expectFrames(made.path, counting)
    const before = await probeClip(inDirectory('like.mp4'))
    const after = await probeClip(made.path)
    if (!before.ok || !after.ok) throw new Error('unreadable')
    expect(after.clip.video.packets.map((packet) => Buffer.from(packet.data).toString('hex'))).toEqual(
      before.clip.video.packets.map((packet) => Buffer.from(packet.data).toString('hex')),
    )
    const { samples } = await listen(made.path)
    expect(samples.length - 48_000).toBeLessThan(1024)
    expect(samples.every((sample) => sample === 0)).toBe(true)
  })

  test.each([
    ['with another clock', { timescale: 12_800 }],
    ['with a clock of milliseconds', { timescale: 1000 }],
    ['that starts late', { retimeVideo: (seconds: number) => seconds + 0.25 }],
  ])('%s', async (name, settings) => {
    const path = `${name.replaceAll(' ', '-')}.mp4`
    await remux({ videoPath: inDirectory('like.mp4'), path: inDirectory(path), ...settings })
    const made = await canonical(path)
    expect(made.differences).toEqual([])
    await expectFrames(made.path, counting)
  })

  test('up to the length the film wants', async () => {
    const made = await canonical('like.mp4', { frames: 13, endCell: 26 })
    const probed = await probeClip(made.path)
    expect(probed.ok && probed.clip.video.packets).toHaveLength(13)
    await expectFrames(made.path, counting.slice(0, 13))
  })
})

interface OddClip {
  readonly settings: Partial<EncodeSettings>
  readonly difference: RegExp
  readonly shown?: readonly number[]
}
const colours = { colorspace: 'bt709', color_range: 'tv', color_primaries: 'bt709', color_trc: 'bt709' }
const x264 = { ...colours, preset: 'veryfast', crf: '16' }
const odd: Readonly<Record<string, OddClip>> = {
  'MPEG-4 part 2': {
    settings: { codec: 'mpeg4', options: { ...colours, b: '4000000' } },
    difference: /codec is/,
  },
  HEVC: {
    settings: {
      codec: 'libx265',
      options: { ...colours, preset: 'ultrafast', crf: '12', 'x265-params': 'log-level=none' },
    },
    difference: /codec is hevc/,
  },
  'another size': {
    settings: { graph: `${picture(320, 180)},format=yuv420p[out]` },
    difference: /size is 320x180/,
  },
  'a higher shape': {
    settings: { graph: `${picture(160, 96)},format=yuv420p[out]` },
    difference: /size is 160x96/,
  },
  'pixels that are not square': {
    settings: { graph: `${picture(80, 90)},setsar=2,format=yuv420p[out]` },
    difference: /size is 80x90.*not square/,
  },
  'another frame rate': {
    settings: { graph: `${picture(width, height, 48)},format=yuv420p[out]`, fps: 48 },
    difference: /decoder configuration/,
  },
  'a lower frame rate': {
    settings: { graph: `${picture(width, height, 12)},format=yuv420p[out]`, fps: 12 },
    difference: /decoder configuration/,
    shown: counting.map((index) => index - (index % 2)),
  },
  'full colour resolution': {
    settings: { graph: `${picture()},format=yuv444p[out]` },
    difference: /decoder configuration/,
  },
  'ten bits': {
    settings: { graph: `${picture()},format=yuv420p10le[out]` },
    difference: /decoder configuration/,
  },
  'another profile': {
    settings: { options: { ...x264, profile: 'baseline' } },
    difference: /decoder configuration/,
  },
  'too short': {
    settings: { graph: `${picture(width, height, fps, 0.5)},format=yuv420p[out]` },
    difference: /./,
    shown: counting.map((index) => Math.min(index, 11)),
  },
}

/** Every third frame is 8 ms late. */
const wobble = (seconds: number): number => seconds + (Math.round(seconds * fps) % 3 === 1 ? 0.008 : 0)

describe('a clip unlike the film is encoded to be like it', () => {
  test.each(Object.entries(odd))('%s', async (name, { settings, difference, shown = counting }) => {
    const path = `${name.replaceAll(' ', '-')}.mp4`
    await encode({
      graph: `${picture()},format=yuv420p[out]`,
      kind: 'video',
      codec: 'libx264',
      options: x264,
      fps,
      path: inDirectory(path),
      ...settings,
    })
    const made = await canonical(path)
    expect(made.differences.join('; ')).toMatch(difference)
    await expectFrames(made.path, shown)
  })

  test.each([90, 180, 270] as const)('rotated by %i degrees', async (rotation) => {
    const turned = { 90: 'transpose=cclock', 180: 'hflip,vflip', 270: 'transpose=clock' }[rotation]
    const path = `rotated-${rotation}.mp4`
    await encode({
      graph: `${picture()},format=yuv420p,${turned}[out]`,
      kind: 'video',
      codec: 'libx264',
      options: x264,
      path: inDirectory(`upright-${path}`),
    })
    await remux({ videoPath: inDirectory(`upright-${path}`), path: inDirectory(path), rotation })
    const made = await canonical(path)
    expect(made.differences.join('; ')).toMatch(/rotated/)
    await expectFrames(made.path, counting)
  })

  test('a frame rate that varies', async () => {
    await remux({ videoPath: inDirectory('like.mp4'), path: inDirectory('vfr.mp4'), retimeVideo: wobble })
    const made = await canonical('vfr.mp4')
    expect(made.differences.join('; ')).toMatch(/constant 24/)
    await expectFrames(made.path, counting)
  })

  test('no key frame where a cross-fade begins', async () => {
    const made = await canonical('like.mp4', { keyframes: [0, 6, 17] })
    expect(made.differences).toEqual(['frame 6 is no IDR frame', 'frame 17 is no IDR frame'])
    await expectFrames(made.path, counting)
    const probed = await probeClip(made.path)
    if (!probed.ok) throw new Error(probed.reason)
    const keys = probed.clip.video.packets.filter((packet) => packet.type === 'key')
    expect(keys.map((packet) => Math.round(packet.timestamp * fps))).toEqual([0, 6, 17])
  })

  test('more pictures in it than it shows', async () => {
    const verdict = await verifyClip({ media, path: inDirectory('like.mp4'), limits })
    if (!verdict.ok) throw new Error(verdict.reason)
    const outPath = inDirectory('cut-by-edit-list.mp4')
    const made = await makeCanonical({
      media,
      clip: verdict.clip,
      decodedFrames: 23,
      outPath,
      format,
      fit: 'crop',
      place,
      limits,
    })
    expect(made.differences).toEqual(['it decodes to 23 of its 24 frames'])
  })
})

describe('the sound stays with the picture', () => {
  const startSample = 2000 * 7
  const later: Partial<ClipPlace> = {
    startFrame: 7,
    startSample,
    firstCell: Math.floor(startSample / 1024),
    endCell: Math.ceil((startSample + 48_000) / 1024),
    quietUntil: (Math.floor(startSample / 1024) + 1) * 1024,
    quietFrom: Math.floor((startSample + 48_000) / 1024) * 1024,
  }

  async function lagAfter(name: string): Promise<number> {
    const made = await canonical(name, later)
    expect(made.hasSound).toBe(true)
    const { samples, sampleRate, channels } = await listen(made.path)
    expect({ sampleRate, channels }).toEqual({ sampleRate: 48_000, channels: 2 })
    return lagOf(samples, chirpFrame * 2000)
  }

  test('48 kHz stereo', async () => {
    await remux({
      videoPath: inDirectory('like.mp4'),
      audioPath: inDirectory('sound.mp4'),
      path: inDirectory('a.mp4'),
    })
    expect(await lagAfter('a.mp4')).toBe(0)
  })

  test('44.1 kHz mono', async () => {
    await encode({
      graph: `aevalsrc='${chirpSamples(chirpFrame / fps)}':s=44100:d=1,aformat=sample_fmts=fltp:channel_layouts=mono[out]`,
      kind: 'audio',
      codec: 'aac',
      path: inDirectory('mono.mp4'),
    })
    await remux({
      videoPath: inDirectory('like.mp4'),
      audioPath: inDirectory('mono.mp4'),
      path: inDirectory('b.mp4'),
    })
    expect(await lagAfter('b.mp4')).toBe(0)
  })

  test('a picture that starts late, and a sound that starts late', async () => {
    const shift = 0.25
    await remux({
      videoPath: inDirectory('like.mp4'),
      audioPath: inDirectory('sound.mp4'),
      path: inDirectory('c.mp4'),
      retimeVideo: (seconds) => seconds + shift,
      // The chirp is as late as the picture it belongs to.
      retimeAudio: (seconds) => seconds + shift,
    })
    expect(await lagAfter('c.mp4')).toBe(0)
    await remux({
      videoPath: inDirectory('like.mp4'),
      audioPath: inDirectory('sound.mp4'),
      path: inDirectory('d.mp4'),
      retimeVideo: (seconds) => seconds + shift,
    })
    expect(await canonicalLag('d.mp4')).toBe(-shift * 48_000)
  })

  async function canonicalLag(name: string): Promise<number> {
    const made = await canonical(name, later)
    const { samples } = await listen(made.path)
    return lagOf(samples, (chirpFrame - 6) * 2000) - 6 * 2000
  }
})

const refused = async (name: string, bytes: Uint8Array): Promise<string> => {
  await writeFile(inDirectory(name), bytes)
  const verdict = await verifyClip({ media, path: inDirectory(name), limits })
  if (verdict.ok) throw new Error('it was taken')
  return `${verdict.code}: ${verdict.reason}`
}
const whole = async (): Promise<Buffer> => readFile(inDirectory('like.mp4'))

describe('a clip that is not whole is refused, and says why', () => {
  test('cut in half', async () => {
    const bytes = await whole()
    expect(await refused('half.mp4', bytes.subarray(0, bytes.length * 0.6))).toMatch(
      /^incomplete: packet \d+ of 24 of the picture lies beyond the end of the file/,
    )
  })

  test('cut within its header', async () => {
    expect(await refused('head.mp4', (await whole()).subarray(0, 300))).toMatch(/^unreadable: /)
  })

  test('empty', async () => {
    expect(await refused('empty.mp4', Buffer.alloc(0))).toBe('incomplete: the file is empty')
  })

  test('a playlist', async () => {
    const playlist = '#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'
    expect(await refused('playlist.mp4', Buffer.from(playlist))).toMatch(/^unreadable: /)
  })

  test('only sound', async () => {
    expect(await refused('sound-only.mp4', await readFile(inDirectory('sound.mp4')))).toBe(
      'unreadable: there is no picture in it',
    )
  })

  test('overwritten in its middle', async () => {
    const bytes = await whole()
    bytes.fill(0x5a, bytes.length >> 1, bytes.length - 100)
    expect(await refused('damaged.mp4', bytes)).toMatch(/^damaged: /)
  })

  test('damaged anywhere: without deblocking the same is found', async () => {
    const bytes = await whole()
    for (let share = 0.1; share < 1; share += 0.1) {
      const damaged = Buffer.from(bytes)
      const at = Math.floor(bytes.length * share)
      damaged.fill(0x5a, at, Math.min(at + 40, bytes.length))
      const path = inDirectory('damaged-anywhere.mp4')
      await writeFile(path, damaged)
      const [full, quick] = [
        await verifyClip({ media, path, limits }),
        await verifyClip({ media, path, limits, deblocking: 'skipped' }),
      ]
      expect(quick).toEqual(full)
    }
  })

  test('fewer bytes than announced', async () => {
    const { length } = await whole()
    const verdict = await verifyClip({ media, path: inDirectory('like.mp4'), sizeBytes: length + 1, limits })
    expect(verdict).toMatchObject({
      ok: false,
      code: 'incomplete',
      reason: `${length} of ${length + 1} bytes arrived`,
    })
  })
})
