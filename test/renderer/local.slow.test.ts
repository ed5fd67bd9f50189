// Real renders, small and short: half a second of processes each.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { masterImage } from '../../src/media/image.ts'
import { MediaError } from '../../src/media/ffmpeg.ts'
import type { Media } from '../../src/media/media.ts'
import { createMedia } from '../../src/media/pool.ts'
import { createLocalRenderer } from '../../src/renderer/local.ts'
import type { RenderContext, RenderRequest } from '../../src/renderer/renderer.ts'

const media = createMedia({ host: systemHost })
const renderer = createLocalRenderer({ media, maxConcurrency: 2 })
const format = { width: 320, height: 180, fps: 24 }
let directory = ''
let red = ''
let blue = ''
let renders = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'local-'))
  red = await picture('red', 640, 360, '#c02020')
  blue = await picture('blue', 640, 360, '#2030c0')
})
afterAll(async () => {
  await media.close()
  await rm(directory, { recursive: true, force: true })
})

describe('the local renderer', () => {
  it('makes clips of exactly the frames asked for, in every shape', async () => {
    const shapes = [
      { format, frames: 30 },
      { format: { width: 180, height: 320, fps: 30 }, frames: 31 },
      { format: { width: 200, height: 200, fps: 25 }, frames: 7 },
      { format: { width: 420, height: 180, fps: 60 }, frames: 40 },
      { format, frames: 1 },
      { format, frames: 2 },
    ]
    for (const [index, shape] of shapes.entries()) {
      const images = index % 2 === 0 ? [red, blue] : [blue]
      const clip = await read(await rendered({ ...shape, images }))
      expect(clip).toMatchObject({
        codec: 'avc',
        width: shape.format.width,
        height: shape.format.height,
        timescale: 90_000,
        frames: Array.from({ length: shape.frames }, (_, frame) => frame),
      })
    }
  })

  it('puts key frames where cross-fades will cut', async () => {
    const clip = await read(await rendered({ images: [red, blue], frames: 36, keyframes: [9, 27] }))
    expect(clip.keys).toEqual(expect.arrayContaining([0, 9, 27]))
  })

  it('shows the first picture first and the last one last, in their own colours', async () => {
    for (const transition of ['cut', 'fade', 'slide'] as const) {
      const clip = await rendered({ images: [red, blue], frames: 24, transition })
      expectColor(await pixelOf(clip, 0, 0.5, 0.5), [0xc0, 0x20, 0x20])
      expectColor(await pixelOf(clip, 23, 0.5, 0.5), [0x20, 0x30, 0xc0])
      const [redness = 0, , blueness = 0] = await pixelOf(clip, 12, 0.5, 0.5)
      if (transition === 'fade')
        expect([redness, blueness].every((value) => value > 60 && value < 170)).toBe(true)
    }
  })

  it('fills the frame as it is told: cropped, with bars, or on its own blur', async () => {
    const upright = await picture('upright', 200, 600, '#20a040')
    const sideOf = async (fit: RenderRequest['fit']): Promise<number[]> => {
      const clip = await rendered({ images: [upright], frames: 2, fit })
      expectColor(await pixelOf(clip, 0, 0.5, 0.5), [0x20, 0xa0, 0x40])
      return pixelOf(clip, 0, 0.06, 0.5)
    }
    expectColor(await sideOf('crop'), [0x20, 0xa0, 0x40])
    expectColor(await sideOf('letterbox'), [0, 0, 0])
    const [, green = 0] = await sideOf('blur')
    expect(green).toBeGreaterThan(80)
    expect(green).toBeLessThan(155)
  })

  it('takes pictures of any size: one pixel, a ribbon, a panorama', async () => {
    for (const [width, height] of [
      [1, 1],
      [3, 400],
      [400, 3],
      [2, 2],
      [1001, 333],
    ] as const) {
      const image = await picture(`odd-${width}x${height}`, width, height, '#808080')
      for (const fit of ['crop', 'letterbox', 'blur'] as const)
        expect((await read(await rendered({ images: [image], frames: 2, fit }))).frames).toHaveLength(2)
    }
  })

  it('moves the camera on its way, and leaves the middle where it is', async () => {
    // A dot in the middle, and one that a push in carries outwards: by 1.12 at its end.
    const dots = await dotted('dots', 1280, 720, [
      [640, 360],
      [1120, 360],
    ])
    const clip = await rendered({
      images: [dots],
      frames: 24,
      position: 0,
      format: { width: 640, height: 360, fps: 24 },
    })
    const [first, middle, last] = [await dotsIn(clip, 0), await dotsIn(clip, 12), await dotsIn(clip, 23)]
    for (const { centre } of [first, middle, last]) expect(Math.abs(centre - 320)).toBeLessThan(0.5)
    expect(first.outer).toBeCloseTo(560, 0)
    expect(last.outer).toBeCloseTo(320 + (240 * (640 + 76)) / 640, 0)
    expect(middle.outer).toBeGreaterThan(first.outer + 8)
    expect(middle.outer).toBeLessThan(last.outer - 8)
  })

  it('ends a scene where the next one starts', async () => {
    const image = await dotted('seam', 1280, 720, [
      [640, 360],
      [1120, 360],
    ])
    const shape = { format: { width: 640, height: 360, fps: 24 }, images: [image] }
    const before = await rendered({ ...shape, frames: 24, position: 0 })
    const after = await rendered({ ...shape, frames: 36, position: 1 })
    expect((await dotsIn(before, 23)).outer).toBeCloseTo((await dotsIn(after, 0)).outer, 0)
    const onward = await rendered({ ...shape, frames: 18, position: 2 })
    expect((await dotsIn(after, 35)).outer).toBeCloseTo((await dotsIn(onward, 0)).outer, 0)
  })

  it('draws a title, whatever is in it, and lets it go again', async () => {
    const titles = [
      'Living room',
      `it's 100% "quoted": [a], {b}; c\\d \\' %{pts} \n line`,
      'שלום עולם مرحبا 你好 Ελλάδα',
      '🏡👩‍👩‍👧 ﷽ \u202Eabc\u0000\u0007',
      'a very long title that goes on and on, '.repeat(12),
    ]
    for (const title of titles)
      expect((await read(await rendered({ images: [red], frames: 24, title }))).frames).toHaveLength(24)
    const clip = await rendered({ images: [red], frames: 48, title: 'MMMM MMMM' })
    const brightest = async (frame: number): Promise<number> => Math.max(...(await grey(clip, frame)).data)
    expect(await brightest(0)).toBeLessThan(150)
    expect(await brightest(24)).toBeGreaterThan(220)
    expect(await brightest(47)).toBeLessThan(150)
  })

  it('works from a folder whose name needs escaping', async () => {
    const odd = join(directory, `it's, [odd]: 100%; a\\b`)
    await mkdir(odd)
    const image = join(odd, `pic'ture,1.jpg`)
    await symlink(red, image)
    const outcome = await renderer.render(
      requestOf({ images: [image], frames: 12, title: 'Odd' }),
      contextOf(odd),
    )
    expect(outcome).toMatchObject({ kind: 'rendered' })
  })

  it('tells progress that only rises to 1', async () => {
    const seen: number[] = []
    await rendered({ images: [red, blue], frames: 48 }, { onProgress: (share) => seen.push(share) })
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(seen.at(-1)).toBe(1)
  })
})

describe('a local render that fails', () => {
  it('says why in FFmpeg’s words, and that another try would fail as well', async () => {
    const broken = join(directory, 'broken.jpg')
    await writeFile(broken, '#EXTM3U\n#EXTINF:1,\nfile:/etc/passwd\n')
    const outcome = await renderer.render(requestOf({ images: [broken] }), await newContext())
    expect(outcome).toMatchObject({ kind: 'failed', retry: false, code: 'render_failed' })
    expect(outcome.kind === 'failed' && outcome.reason).toMatch(/broken\.jpg/)
    expect(outcome.kind === 'failed' && outcome.reason).not.toContain(directory)
  })

  it('may be tried again after a hang or a time-out', async () => {
    for (const code of ['hung', 'too_long'] as const) {
      const outcome = await failingWith(code).render(requestOf({ images: [red] }), await newContext())
      expect(outcome).toEqual({ kind: 'failed', retry: true, code: `render_${code}`, reason: 'so it goes' })
    }
  })

  it('throws what is not the scene’s fault', async () => {
    for (const code of ['disk_full', 'unusable', 'cancelled'] as const) {
      const render = failingWith(code).render(requestOf({ images: [red] }), await newContext())
      await expect(render).rejects.toMatchObject({ code })
    }
  })

  it('rejects with the reason of the signal when it is cancelled, before and while it renders', async () => {
    const reason = new Error('no longer wanted')
    const aborted = renderer.render(requestOf({ images: [red] }), {
      ...(await newContext()),
      signal: AbortSignal.abort(reason),
    })
    await expect(aborted).rejects.toBe(reason)
    const cancel = new AbortController()
    const request = requestOf({
      images: [red, blue],
      frames: 2400,
      format: { width: 640, height: 360, fps: 24 },
    })
    const onProgress = (): void => cancel.abort(reason)
    await expect(
      renderer.render(request, { ...(await newContext()), signal: cancel.signal, onProgress }),
    ).rejects.toBe(reason)
  })
})

/** What a renderer makes of an FFmpeg in trouble cannot be waited for with a real one. */
function failingWith(code: MediaError['code']) {
  const failing: Media = { ...media, run: () => Promise.reject(new MediaError(code, 'so it goes')) }
  return createLocalRenderer({ media: failing, maxConcurrency: 1 })
}

function requestOf(over: Partial<RenderRequest>): RenderRequest {
  return {
    attemptId: 'attempt',
    jobId: 1,
    sceneId: 'scene',
    position: 0,
    model: 'local',
    prompt: '',
    title: null,
    format,
    frames: 24,
    images: [red],
    transition: 'fade',
    fit: 'crop',
    keyframes: [],
    ...over,
  }
}

function contextOf(folder: string): RenderContext {
  return { directory: folder, signal: new AbortController().signal, onProgress: () => {} }
}

async function newContext(): Promise<RenderContext> {
  const folder = join(directory, `attempt-${renders++}`)
  await mkdir(folder)
  return contextOf(folder)
}

async function rendered(over: Partial<RenderRequest>, context: Partial<RenderContext> = {}): Promise<string> {
  const outcome = await renderer.render(requestOf(over), { ...(await newContext()), ...context })
  if (outcome.kind !== 'rendered') throw new Error(outcome.reason)
  return outcome.clipPath
}

async function picture(name: string, width: number, height: number, background: string): Promise<string> {
  const source = join(directory, `${name}.png`)
  await sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toFile(source)
  const path = join(directory, `${name}.jpg`)
  await masterImage({ path: source, targetPath: path })
  return path
}

async function dotted(
  name: string,
  width: number,
  height: number,
  dots: readonly (readonly [number, number])[],
): Promise<string> {
  const circles = dots.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="20" fill="#fff"/>`).join('')
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#222"/>${circles}</svg>`
  const path = join(directory, `${name}.jpg`)
  await sharp(Buffer.from(drawing)).jpeg({ quality: 98 }).toFile(path)
  return path
}

async function frameOf(clip: string, frame: number): Promise<string> {
  const path = `${clip}-${frame}.jpg`
  await media.run({
    inputs: [{ path: clip, format: 'mp4' }],
    graph: `[0:v]select=eq(n\\,${frame})[v]`,
    output: { kind: 'picture', path },
    limits: { wallMs: 30_000, stallMs: 30_000, memoryBytes: 2 ** 30 },
  })
  return path
}

async function pixelOf(clip: string, frame: number, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(await frameOf(clip, frame))
    .raw()
    .toBuffer({ resolveWithObject: true })
  const at = (Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * info.channels
  return [...data.subarray(at, at + 3)]
}

function expectColor(actual: readonly number[], expected: readonly number[]): void {
  for (const [index, value] of expected.entries())
    expect(Math.abs((actual[index] ?? 0) - value)).toBeLessThan(12)
}

async function grey(clip: string, frame: number) {
  return sharp(await frameOf(clip, frame))
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true })
}

/** Where the dots are, in pixels from the left: their centres of mass. */
async function dotsIn(clip: string, frame: number): Promise<{ centre: number; outer: number }> {
  const { data, info } = await grey(clip, frame)
  const centreOf = (from: number, to: number): number => {
    let mass = 0
    let moment = 0
    for (let y = 0; y < info.height; y++)
      for (let x = from; x < to; x++) {
        const light = Math.max(0, (data[y * info.width + x] ?? 0) - 80)
        mass += light
        moment += light * (x + 0.5)
      }
    return moment / mass
  }
  return { centre: centreOf(200, 440), outer: centreOf(440, 640) }
}

async function read(clip: string) {
  using input = new Input({ source: new FilePathSource(clip), formats: ALL_FORMATS })
  const track = await input.getPrimaryVideoTrack()
  if (track === null) throw new Error('no video')
  const frames: number[] = []
  const keys: number[] = []
  for await (const packet of new EncodedPacketSink(track).packets()) {
    const { averagePacketRate: fps } = await track.computePacketStats()
    const frame = Math.round(packet.timestamp * fps)
    frames.push(frame)
    if (packet.type === 'key') keys.push(frame)
  }
  return {
    codec: track.codec,
    width: track.displayWidth,
    height: track.displayHeight,
    timescale: track.timeResolution,
    frames: frames.toSorted((a, b) => a - b),
    keys,
  }
}
