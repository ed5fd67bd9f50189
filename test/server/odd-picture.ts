/** Pictures as people really send them, and files that only look like pictures. */
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'

export const width = 48
export const height = 32

const plain = { width, height, channels: 3, background: '#d01010' } as const
const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const
const veiled = { ...plain, channels: 4, background: { r: 208, g: 16, b: 16, alpha: 0.3 } } as const

/** Grain, so that it does not compress to nothing and half of it is missed. */
const grain = (): Sharp => sharp({ create: { ...plain, noise } })

export interface OddPicture {
  readonly bytes: Buffer
  readonly type: string
  /** As a viewer sees it. */
  readonly width: number
  readonly height: number
}

const of = async (made: Sharp, type: string, size = { width, height }): Promise<OddPicture> => ({
  bytes: await made.toBuffer(),
  type,
  ...size,
})

const hundredMegapixels = (): Promise<OddPicture> =>
  Promise.resolve({
    bytes: paperPng(10_000, 10_000, 10_000),
    type: 'image/png',
    width: 10_000,
    height: 10_000,
  })

export const oddPictures: readonly (readonly [string, () => Promise<OddPicture>])[] = [
  [
    'a PNG of 1x1',
    () =>
      of(sharp({ create: { ...plain, width: 1, height: 1 } }).png(), 'image/png', { width: 1, height: 1 }),
  ],
  ['a PNG of exactly 100 megapixels', hundredMegapixels],
  ['a CMYK JPEG', () => of(grain().toColourspace('cmyk').jpeg(), 'image/jpeg')],
  ['a progressive JPEG', () => of(grain().jpeg({ progressive: true }), 'image/jpeg')],
  ['a grey JPEG', () => of(grain().greyscale().jpeg(), 'image/jpeg')],
  ['a PNG of 16 bit', () => of(grain().toColourspace('rgb16').png(), 'image/png')],
  ['a PNG with alpha', () => of(sharp({ create: veiled }).png(), 'image/png')],
  ['a PNG with a palette', () => of(grain().png({ palette: true }), 'image/png')],
  ['a WebP with alpha', () => of(sharp({ create: veiled }).webp(), 'image/webp')],
  ['a lossless WebP', () => of(grain().webp({ lossless: true }), 'image/webp')],
  ['an AVIF', () => of(grain().avif({ effort: 0 }), 'image/avif')],
  ...[1, 2, 3, 4, 5, 6, 7, 8].map(
    (orientation) =>
      [
        `a JPEG with the EXIF orientation ${orientation}`,
        () =>
          of(
            grain().withMetadata({ orientation }).jpeg(),
            'image/jpeg',
            orientation < 5 ? { width, height } : { width: height, height: width },
          ),
      ] as const,
  ),
]

/** Cut in the middle, behind its header. */
export async function cutPicture(format: 'jpeg' | 'png' | 'webp' | 'avif'): Promise<Buffer> {
  const whole = await grain().resize(300, 200).toFormat(format).toBuffer()
  return whole.subarray(0, Math.floor(whole.length * 0.6))
}

/** A black PNG that says it is of this size and holds `rows` of its rows. */
export function paperPng(wide: number, high: number, rows: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(wide, 0)
  header.writeUInt32BE(high, 4)
  // One bit a pixel, grey.
  header[8] = 1
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc((Math.ceil(wide / 8) + 1) * rows))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const framed = Buffer.alloc(named.length + 8)
  framed.writeUInt32BE(data.length, 0)
  named.copy(framed, 4)
  framed.writeUInt32BE(crc32(named), named.length + 4)
  return framed
}

/** A JPEG whose header says that it is of this size. */
export async function jpegThatClaims(wide: number, high: number): Promise<Buffer> {
  const bytes = await grain().jpeg().toBuffer()
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]))
  bytes.writeUInt16BE(high, frame + 5)
  bytes.writeUInt16BE(wide, frame + 7)
  return bytes
}

/** A WebP whose canvas is said to be of this size. */
export async function webpThatClaims(wide: number, high: number): Promise<Buffer> {
  const bytes = await sharp({ create: veiled }).webp().toBuffer()
  const canvas = bytes.indexOf('VP8X') + 12
  bytes.writeUIntLE(wide - 1, canvas, 3)
  bytes.writeUIntLE(high - 1, canvas + 3, 3)
  return bytes
}

/** An AVIF whose picture is said to be of this size. */
export async function avifThatClaims(wide: number, high: number): Promise<Buffer> {
  const bytes = await grain().avif({ effort: 0 }).toBuffer()
  const size = bytes.indexOf('ispe') + 8
  bytes.writeUInt32BE(wide, size)
  bytes.writeUInt32BE(high, size + 4)
  return bytes
}

const fileType = (brand: string): string => `\0\0\0\x18ftyp${brand}\0\0\0\0mif1${brand}`

/** Refused before anything decodes them; each with what its name must be in the answer. */
export const dressedAsJpeg: readonly (readonly [
  string,
  number,
  RegExp,
  () => Promise<Uint8Array> | Uint8Array | string,
])[] = [
  ['a playlist (HLS)', 415, /playlist/, () => '#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'],
  [
    'a playlist (DASH)',
    415,
    /XML/,
    () => '<?xml version="1.0"?><MPD><BaseURL>http://localhost/</BaseURL></MPD>',
  ],
  ['a playlist (DASH) without a prologue', 422, /not a picture/, () => '<MPD><Period/></MPD>'],
  ['a playlist of FFmpeg', 415, /playlist/, () => "ffconcat version 1.0\nfile '/etc/passwd'\n"],
  [
    'an SVG',
    415,
    /SVG/,
    () => '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
  ],
  ['a script', 422, /not a picture/, () => '#!/bin/sh\ntouch /tmp/x\n'],
  ['a page', 422, /not a picture/, () => '<!doctype html><script>alert(1)</script>'],
  ['a GIF', 415, /GIF/, () => grain().gif().toBuffer()],
  ['a TIFF', 415, /TIFF/, () => grain().tiff().toBuffer()],
  ['nothing but the beginning of a HEIC', 422, /HEIC|damaged/, () => Buffer.from(fileType('heic'), 'latin1')],
  ['a video', 415, /video/, () => Buffer.from(fileType('isom'), 'latin1')],
  ['a PDF', 415, /PDF/, () => '%PDF-1.7\n'],
  ['text', 422, /not a picture/, () => 'a photograph of a house'],
  ['the first byte of a JPEG', 422, /not a picture/, () => Buffer.from([0xff])],
  ['nothing but the beginning of a JPEG', 422, /damaged/, () => Buffer.from([0xff, 0xd8, 0xff, 0xe0])],
  ['nothing but the beginning of a PNG', 422, /damaged/, () => Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
]
