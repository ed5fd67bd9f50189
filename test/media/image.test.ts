import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import * as fc from 'fast-check'
import { createClock } from '../clock.ts'
import { isQuick } from '../quick.ts'
import sharp, { type Sharp } from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxPixels } from '../../src/media/plan.ts'
import {
  type FrameSize,
  type ImageInspection,
  masterImage,
  masterSize,
  readImage,
} from '../../src/media/image.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'image-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Left half red, right half blue, with some grain so that it does not compress to nothing. */
/** The same in each run: about 128, and rarely 60 away from it. */
function grainOf(length: number): Uint8Array {
  const clock = createClock(20_261_127)
  const share = (): number => clock.random() + clock.random() + clock.random() - 1.5
  return Uint8Array.from({ length }, () => Math.round(128 + 40 * share()))
}

async function picture(width = 60, height = 40): Promise<Sharp> {
  const left = {
    create: { width: Math.ceil(width / 2), height, channels: 3, background: '#d01010' },
  } as const
  const right = { width, height, channels: 3, background: '#1020c0' } as const
  const raw = { width, height, channels: 3 } as const
  const grain = await sharp(grainOf(width * height * 3), { raw })
    .png()
    .toBuffer()
  const base = sharp({ create: right }).composite([
    { input: await sharp(left).png().toBuffer(), gravity: 'west' },
    { input: grain, blend: 'soft-light' },
  ])
  return sharp(await base.png().toBuffer())
}

async function file(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, bytes)
  return path
}

let files = 0

/** As an upload is taken: read by its header, then to its last byte. `source`: bytes, or an absolute path. */
async function inspectImage(source: string | Uint8Array): Promise<ImageInspection> {
  const path = typeof source === 'string' ? source : await file(`picture-${++files}`, source)
  const read = await readImage({ path })
  if (read.kind === 'refused') return read
  const made = await masterImage({ path, targetPath: `${path}.master`, frame: { width: 64, height: 64 } })
  return made.kind === 'refused' ? made : read
}

async function refusal(source: string | Uint8Array): Promise<string> {
  const found = await inspectImage(source)
  return found.kind === 'refused' ? `${found.reason}: ${found.message}` : found.kind
}

describe('a picture', () => {
  it('accepts each format by their content, whatever they are called', async () => {
    const base = await picture()
    const made = {
      'image/jpeg': await base.clone().jpeg().toBuffer(),
      'image/png': await base.clone().png().toBuffer(),
      'image/webp': await base.clone().webp().toBuffer(),
      'image/avif': await base.clone().avif({ effort: 0 }).toBuffer(),
      'image/heic': await readFile(fixture('pq-10-bit.heic')),
    }
    for (const [contentType, bytes] of Object.entries(made)) {
      const memoryBytes = expect.any(Number)
      const size = contentType === 'image/heic' ? { width: 128, height: 96 } : { width: 60, height: 40 }
      const expected = { kind: 'image', contentType, ...size, memoryBytes }
      expect(await inspectImage(bytes)).toEqual(expected)
      expect(await inspectImage(await file('holiday.txt', bytes))).toEqual(expected)
    }
  })

  it('tells the size as a viewer sees it, for each EXIF orientation', async () => {
    const base = await picture()
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const bytes = await base.clone().withMetadata({ orientation }).jpeg().toBuffer()
      const upright = orientation < 5 ? { width: 60, height: 40 } : { width: 40, height: 60 }
      expect(await inspectImage(bytes)).toMatchObject(upright)
    }
  })

  it('accepts CMYK, 16 bit, grey, transparent, palette, progressive and animated ones', async () => {
    const base = await picture()
    const kinds = {
      cmyk: base.clone().toColourspace('cmyk').jpeg(),
      deep: base.clone().toColourspace('rgb16').png(),
      grey: base.clone().toColourspace('b-w').jpeg(),
      transparent: base.clone().ensureAlpha(0.3).webp(),
      palette: base.clone().png({ palette: true, colours: 8 }),
      interlaced: base.clone().png({ progressive: true }),
      progressive: base.clone().jpeg({ progressive: true }),
    }
    for (const [kind, made] of Object.entries(kinds))
      expect([kind, await inspectImage(await made.toBuffer())]).toMatchObject([
        kind,
        { width: 60, height: 40 },
      ])
    const frames = [await base.clone().png().toBuffer(), await base.clone().negate().png().toBuffer()]
    const animated = await sharp(frames, { join: { animated: true } })
      .webp({ loop: 0, delay: [90, 90] })
      .toBuffer()
    expect(await inspectImage(animated)).toMatchObject({ contentType: 'image/webp', width: 60, height: 40 })
  })

  it.skipIf(isQuick)('accepts one pixel, and the largest picture allowed', async () => {
    const one = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#fff' } })
      .jpeg()
      .toBuffer()
    expect(await inspectImage(one)).toMatchObject({ width: 1, height: 1 })
    const largest = { width: 10_000, height: 10_000, channels: 3, background: '#345' } as const
    const path = join(directory, 'largest.jpg')
    await sharp({ create: largest }).jpeg().toFile(path)
    expect(await inspectImage(path)).toMatchObject({ width: 10_000, height: 10_000 })
  })

  it('refuses too many pixels from the header alone', async () => {
    const startedAtMs = performance.now()
    expect(await refusal(pngHeader(60_000, 60_000))).toBe(
      'too_many_pixels: The picture has 60000 x 60000 pixels (3600 megapixels); at most 100 megapixels are allowed',
    )
    expect(await refusal(pngHeader(10_001, 10_000))).toMatch(/10001 x 10000 pixels \(101 megapixels\)/)
    expect(performance.now() - startedAtMs).toBeLessThan(500)
  })

  it('refuses what is cut short or damaged', async () => {
    const base = await picture(400, 300)
    for (const made of [
      base.clone().jpeg(),
      base.clone().jpeg({ progressive: true }),
      base.clone().png(),
      base.clone().webp(),
      base.clone().avif({ effort: 0 }),
    ]) {
      const bytes = await made.toBuffer()
      for (const share of [0.02, 0.5, 0.95])
        expect(await refusal(bytes.subarray(0, Math.floor(bytes.length * share)))).toMatch(
          /^damaged: .*cut short/,
        )
    }
    for (const [name, share] of [
      ['pq-10-bit.heic', 0.5],
      ['pq-10-bit.heic', 0.95],
      ['tiles-p3-turned.heic', 0.9],
    ] as const) {
      const bytes = await readFile(fixture(name))
      expect(await refusal(bytes.subarray(0, Math.floor(bytes.length * share)))).toMatch(/^damaged: .*JPEG/)
    }
    const scratched = await base.clone().png().toBuffer()
    const middle = Math.floor(scratched.length / 2)
    scratched.fill(0x55, middle, middle + 64)
    expect(await refusal(scratched)).toMatch(/^damaged/)
    const miscounted = await base.clone().png().toBuffer()
    miscounted[miscounted.length - 14]! ^= 1
    expect(await refusal(miscounted)).toMatch(/^damaged/)
  })

  it('refuses a JPEG whose data was overwritten inside, and takes one that is whole without its last marker', async () => {
    const base = await picture(400, 300)
    const kinds = {
      plain: base.clone().jpeg(),
      sharp: base.clone().jpeg({ chromaSubsampling: '4:4:4', quality: 95 }),
      standard: base.clone().jpeg({ optimiseCoding: false }),
      grey: base.clone().toColourspace('b-w').jpeg(),
      cmyk: base.clone().toColourspace('cmyk').jpeg(),
      progressive: base.clone().jpeg({ progressive: true }),
    }
    for (const [kind, made] of Object.entries(kinds)) {
      const bytes = await made.toBuffer()
      const start = bytes.indexOf(Buffer.from([0xff, 0xda])) + 14
      const at = (share: number): number => Math.floor(start + (bytes.length - start) * share)
      for (const [from, to] of [
        [0.4, 0.5],
        [0.1, 0.12],
        [0.7, 1],
      ] as const)
        expect([kind, from, await refusal(Buffer.from(bytes).fill(0, at(from), at(to)))]).toEqual([
          kind,
          from,
          expect.stringMatching(/^damaged/),
        ])
      for (const whole of [
        bytes.subarray(0, -2),
        bytes.subarray(0, -1),
        Buffer.concat([bytes, Buffer.from('and more of something else')]),
      ])
        expect([kind, await refusal(whole)]).toEqual([kind, 'image'])
      expect([kind, await refusal(Buffer.concat([bytes.subarray(0, at(0.5)), bytes.subarray(-2)]))]).toEqual([
        kind,
        expect.stringMatching(/^damaged/),
      ])
    }
    // Padding before the last marker, as some cameras write it.
    const plain = await kinds.plain.toBuffer()
    expect(await refusal(Buffer.concat([plain.subarray(0, -2), Buffer.alloc(40), plain.subarray(-2)]))).toBe(
      'image',
    )
    // Of a progressive one without its last scans a soft picture is left, which is not the one that was sent.
    const progressive = await kinds.progressive.toBuffer()
    const lastScan = progressive.lastIndexOf(Buffer.from([0xff, 0xda]))
    const lastTable = progressive.lastIndexOf(Buffer.from([0xff, 0xc4]), lastScan)
    expect(await refusal(progressive.subarray(0, Math.min(lastScan, lastTable)))).toMatch(/^damaged/)
  })

  it('takes no whole JPEG for a damaged one, whatever its size and its way of coding', async () => {
    const random = fc.record({
      width: fc.integer({ min: 1, max: 70 }),
      height: fc.integer({ min: 1, max: 70 }),
      quality: fc.integer({ min: 1, max: 100 }),
      chromaSubsampling: fc.constantFrom('4:2:0', '4:4:4'),
      optimiseCoding: fc.boolean(),
      progressive: fc.boolean(),
      sigma: fc.constantFrom(0, 5, 60),
      space: fc.constantFrom('srgb', 'b-w', 'cmyk'),
    })
    await fc.assert(
      fc.asyncProperty(random, async ({ width, height, sigma, space, ...options }) => {
        const noise = { type: 'gaussian', mean: 128, sigma } as const
        const bytes = await sharp({ create: { width, height, channels: 3, background: '#000', noise } })
          .toColourspace(space)
          .jpeg(options)
          .toBuffer()
        expect(await refusal(bytes)).toBe('image')
        expect(await refusal(bytes.subarray(0, -2))).toBe('image')
      }),
      { seed: 7, numRuns: 60 },
    )
  })

  it('refuses everything else with its name', async () => {
    const gif = await (await picture()).gif().toBuffer()
    const tiff = await (await picture()).tiff().toBuffer()
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="/etc/passwd"/></svg>'
    const cases: [string | Uint8Array, RegExp][] = [
      [gif, /^format_not_allowed: GIF is not accepted; JPEG, PNG, WebP, AVIF and HEIC are$/],
      [tiff, /^format_not_allowed: TIFF/],
      [svg, /^format_not_allowed: SVG/],
      [`<?xml version="1.0"?>\n${svg}`, /^format_not_allowed: SVG/],
      [box('ftyp', 'isom\0\0\0\0isomavc1'), /^format_not_allowed: A video/],
      ['#EXTM3U\n#EXTINF:1,\nfile:/etc/passwd\n', /^format_not_allowed: A playlist/],
      ["ffconcat version 1.0\nfile '/etc/passwd'\n", /^format_not_allowed: A playlist/],
      ['%PDF-1.7', /^format_not_allowed: PDF/],
      ['#!/bin/sh\nrm -rf /\n', /^not_an_image: This is not a picture/],
      ['push graphic-context\nviewbox 0 0 640 480\n', /^not_an_image/],
      ['', /^not_an_image/],
      [Buffer.alloc(4096), /^not_an_image/],
    ]
    for (const [content, expected] of cases) {
      expect(await refusal(Buffer.from(content))).toMatch(expected)
      expect(await refusal(await file('photo.jpg', content))).toMatch(expected)
    }
  })
})

describe('masterImage', () => {
  it('turns a picture upright', async () => {
    // Orientation 3 is upside down: what was left is right.
    const { size, left, right } = await master((await picture()).withMetadata({ orientation: 3 }).jpeg())
    expect(size).toBe('60x40')
    close(left, [0x10, 0x20, 0xc0])
    close(right, [0xd0, 0x10, 0x10])
    expect((await master((await picture()).withMetadata({ orientation: 6 }).jpeg())).size).toBe('40x60')
  })

  it('keeps the colours of CMYK, 16 bit and grey pictures', async () => {
    const { left } = await master((await picture()).toColourspace('rgb16').png())
    close(left, [0xd0, 0x10, 0x10])
    const [red = 0, green = 0, blue = 0] = (await master((await picture()).toColourspace('cmyk').jpeg())).left
    expect(red).toBeGreaterThan(2 * Math.max(green, blue))
    const grey = await master((await picture()).toColourspace('b-w').jpeg())
    expect(Math.max(...grey.left) - Math.min(...grey.left)).toBeLessThan(6)
  })

  it('puts white behind what is transparent', async () => {
    const clear = sharp({
      create: { width: 40, height: 40, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } },
    })
    close((await master(clear.png())).left, [255, 255, 255])
  })

  it('is as large as the largest film can show of it, whatever its shape', async () => {
    const sizeOf = async (width: number, height: number, frame?: FrameSize): Promise<string> => {
      const plain = sharp({ create: { width, height, channels: 3, background: '#888' } })
      return (await master(plain.jpeg(), frame)).size
    }
    const frame = { width: 100, height: 50 }
    expect(await sizeOf(4000, 100, frame)).toBe('2000x50')
    expect(await sizeOf(100, 4000, frame)).toBe('100x4000')
    expect(await sizeOf(200, 400, frame)).toBe('100x200')
    expect(await sizeOf(99, 49, frame)).toBe('99x49')
    // 1080 lines upright, under a camera that comes nearer by an eighth.
    expect(await sizeOf(14_000, 2200)).toBe('13688x2151')
    expect(await sizeOf(4032, 3024)).toBe('2868x2151')
  })

  it('is never more than FFmpeg reads or a JPEG can hold, and never nothing', () => {
    const side = fc.oneof(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 100_000_000 }))
    fc.assert(
      fc.property(side, side, (width, height) => {
        fc.pre(width * height <= 100_000_000)
        const size = masterSize({ width, height })
        expect(size.width * size.height).toBeLessThan(maxPixels)
        for (const [made, given] of [
          [size.width, width],
          [size.height, height],
        ] as const) {
          expect(made).toBeGreaterThan(0)
          expect(made).toBeLessThanOrEqual(Math.min(given, 65_535))
        }
      }),
      { seed: 3 },
    )
  })

  it('refuses what ends too early', async () => {
    const half = (await (await picture(300, 300)).jpeg().toBuffer()).subarray(0, 4000)
    const path = await file('half.jpg', half)
    expect(await masterImage({ path, targetPath: join(directory, 'none.jpg') })).toMatchObject({
      reason: 'damaged',
      message: expect.stringMatching(/premature|truncated|end/i),
    })
  })
})

describe('a master has the colours that its picture means', () => {
  const patches = {
    red: [200, 40, 40],
    green: [40, 160, 60],
    grey: [128, 128, 128],
    white: [255, 255, 255],
  } as const
  type Rgb = readonly [number, number, number]

  /** Four patches side by side; `encode` makes the numbers of another colour space, from 0 to 1, of light. */
  async function chart(bits: 8 | 16, encode: (light: Rgb) => Rgb = toSrgb): Promise<Sharp> {
    const side = 16
    const most = 2 ** bits - 1
    const line = Object.values(patches).flatMap((patch) => {
      const [red, green, blue] = encode(fromSrgb(patch)).map((value) => Math.round(value * most))
      return Array.from({ length: side }, () => [red!, green!, blue!]).flat()
    })
    const data = (bits === 8 ? Uint8Array : Uint16Array).from(Array.from({ length: side }, () => line).flat())
    const raw = { width: 4 * side, height: side, channels: 3 } as const
    return sharp(data, { raw }).toColourspace(bits === 8 ? 'srgb' : 'rgb16')
  }

  async function expectPatches(bytes: Uint8Array, tolerance = 6): Promise<void> {
    const target = join(directory, 'chart.jpg')
    const path = await file('chart', bytes)
    expect(await readImage({ path })).toMatchObject({ kind: 'image' })
    expect(await masterImage({ path, targetPath: target })).toMatchObject({ kind: 'master' })
    const { data, info } = await sharp(target).raw().toBuffer({ resolveWithObject: true })
    for (const [index, [name, patch]] of Object.entries(patches).entries()) {
      const at = 3 * (Math.floor(info.height / 2) * info.width + Math.floor((index + 0.5) * (info.width / 4)))
      const found = [...data.subarray(at, at + 3)]
      const off = Math.max(...patch.map((value, channel) => Math.abs(value - found[channel]!)))
      expect({ name, found, isNear: off <= tolerance }).toEqual({ name, found, isNear: true })
    }
  }

  const adobe = [0.60974, 0.31111, 0.01947, 0.20528, 0.62567, 0.06087, 0.14919, 0.06322, 0.74457]
  const proPhoto = [0.7977, 0.288, 0, 0.1352, 0.7119, 0, 0.0313, 0.0001, 0.8249]

  it('by an ICC profile, at each depth and in each format', async () => {
    const profiles = {
      p3: 'p3',
      adobe: await file('adobe.icc', iccProfile('RGB ', 2.2, adobe)),
      proPhoto: await file('prophoto.icc', iccProfile('RGB ', 1.8, proPhoto)),
    }
    for (const profile of Object.values(profiles)) {
      const plain = (await chart(8)).png()
      const of = (bits: 8 | 16) => async (): Promise<Sharp> =>
        sharp(await plain.toBuffer())
          .toColourspace(bits === 8 ? 'srgb' : 'rgb16')
          .withIccProfile(profile)
      const eight = of(8)
      const deep = of(16)
      const tolerance = profile === profiles.proPhoto ? 12 : 6
      await expectPatches(await (await eight()).png().toBuffer(), tolerance)
      await expectPatches(await (await deep()).png().toBuffer(), tolerance)
      await expectPatches(
        await (await eight()).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer(),
        tolerance,
      )
      await expectPatches(await (await eight()).webp({ lossless: true }).toBuffer(), tolerance)
      for (const bitdepth of [8, 10, 12] as const)
        await expectPatches(
          await (
            await (bitdepth === 8 ? eight() : deep())
          )
            .avif({ quality: 95, bitdepth, effort: 0 })
            .toBuffer(),
          2 * tolerance,
        )
    }
    // What has no profile is sRGB, as deep as it may be.
    await expectPatches(await (await chart(16)).png().toBuffer())
  })

  it('by a profile of grey, and of CMYK', async () => {
    // Light itself: half of it is 188 in sRGB.
    const profile = iccProfile('GRAY', 1)
    for (const space of ['b-w', 'grey16'] as const) {
      const half = sharp({ create: { width: 20, height: 20, channels: 3, background: '#808080' } })
      const bytes = withChunk(
        await half.toColourspace(space).png().toBuffer(),
        'iCCP',
        packedProfile(profile),
      )
      expect((await sharp(bytes).metadata()).icc).toBeDefined()
      const [found = 0] = (await master(sharp(bytes).keepIccProfile().toColourspace(space).png())).left
      expect(Math.abs(found - 188)).toBeLessThan(4)
    }
    const cmyk = await sharp(await (await chart(8)).png().toBuffer())
      .toColourspace('cmyk')
      .withIccProfile('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer()
    // Ink has neither this red nor this green.
    await expectPatches(cmyk, 40)
  })

  it('by numbers (CICP) in a PNG and in an AVIF, with what is HDR brought into the film', async () => {
    const told: readonly [string, number, number, (light: Rgb) => Rgb][] = [
      ['sRGB', 1, 13, toSrgb],
      ['Display P3', 12, 13, (light) => toSrgb(mixed(to.p3, light))],
      ['BT.2020', 9, 1, (light) => toSrgb(mixed(to.bt2020, light))],
      ['light', 1, 8, (light) => light],
      ['gamma 2.2', 1, 4, (light) => each(light, (value) => value ** (1 / 2.2))],
      ['PQ', 9, 16, (light) => each(mixed(to.bt2020, light), (value) => pq(value * 203))],
      ['HLG', 9, 18, (light) => hlg(mixed(to.bt2020, light))],
    ]
    for (const [name, primaries, transfer, encode] of told) {
      for (const bits of [8, 16] as const) {
        if (bits === 8 && name === 'light') continue
        const png = await (await chart(bits, encode)).png().toBuffer()
        const numbers = Buffer.from([primaries, transfer, 0, 1])
        await expectPatches(withChunk(png, 'cICP', numbers), bits === 8 ? 10 : 4)
        // They go before a profile.
        const profile = packedProfile(iccProfile('RGB ', 1.8, proPhoto))
        await expectPatches(withChunk(withChunk(png, 'iCCP', profile), 'cICP', numbers), bits === 8 ? 10 : 4)
        const plain = await (
          await chart(bits, encode)
        )
          .avif({ quality: 95, bitdepth: bits === 8 ? 8 : 10, effort: 0, chromaSubsampling: '4:4:4' })
          .toBuffer()
        await expectPatches(withNclx(plain, primaries, transfer), name === 'light' ? 40 : 24)
      }
    }
  })

  it('by the numbers of the AV1 stream, where an AVIF has no box of them', async () => {
    const told = await readFile(fixture('pq-10-bit.avif'))
    const untold = Buffer.from(told)
    untold.write('free', untold.indexOf('colr'))
    for (const bytes of [told, untold]) {
      const path = await file('pq.avif', bytes)
      await expectPatchesOf(path, '640x480', [
        [0.06, 0.08, patches.red],
        [0.94, 0.08, patches.green],
        [0.445, 0.417, patches.white],
      ])
    }
  })

  it('by a gamma and chromaticities in a PNG', async () => {
    const png = await (await chart(16, (light) => mixed(to.p3, light))).png().toBuffer()
    const chromaticities = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000]
    const gamma = uint32(100_000)
    const tagged = withChunk(
      withChunk(png, 'gAMA', gamma),
      'cHRM',
      Buffer.concat(chromaticities.map((value) => uint32(value))),
    )
    await expectPatches(tagged, 4)
  })

  it('by a HEIC: in tiles, turned, with a profile; and with ten bits of PQ', async () => {
    await expectPatchesOf(fixture('tiles-p3-turned.heic'), '64x128', [
      [0.5, 0.75, patches.red],
      [0.5, 0.25, patches.green],
    ])
    await expectPatchesOf(fixture('pq-10-bit.heic'), '128x96', [
      [0.06, 0.08, patches.red],
      [0.94, 0.08, patches.green],
      [0.445, 0.417, patches.white],
    ])
  })

  async function expectPatchesOf(
    path: string,
    size: string,
    places: readonly [x: number, y: number, patch: Rgb][],
  ): Promise<void> {
    const target = join(directory, 'heic.jpg')
    const made = await masterImage({ path, targetPath: target })
    expect(made.kind === 'master' && `${made.width}x${made.height}`).toBe(size)
    const { data, info } = await sharp(target).raw().toBuffer({ resolveWithObject: true })
    for (const [x, y, patch] of places) {
      const at = 3 * (Math.floor(y * info.height) * info.width + Math.floor(x * info.width))
      const found = [...data.subarray(at, at + 3)]
      const off = Math.max(...patch.map((value, channel) => Math.abs(value - found[channel]!)))
      expect({ path, found, isNear: off <= 24 }).toEqual({ path, found, isNear: true })
    }
  }

  it('keeps what is brighter than white apart, and white white', async () => {
    const nits = [203, 500, 1000]
    const line = nits.flatMap((value) => Array.from({ length: 60 }, () => Math.round(pq(value) * 65_535)))
    const data = Uint16Array.from(
      Array.from({ length: 20 }, () => line.flatMap((value) => [value, value, value])).flat(),
    )
    const png = await sharp(data, { raw: { width: 180, height: 20, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer()
    const path = await file('bright.png', withChunk(png, 'cICP', Buffer.from([9, 16, 0, 1])))
    const target = join(directory, 'bright.jpg')
    expect(await masterImage({ path, targetPath: target })).toMatchObject({ kind: 'master' })
    const found = await sharp(target).extractChannel(0).raw().toBuffer()
    const [white, bright, brightest] = [30, 90, 150].map((at) => found[at])
    expect(white).toBeGreaterThan(235)
    expect(bright).toBeGreaterThan(white! + 2)
    expect(brightest).toBeGreaterThan(bright!)
  })

  const each = (light: Rgb, of: (value: number) => number): Rgb => [of(light[0]), of(light[1]), of(light[2])]
  const fromSrgb = (patch: Rgb): Rgb =>
    each(patch, (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4))
  const toSrgb = (light: Rgb): Rgb =>
    each(light, (value) => (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055))
  const mixed = (rows: readonly (readonly number[])[], light: Rgb): Rgb => {
    const row = (index: number): number =>
      Math.min(
        1,
        rows[index]!.reduce((sum, share, channel) => sum + share * light[channel]!, 0),
      )
    return [row(0), row(1), row(2)]
  }
  /** From BT.709, as BT.2087 and others print them. */
  const to = {
    bt2020: [
      [0.6274, 0.3293, 0.0433],
      [0.0691, 0.9195, 0.0114],
      [0.0164, 0.088, 0.8956],
    ],
    p3: [
      [0.8225, 0.1775, 0],
      [0.0332, 0.9668, 0],
      [0.0171, 0.0724, 0.9105],
    ],
  }
  const pq = (nits: number): number => {
    const root = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375
  }
  const hlg = (light: Rgb): Rgb => {
    const shown = each(light, (value) => (value * 203) / 1000)
    const luma = 0.2627 * shown[0] + 0.678 * shown[1] + 0.0593 * shown[2]
    return each(shown, (value) => {
      const scene = luma === 0 ? 0 : value * luma ** (1 / 1.2 - 1)
      return scene <= 1 / 12
        ? Math.sqrt(3 * scene)
        : 0.17883277 * Math.log(12 * scene - 0.28466892) + 0.55991073
    })
  }
})

const fixture = (name: string): string => join(import.meta.dirname, 'pictures', name)

/** A profile of one curve, and of these XYZ of its primaries. */
function iccProfile(space: 'RGB ' | 'GRAY', gamma: number, xyz: readonly number[] = []): Buffer {
  const fixed = (value: number): Buffer => uint32(Math.round(value * 65_536))
  const triple = (values: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from('XYZ \0\0\0\0', 'latin1'), ...values.map(fixed)])
  const curve = Buffer.concat([
    Buffer.from('curv\0\0\0\0\0\0\0\x01', 'latin1'),
    Buffer.from([Math.floor(gamma), Math.round((gamma % 1) * 256), 0, 0]),
  ])
  const text = Buffer.from('desc\0\0\0\0\0\0\0\x02a\0'.padEnd(104, '\0'), 'latin1')
  const white = triple([0.9642, 1, 0.8249])
  const tags: [string, Buffer][] = [
    ['desc', text],
    ['wtpt', white],
    ...(space === 'GRAY'
      ? [['kTRC', curve] as [string, Buffer]]
      : ['r', 'g', 'b'].flatMap((name, index): [string, Buffer][] => [
          [`${name}XYZ`, triple(xyz.slice(3 * index, 3 * index + 3))],
          [`${name}TRC`, curve],
        ])),
  ]
  let at = 132 + 12 * tags.length
  const table = tags.map(([name, body]) => {
    const entry = Buffer.concat([Buffer.from(name), uint32(at), uint32(body.length)])
    at += body.length
    return entry
  })
  const header = Buffer.alloc(128)
  header.writeUInt32BE(at, 0)
  header.writeUInt32BE(0x02400000, 8)
  header.write(`mntr${space}XYZ `, 12, 'latin1')
  header.write('acsp', 36, 'latin1')
  white.copy(header, 68, 8)
  return Buffer.concat([header, uint32(tags.length), ...table, ...tags.map(([, body]) => body)])
}

const packedProfile = (profile: Buffer): Buffer =>
  Buffer.concat([Buffer.from('any\0\0', 'latin1'), deflateSync(profile)])

/** An AVIF of sharp's, which says nothing of its colours, with a box that does. */
function withNclx(avif: Buffer, primaries: number, transfer: number): Buffer {
  const numbers = Buffer.from([0, primaries, 0, transfer, 0, 6, 0x80])
  const colr = Buffer.concat([uint32(19), Buffer.from('colrnclx'), numbers])
  const start = (type: string): number => avif.indexOf(type) - 4
  const links = start('ipma')
  const count = links + 18
  const added = colr.length + 1
  const bytes = Buffer.concat([
    avif.subarray(0, links),
    colr,
    avif.subarray(links, count),
    Buffer.from([avif[count]! + 1]),
    avif.subarray(count + 1, count + 1 + avif[count]!),
    Buffer.from([4]),
    avif.subarray(count + 1 + avif[count]!),
  ])
  const grow = (type: string, by: number): void => {
    const at = bytes.indexOf(type) - 4
    bytes.writeUInt32BE(bytes.readUInt32BE(at) + by, at)
  }
  grow('meta', added)
  grow('iprp', added)
  grow('ipco', colr.length)
  grow('ipma', 1)
  // Where its data is.
  const data = uint32(start('mdat') + 8)
  bytes.writeUInt32BE(start('mdat') + 8 + added, bytes.indexOf(data, bytes.indexOf('iloc')))
  return bytes
}

/** After its header. */
const withChunk = (png: Buffer, type: string, body: Buffer): Buffer =>
  Buffer.concat([png.subarray(0, 33), pngChunk(type, body), png.subarray(33)])

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A PNG that says how large it is, and holds nothing. */
function pngHeader(width: number, height: number): Buffer {
  const body = Buffer.alloc(13)
  body.writeUInt32BE(width, 0)
  body.writeUInt32BE(height, 4)
  body.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', body),
    pngChunk('IDAT', Buffer.alloc(9)),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

function pngChunk(type: string, body: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type), body])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(typed))
  return Buffer.concat([size, typed, sum])
}

function box(type: string, body: string): Buffer {
  const bytes = Buffer.from(`\0\0\0\0${type}${body}`, 'latin1')
  bytes.writeUInt32BE(bytes.length)
  return bytes
}

async function master(
  made: Sharp,
  frame?: FrameSize,
): Promise<{ size: string; left: number[]; right: number[] }> {
  const target = join(directory, 'master.jpg')
  const path = await file('source', await made.toBuffer())
  const found = await masterImage({ path, targetPath: target, ...(frame && { frame }) })
  if (found.kind === 'refused') throw new Error(found.message)
  const { width, height } = found
  const metadata = await sharp(target).metadata()
  expect(metadata).toMatchObject({
    format: 'jpeg',
    width,
    height,
    space: 'srgb',
    depth: 'uchar',
    channels: 3,
    chromaSubsampling: '4:4:4',
  })
  expect(metadata.orientation).toBeUndefined()
  const at = async (left: number, top: number): Promise<number[]> => [
    ...(await sharp(await readFile(target))
      .extract({ left, top, width: 1, height: 1 })
      .raw()
      .toBuffer()),
  ]
  return { size: `${width}x${height}`, left: await at(2, 2), right: await at(width - 3, 2) }
}

function close(actual: number[], expected: number[]): void {
  for (const [index, value] of expected.entries())
    expect(Math.abs((actual[index] ?? 0) - value)).toBeLessThan(40)
}
