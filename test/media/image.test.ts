import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { isQuick } from '../quick.ts'
import sharp, { type Sharp } from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ImageInspection, masterImage, readImage } from '../../src/media/image.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'image-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Left half red, right half blue, with some grain so that it does not compress to nothing. */
async function picture(width = 60, height = 40): Promise<Sharp> {
  const left = {
    create: { width: Math.ceil(width / 2), height, channels: 3, background: '#d01010' },
  } as const
  const right = { width, height, channels: 3, background: '#1020c0' } as const
  const noise = { type: 'gaussian', mean: 128, sigma: 20 } as const
  const grain = await sharp({ create: { width, height, channels: 3, background: '#000', noise } })
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
  const made = await masterImage({ path, targetPath: `${path}.master`, maxSide: 64 })
  return made.kind === 'refused' ? made : read
}

async function refusal(source: string | Uint8Array): Promise<string> {
  const found = await inspectImage(source)
  return found.kind === 'refused' ? `${found.reason}: ${found.message}` : found.kind
}

describe('a picture', () => {
  it('accepts the four formats by their content, whatever they are called', async () => {
    const base = await picture()
    const made = {
      'image/jpeg': await base.clone().jpeg().toBuffer(),
      'image/png': await base.clone().png().toBuffer(),
      'image/webp': await base.clone().webp().toBuffer(),
      'image/avif': await base.clone().avif({ effort: 0 }).toBuffer(),
    }
    for (const [contentType, bytes] of Object.entries(made)) {
      const memoryBytes = expect.any(Number)
      const expected = { kind: 'image', contentType, width: 60, height: 40, memoryBytes }
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
    const scratched = await base.clone().png().toBuffer()
    const middle = Math.floor(scratched.length / 2)
    scratched.fill(0x55, middle, middle + 64)
    expect(await refusal(scratched)).toMatch(/^damaged/)
  })

  it('refuses everything else with its name', async () => {
    const gif = await (await picture()).gif().toBuffer()
    const tiff = await (await picture()).tiff().toBuffer()
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="/etc/passwd"/></svg>'
    const cases: [string | Uint8Array, RegExp][] = [
      [gif, /^format_not_allowed: GIF is not accepted; JPEG, PNG, WebP and AVIF are$/],
      [tiff, /^format_not_allowed: TIFF/],
      [svg, /^format_not_allowed: SVG/],
      [`<?xml version="1.0"?>\n${svg}`, /^format_not_allowed: SVG/],
      [box('ftyp', 'heic\0\0\0\0mif1heic'), /^format_not_allowed: HEIC/],
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

  it('makes large pictures smaller and small ones no larger', async () => {
    const wide = sharp({ create: { width: 4000, height: 30, channels: 3, background: '#888' } })
    expect((await master(wide.png(), 1000)).size).toBe('1000x8')
    expect((await master(await picture(61, 41).then((made) => made.webp()), 1000)).size).toBe('61x41')
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
  maxSide?: number,
): Promise<{ size: string; left: number[]; right: number[] }> {
  const target = join(directory, 'master.jpg')
  const path = await file('source', await made.toBuffer())
  const found = await masterImage({ path, targetPath: target, ...(maxSide && { maxSide }) })
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
