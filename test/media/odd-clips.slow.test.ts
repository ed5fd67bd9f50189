// Slow for its size (seconds): paid clips as they come, each verified and made canonical by both FFmpegs.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemHost } from '../../src/host.ts'
import type { Fit } from '../../src/job/scene.ts'
import { cellSamples, planTimeline } from '../../src/job/timeline.ts'
import type { FilmFormat } from '../../src/media/film-format.ts'
import { createMedia } from '../../src/media/pool.ts'
import { encodeSound, ontoGrid, placedSound } from '../../src/media/sound.ts'
import { findFfmpeg } from './find-ffmpeg.ts'
import { encode, type EncodeSettings, listen, remux, type SeenFrame, watch } from './source-clip.ts'

const limits = { wallMs: 60_000, stallMs: 20_000, memoryBytes: 2 ** 32 }
const [width, height, fps, frames] = [160, 90, 24, 24]
const place = planTimeline({ fps, clips: [frames], seams: [] }).clips[0]!
let directory = ''
const inDirectory = (name: string): string => join(directory, name)

/** Scenes of a film begin anywhere within a packet of sound. */
const places = planTimeline({
  fps: 30,
  clips: Array.from({ length: 5 }, () => 121),
  seams: Array.from({ length: 4 }, () => ({ transition: 'cut', overlapFrames: 0 }) as const),
}).clips

const inOrder = Array.from({ length: frames }, (_, frame) => frame)

/** Brightness tells the frame. */
const counting = `color=black:s=${width}x${height}:r=${fps}:d=1,format=yuv420p,geq=lum='40+6*floor(T*${fps}+0.01)':cb=128:cr=128`

const bt709 = { colorspace: 'bt709', color_range: 'tv', color_primaries: 'bt709', color_trc: 'bt709' }
const x264 = { preset: 'veryfast', crf: '8' }
const vpx = { deadline: 'realtime', 'cpu-used': '8', b: '4000000' }
const x265 = { preset: 'ultrafast', crf: '8', 'x265-params': 'log-level=none' }

type Kind = Pick<EncodeSettings, 'container' | 'codec'> & Partial<EncodeSettings>
const containers: Readonly<Record<string, Kind>> = {
  'WebM with VP9': { container: 'webm', codec: 'libvpx-vp9', options: vpx },
  'WebM with VP8': { container: 'webm', codec: 'libvpx', options: vpx },
  'Matroska with HEVC': { container: 'matroska', codec: 'libx265', options: x265 },
  'MOV with ProRes': { container: 'mov', codec: 'prores_ks', graph: `${counting},format=yuv422p10le[out]` },
  'MPEG-TS': { container: 'mpegts', codec: 'libx264', options: x264 },
  AVI: { container: 'avi', codec: 'mpeg4', options: { b: '4000000' } },
  GIF: { container: 'gif', codec: 'gif', graph: `${counting},fps=20,format=gray[out]`, fps: 20 },
  'animated WebP': {
    container: 'webp',
    codec: 'libwebp_anim',
    options: { quality: '90' },
    graph: `${counting},format=yuv420p[out]`,
  },
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'odd-clips-'))
  await encode({
    graph: `${counting}[out]`,
    kind: 'video',
    codec: 'libx264',
    options: { ...x264, ...bt709 },
    path: inDirectory('plain.mp4'),
  })
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const adapters = [
  { name: 'packaged', ffmpegPath: undefined },
  { name: 'command', ffmpegPath: findFfmpeg() ?? undefined },
]

const box = (type: string, ...parts: readonly Uint8Array[]): Buffer => {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), ...parts])
  bytes.writeUInt32BE(bytes.length)
  return bytes
}

/** An MP4 whose header is its last box, with a cover before its tracks. */
function withCover(mp4: Buffer, png: Buffer): Buffer {
  const data = box('data', Buffer.from([0, 0, 0, 14, 0, 0, 0, 0]), png)
  const handler = box('hdlr', Buffer.alloc(8), Buffer.from('mdirappl'), Buffer.alloc(9))
  const user = box('udta', box('meta', Buffer.alloc(4), handler, box('ilst', box('covr', data))))
  const at = mp4.indexOf('moov') - 4
  const tracksAt = at + 8 + mp4.readUInt32BE(at + 8)
  expect(at + mp4.readUInt32BE(at)).toBe(mp4.length)
  return Buffer.concat([
    mp4.subarray(0, at),
    box('moov', mp4.subarray(at + 8, tracksAt), user, mp4.subarray(tracksAt)),
  ])
}

/** A GIF of one pixel, again and again. */
const longGif = (pictures: number): Buffer =>
  Buffer.concat([
    Buffer.from('47494638396101000100800000000000ffffff', 'hex'),
    ...Array.from({ length: pictures }, () =>
      Buffer.from('21f90400010000002c0000000001000100000202440100', 'hex'),
    ),
    Buffer.from(';'),
  ])

describe.for(adapters)('FFmpeg, $name', ({ name, ffmpegPath }) => {
  const present = name === 'packaged' || ffmpegPath !== undefined
  const media = createMedia({ host: systemHost, ...(ffmpegPath && { ffmpegPath }) })
  let format: FilmFormat
  beforeAll(async () => {
    if (!present) return
    const encoding = { width, height, fps, crf: 12, preset: 'veryfast' } as const
    const scratchPath = inDirectory(`${name}-format.mp4`)
    format = await media.prepareFilmFormat({ ...encoding, scratchPath, limits })
  })
  afterAll(() => media.close())

  async function canonical(path: string, fit: Fit = 'crop'): Promise<string> {
    const verdict = await media.verifyClip({ path, limits })
    if (!verdict.ok) throw new Error(`${verdict.code}: ${verdict.reason}`)
    const outPath = `${path}-${name}-${fit}.mp4`
    const made = await media.canonicalClip({ path, ...verdict, outPath, format, place, fit, limits })
    if (!made.ok) throw new Error(made.reason)
    return outPath
  }

  const shown = async (path: string, fit?: Fit): Promise<SeenFrame> =>
    (await watch(await canonical(path, fit)))[12]!

  const refusal = async (bytes: Uint8Array): Promise<string> => {
    const path = inDirectory(`${name}-refused`)
    await writeFile(path, bytes)
    const verdict = await media.verifyClip({ path, limits })
    if (verdict.ok) throw new Error('it was taken')
    return `${verdict.code}: ${verdict.reason}`
  }

  describe.runIf(present)('takes a paid clip', () => {
    test.for(Object.entries(containers))('that is %s', async ([kind, settings]) => {
      // FFmpeg before 8.1 can't read it, and says so: it is not the clip that is at fault.
      if (kind === 'animated WebP' && name === 'command') return
      const path = inDirectory(`${name}-${kind.replaceAll(' ', '-')}`)
      await encode({ graph: `${counting}[out]`, kind: 'video', path, ...settings })
      const seen = await watch(await canonical(path))
      expect(seen).toHaveLength(frames)
      const expected = seen.map((_, frame) => (settings.fps === 20 ? frame - (frame % 6) / 6 : frame))
      for (const [frame, { luma }] of seen.entries())
        expect(Math.abs((luma - 40) / 6 - expected[frame]!)).toBeLessThan(settings.fps === 20 ? 1.2 : 0.7)
    })

    test('that is Matroska with AV1', async () => {
      // Made before: its encoder prints what it does between the results of tests.
      const path = inDirectory(`${name}-av1.mkv`)
      await copyFile(new URL('counting-av1.mkv', import.meta.url), path)
      expect((await watch(await canonical(path))).map(({ luma }) => Math.round((luma - 40) / 6) + 0)).toEqual(
        inOrder,
      )
    })

    test('with a cover: the clip itself is shown', async () => {
      const path = inDirectory(`${name}-cover.mp4`)
      const cover = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#f00' } })
        .png()
        .toBuffer()
      await writeFile(path, withCover(await readFile(inDirectory('plain.mp4')), cover))
      const verdict = await media.verifyClip({ path, limits })
      expect(verdict).toMatchObject({ ok: true, decodedFrames: frames, seen: { picture: { width, height } } })
      expect((await watch(await canonical(path))).map(({ luma }) => Math.round((luma - 40) / 6) + 0)).toEqual(
        inOrder,
      )
    })

    test('whose picture begins late: its header tells when it ends, not how long it lasts', async () => {
      const path = inDirectory(`${name}-late.mkv`)
      const graph = `${counting},setpts=PTS+2/TB[out]`
      await encode({ graph, kind: 'video', container: 'matroska', codec: 'libx264', options: x264, path })
      expect(await watch(await canonical(path))).toHaveLength(frames)
    })

    test.for([
      ['joined', `${width}x${height}`],
      ['joined to one of another size', '320x180'],
    ])('that is an MPEG-TS %s', async ([kind, size]) => {
      const path = inDirectory(`${name}-${kind!.replaceAll(' ', '-')}.ts`)
      const parts = [
        counting.replace('d=1', 'd=0.5'),
        `${counting},trim=start_frame=12,scale=${size!.replace('x', ':')}`,
      ]
      const settings = { kind: 'video', container: 'mpegts', codec: 'libx264', options: x264, path } as const
      const bytes: Buffer[] = []
      for (const part of parts) {
        await encode({ ...settings, graph: `${part}[out]` })
        bytes.push(await readFile(path))
      }
      await writeFile(path, Buffer.concat(bytes))
      const seen = await watch(await canonical(path))
      for (const frame of [2, 20]) expect(Math.abs((seen[frame]!.luma - 40) / 6 - frame)).toBeLessThan(2.5)
    })

    test.for([
      ['an animated PNG', 'apng', 'apng', 'rgba'],
      ['QuickTime Animation', 'mov', 'qtrle', 'argb'],
      ['ProRes 4444', 'mov', 'prores_ks', 'yuva444p10le'],
    ] as const)('with transparency, as %s: on white', async ([, container, codec, pixels]) => {
      const path = inDirectory(`${name}-${codec}.${container}`)
      const options: Record<string, string> = codec === 'prores_ks' ? { profile: '4444' } : {}
      // Black, half transparent in the middle, wholly on the left.
      const graph = `color=black:s=${width}x${height}:r=${fps}:d=1,format=rgba,geq=r=0:g=0:b=0:a='if(lt(X,${width / 4}),0,128)',scale=in_range=pc:out_range=tv,format=${pixels}[out]`
      await encode({ graph, kind: 'video', container, codec, options, path })
      const seen = await watch(await canonical(path))
      expect(seen).toHaveLength(frames)
      expect(Math.abs(seen[12]!.luma - 126)).toBeLessThan(4)
    })

    test('whose parser warns of a message that shows nothing: its frames are whole', async () => {
      const path = inDirectory(`${name}-message.mp4`)
      // User data of 4 bytes, where its UUID alone has 16; and a message that says it is longer than it is.
      const messages = ['06050400aabbccdd80', '06f030010203040580'].map((hex) => Buffer.from(hex, 'hex'))
      const prefix = Buffer.concat(
        messages.flatMap((message) => [Buffer.from([0, 0, 0, message.length]), message]),
      )
      await remux({ videoPath: inDirectory('plain.mp4'), path, prefix })
      expect((await watch(await canonical(path))).map(({ luma }) => Math.round((luma - 40) / 6) + 0)).toEqual(
        inOrder,
      )
    })
  })

  const hdr = (transfer: string) => ({
    graph: `zscale=tin=709:t=linear:min=gbr:m=gbr:pin=709:p=709:rin=full,format=gbrpf32le,zscale=t=${transfer}:p=2020:m=2020_ncl:r=limited:npl=203,format=yuv420p10le`,
    tags: { colorspace: 'bt2020nc', color_range: 'tv', color_primaries: 'bt2020', color_trc: transfer },
  })
  const sdr = (target: string, pixels = 'yuv420p') =>
    `zscale=tin=709:min=gbr:pin=709:rin=full:${target},format=${pixels}`
  const colourings = {
    'HDR (PQ)': hdr('smpte2084'),
    'HDR (HLG)': hdr('arib-std-b67'),
    'BT.2020 without HDR': {
      graph: sdr('t=2020_10:p=2020:m=2020_ncl:r=limited', 'yuv420p10le'),
      tags: { colorspace: 'bt2020nc', color_range: 'tv', color_primaries: 'bt2020', color_trc: 'bt2020-10' },
    },
    'BT.601 of full range': {
      graph: sdr('t=709:p=709:m=170m:r=full'),
      tags: { colorspace: 'smpte170m', color_range: 'pc' },
    },
    'Display P3': {
      graph: sdr('t=709:p=smpte432:m=709:r=limited'),
      tags: { ...bt709, color_primaries: 'smpte432' },
    },
  }
  /** What a colour is in the film: BT.709 of limited range. */
  const expectedOf = (colour: string): readonly [number, number, number] => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    const luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return [16 + 219 * luma, 128 + (224 * (b - luma)) / 1.8556, 128 + (224 * (r - luma)) / 1.5748]
  }

  describe.runIf(present)('the colours of a clip are those of BT.709', () => {
    const shades = ['#ffffff', '#c82828', '#c89678', '#808080']

    test.for(Object.entries(colourings))('that is in %s', async ([kind, { graph, tags }]) => {
      const path = inDirectory(`${name}-${kind.replaceAll(/\W/g, '-')}.mkv`)
      const each = `s=${width}x${height}:r=${fps}:d=${1 / shades.length},format=gbrp`
      const sources = shades.map((shade, index) => `color=${shade}:${each}[c${index}]`).join(';')
      const joined = shades.map((_, index) => `[c${index}]`).join('')
      await encode({
        graph: `${sources};${joined}concat=n=${shades.length},${graph}[out]`,
        kind: 'video',
        container: 'matroska',
        codec: 'libx265',
        options: { ...x265, ...tags },
        path,
      })
      const seen = await watch(await canonical(path))
      for (const [index, shade] of shades.entries()) {
        const { luma, blue, red } = seen[(index + 0.5) * (frames / shades.length)]!
        const [expected, ...chroma] = expectedOf(shade)
        const told = `${shade} is ${luma} ${blue} ${red}`
        // White of HDR leaves room for what is brighter.
        if (index === 0) expect(luma, told).toBeGreaterThan(218)
        else expect(Math.abs(luma - expected), told).toBeLessThan(3)
        expect(Math.abs(blue - chroma[0]), told).toBeLessThan(3)
        expect(Math.abs(red - chroma[1]), told).toBeLessThan(3)
      }
    })
  })

  describe.runIf(present)('a clip of another shape', () => {
    test.for([
      ['crop', 200, 205],
      ['letterbox', 100, 160],
      ['blur', 165, 198],
    ] as const)('fills the frame as the job says: %s', async ([fit, least, most]) => {
      const path = inDirectory(`${name}-${fit}.mp4`)
      const graph = `color=black:s=90x160:r=${fps}:d=1,format=yuv420p,geq=lum=202:cb=128:cr=128[out]`
      await encode({ graph, kind: 'video', codec: 'libx264', options: { ...x264, ...bt709 }, path })
      const seen = await shown(path, fit)
      expect(seen).toMatchObject({ width, height })
      expect(seen.luma).toBeGreaterThan(least)
      expect(seen.luma).toBeLessThan(most)
    })

    test('is upright where a player would turn it', async () => {
      const path = inDirectory(`${name}-turned.mp4`)
      // The left half is bright when it is upright.
      const graph = `color=black:s=${width}x${height}:r=${fps}:d=1,format=yuv420p,geq=lum=128:cb='if(lt(X,W/4),200,100)':cr=128,transpose=cclock[out]`
      await encode({ graph, kind: 'video', codec: 'libx264', options: x264, path: `${path}.lying.mp4` })
      await remux({ videoPath: `${path}.lying.mp4`, path, rotation: 90 })
      const seen = await shown(path)
      expect(seen.left.blue).toBeGreaterThan(180)
      expect(seen.blue).toBeLessThan(110)
    })
  })

  describe.runIf(present)('the sound of a clip', () => {
    const peakOf = async (layout: string, tone: string): Promise<number> => {
      const path = inDirectory(`${name}-${layout}.mp4`)
      await encode({
        graph: `aevalsrc='${tone}':s=48000:d=1:c=${layout},aformat=sample_fmts=fltp[out]`,
        kind: 'audio',
        codec: 'aac',
        options: { b: '256000' },
        path: `${path}.sound.mp4`,
      })
      await remux({ videoPath: inDirectory('plain.mp4'), audioPath: `${path}.sound.mp4`, path })
      const { samples } = await listen(await canonical(path))
      return samples.subarray(12_000, 36_000).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
    }
    const tone = '0.4*sin(2*PI*440*t)'

    test.for([
      ['mono', tone, 0.4],
      ['stereo', `${tone}|${tone}`, 0.4],
      ['5.1', `${tone}|${tone}|0|0|0|0`, 0.4],
      // A voice in the centre comes from both sides.
      ['5.1(side)', `0|0|${tone}|0|0|0`, 0.283],
    ] as const)('in %s is as loud as it came', async ([layout, text, peak]) => {
      expect(await peakOf(layout, text)).toBeCloseTo(peak, 1.7)
    })

    test('that changes its rate and its channels is heard, and never lost', async () => {
      const path = inDirectory(`${name}-changing.ts`)
      const bytes: Buffer[] = []
      for (const [rate, layout, from] of [
        [48_000, 'mono', 0],
        [44_100, 'stereo', 1],
      ] as const) {
        const graph = `sine=440:r=${rate}:d=1:samples_per_frame=1024,asetpts=PTS+${from}/TB,aformat=sample_fmts=fltp:channel_layouts=${layout}[out]`
        await encode({ graph, kind: 'audio', container: 'mpegts', codec: 'aac', path })
        bytes.push(await readFile(path))
      }
      await writeFile(path, Buffer.concat(bytes))
      const packets = await encodeSound({
        media,
        inputs: [{ path, format: 'mpegts' }],
        graph: `${placedSound('0:a', { samples: 96_000, channels: 1, delaySamples: 0, quietUntil: null, quietFrom: null })},${ontoGrid(0, 94)}`,
        packets: 94,
        scratchPath: `${path}.mp4`,
        limits,
      })
      const heard = (from: number, to: number) =>
        packets.slice(from, to).every((packet) => packet.length > 50)
      expect(heard(10, 40)).toBe(true)
      // The program builds its graph anew, which begins at the beginning: silence follows.
      if (name === 'packaged') expect(heard(55, 85)).toBe(true)
    })

    const rates = [8000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000]
    test.for(rates)('of %i Hz goes on without a gap at every place in a film', async (rate) => {
      const path = inDirectory(`${name}-${rate}.mp4`)
      await encode({
        graph: `sine=440:r=${rate}:d=4.1:samples_per_frame=1024,aformat=sample_fmts=fltp[out]`,
        kind: 'audio',
        codec: 'aac',
        path,
      })
      for (const [index, { startSample, firstCell, endCell }] of places.entries()) {
        const lead = startSample - firstCell * cellSamples
        const samples = 121 * 1600
        const delaySamples = [0, 14_880, -4000][index % 3]!
        const quiet = { quietUntil: null, quietFrom: null }
        const placed = placedSound('0:a', { samples, channels: 1, delaySamples, ...quiet })
        const packets = await encodeSound({
          media,
          inputs: [{ path, format: 'mp4' }],
          graph: `${placed},${ontoGrid(lead, endCell - firstCell)}`,
          packets: endCell - firstCell,
          scratchPath: `${path}-${name}.placed.mp4`,
          limits,
        })
        expect(packets.slice(20, 160).filter((packet) => packet.length < 50)).toEqual([])
      }
    })
  })

  describe.runIf(present)('refuses what is no whole clip, and says what it is', () => {
    test.for([
      ['<!DOCTYPE html><html>Just a moment</html>', 'unreadable: it is a web page, not a clip'],
      ['{"detail":"gone"}', 'unreadable: it is a JSON, not a clip'],
      ['\u0089PNG\r\n\u001a\n0000IHDR', 'unreadable: it is a PNG picture, not a clip'],
      ['\u00ff\u00d8\u00ff\u00e0', 'unreadable: it is a JPEG picture, not a clip'],
      ['#EXTM3U\nfile:///etc/passwd', 'unreadable: it is a playlist, not a clip'],
      ['\u0000\u0001\u0002\u0003', 'unreadable: it is of no kind that FFmpeg is known to read as a clip'],
    ] as const)('%j', async ([text, reason]) => {
      expect(await refusal(Buffer.from(text, 'latin1'))).toBe(reason)
    })

    test('a small file of too many pictures, before it has decoded them all', async () => {
      expect(await refusal(longGif(200_000))).toBe('unreadable: more than 60000 pictures are no clip')
    })

    test.for(['WebM with VP9', 'AVI'])('%s that was cut in half', async (kind) => {
      const path = inDirectory(`${name}-${kind.replaceAll(' ', '-')}-whole`)
      await encode({ graph: `${counting}[out]`, kind: 'video', path, ...(containers[kind] as Kind) })
      const bytes = await readFile(path)
      expect(await refusal(bytes.subarray(0, bytes.length * 0.6))).toMatch(
        /^(?:incomplete|damaged|unreadable): /,
      )
    })
  })
})
