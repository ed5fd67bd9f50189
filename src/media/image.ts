/**
 * Pictures as people send them. What a file is, is told by its bytes, never by its name, and only four
 * formats ever reach a decoder. Only what is made here reaches FFmpeg, which by itself shows garbage under
 * transparency and takes half a JPEG for a green picture.
 */
import { open } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'
import type { Fit } from '../job/scene.ts'

export type ImageContentType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/avif'

export type ImageInspection =
  | {
      readonly kind: 'image'
      readonly contentType: ImageContentType
      /** Pixels as a viewer sees them: after the rotation that EXIF asks for. */
      readonly width: number
      readonly height: number
    }
  | {
      readonly kind: 'refused'
      readonly reason: 'not_an_image' | 'format_not_allowed' | 'damaged' | 'too_many_pixels'
      /** A sentence for the person who sent it. */
      readonly message: string
    }

/** 10,000 x 10,000. */
export const maxImagePixels = 100_000_000

/** Above what a 1080p frame can show, under the strongest zoom of ours. */
const masterMaxSide = 4096

/** What is decoded at once, over all callers: a 100 megapixel picture can take 400 MB while it lasts. */
const pixelsAtOnce = maxImagePixels

// libvips would keep decoded pictures and open files: each of ours is read once.
sharp.cache(false)

/**
 * Reads all of a picture, and tells what it is.
 * @param source absolute path, or the file's bytes
 */
export async function inspectImage(source: string | Uint8Array): Promise<ImageInspection> {
  const sniffed = sniff(await readHead(source))
  if (sniffed.kind !== 'allowed') return sniffed
  const header = await readHeader(source)
  if (header.kind === 'refused') return header
  const { width, height, pixels } = header
  if (pixels > maxImagePixels) {
    const message = `The picture has ${width} x ${height} pixels (${megapixels(pixels)}); at most ${megapixels(maxImagePixels)} are allowed`
    return { kind: 'refused', reason: 'too_many_pixels', message }
  }
  try {
    // To its last byte, though small: a JPEG decodes at an eighth of its size, and is still read whole.
    await decoding(pixels, () => openImage(source).resize(64, 64, { fit: 'inside' }).raw().toBuffer())
  } catch (error) {
    return damaged(error)
  }
  return { kind: 'image', contentType: sniffed.contentType, width, height }
}

/**
 * Makes the picture that FFmpeg gets: upright, sRGB, 8 bits, without transparency, its longer side at most
 * `maxSide` pixels. JPEG at quality 95 without chroma subsampling: FFmpeg reads it three times faster than
 * PNG, and it differs from the PNG by less than the film's encoder does.
 * @throws {Error} where the source is not a picture that `inspectImage` would accept
 */
export async function masterImage(
  sourcePath: string,
  targetPath: string,
  maxSide: number = masterMaxSide,
): Promise<{ width: number; height: number }> {
  const sniffed = sniff(await readHead(sourcePath))
  if (sniffed.kind !== 'allowed') throw new Error(sniffed.message)
  const header = await readHeader(sourcePath)
  if (header.kind === 'refused') throw new Error(header.message)
  const { width, height } = await decoding(header.pixels, () =>
    openImage(sourcePath)
      .autoOrient()
      .resize(maxSide, maxSide, { fit: 'inside', withoutEnlargement: true })
      // White is what a page shows behind a picture; on black, dark drawings would vanish.
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
      .toFile(targetPath),
  )
  return { width, height }
}

export interface ImageShape {
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** How a picture of another shape fills it. */
  readonly fit: Fit
}

/** Softer than any detail that a model could take for something. */
const blurSigma = 24

/** Brings a master into the film's shape, for a model that renders what it is given. JPEG. */
export async function shapeImage(sourcePath: string, targetPath: string, shape: ImageShape): Promise<void> {
  const { width, height, fit } = shape
  const source = () => openImage(sourcePath)
  const jpeg = { quality: 92, chromaSubsampling: '4:4:4' }
  await decoding(width * height, async () => {
    if (fit === 'crop') return source().resize(width, height, { fit: 'cover' }).jpeg(jpeg).toFile(targetPath)
    if (fit === 'letterbox')
      return source()
        .resize(width, height, { fit: 'contain', background: 'black' })
        .jpeg(jpeg)
        .toFile(targetPath)
    const inside = await source().resize(width, height, { fit: 'inside' }).toBuffer()
    return source()
      .resize(width, height, { fit: 'cover' })
      .blur(blurSigma)
      .composite([{ input: inside }])
      .jpeg(jpeg)
      .toFile(targetPath)
  })
}

function openImage(source: string | Uint8Array): Sharp {
  // `pages`: of an animation, the first frame.
  return sharp(source, { failOn: 'error', sequentialRead: true, limitInputPixels: maxImagePixels, pages: 1 })
}

type Header =
  | { readonly kind: 'header'; readonly width: number; readonly height: number; readonly pixels: number }
  | Extract<ImageInspection, { kind: 'refused' }>

/** The dimensions, before anything is decoded: sixty thousand squared must cost nothing. */
async function readHeader(source: string | Uint8Array): Promise<Header> {
  try {
    const { autoOrient } = await sharp(source, {
      failOn: 'error',
      limitInputPixels: false,
      pages: 1,
    }).metadata()
    const { width, height } = autoOrient
    return { kind: 'header', width, height, pixels: width * height }
  } catch (error) {
    return damaged(error)
  }
}

function damaged(error: unknown): Extract<ImageInspection, { kind: 'refused' }> {
  const words = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
  return { kind: 'refused', reason: 'damaged', message: `The picture is damaged or cut short (${words})` }
}

type Sniffed =
  | { readonly kind: 'allowed'; readonly contentType: ImageContentType }
  | Extract<ImageInspection, { kind: 'refused' }>

const headBytes = 512

function sniff(head: Buffer): Sniffed {
  const text = head.toString('latin1')
  if (text.startsWith('\xff\xd8\xff')) return { kind: 'allowed', contentType: 'image/jpeg' }
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return { kind: 'allowed', contentType: 'image/png' }
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP')
    return { kind: 'allowed', contentType: 'image/webp' }
  const brands = fileTypeBrands(head)
  if (brands.some((brand) => brand === 'avif' || brand === 'avis'))
    return { kind: 'allowed', contentType: 'image/avif' }
  const known = nameOf(text, brands)
  const allowed = 'JPEG, PNG, WebP and AVIF are'
  if (known === null)
    return { kind: 'refused', reason: 'not_an_image', message: `This is not a picture; ${allowed} accepted` }
  return { kind: 'refused', reason: 'format_not_allowed', message: `${known} is not accepted; ${allowed}` }
}

/** The brands in the `ftyp` box with which AVIF, HEIC and MP4 begin. */
function fileTypeBrands(head: Buffer): string[] {
  if (head.length < 16 || head.toString('latin1', 4, 8) !== 'ftyp') return []
  const end = Math.min(head.readUInt32BE(0), head.length)
  const brands = [head.toString('latin1', 8, 12)]
  for (let at = 16; at + 4 <= end; at += 4) brands.push(head.toString('latin1', at, at + 4))
  return brands
}

/** What a refused file is, where it has a name: "not a picture" would be no help to who sent a HEIC. */
function nameOf(text: string, brands: readonly string[]): string | null {
  if (/^GIF8[79]a/.test(text)) return 'GIF'
  if (/^(II\*\0|MM\0\*)/.test(text)) return 'TIFF'
  if (brands.some((brand) => /^(hei[cxms]|hev[cx])$/.test(brand))) return 'HEIC'
  if (brands.length > 0) return 'A video'
  if (text.startsWith('BM')) return 'BMP'
  if (/^\s*(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype svg|svg)/i.test(text))
    return /<svg/i.test(text) ? 'SVG' : 'XML'
  if (text.startsWith('#EXTM3U') || text.startsWith('ffconcat')) return 'A playlist'
  if (text.startsWith('%PDF')) return 'PDF'
  return null
}

async function readHead(source: string | Uint8Array): Promise<Buffer> {
  if (typeof source !== 'string') return Buffer.from(source.subarray(0, headBytes))
  const file = await open(source)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

function megapixels(pixels: number): string {
  return `${Math.ceil(pixels / 1_000_000)} megapixels`
}

let pixelsInWork = 0
const waiting: { pixels: number; enter: () => void }[] = []

/** Runs `work` when its pixels fit beside those being decoded now; whoever came first goes first. */
async function decoding<Result>(pixels: number, work: () => Promise<Result>): Promise<Result> {
  await new Promise<void>((enter) => {
    waiting.push({ pixels, enter })
    admitWaiting()
  })
  try {
    return await work()
  } finally {
    pixelsInWork -= pixels
    admitWaiting()
  }
}

function admitWaiting(): void {
  for (;;) {
    const next = waiting[0]
    if (next === undefined || (pixelsInWork > 0 && pixelsInWork + next.pixels > pixelsAtOnce)) return
    waiting.shift()
    pixelsInWork += next.pixels
    next.enter()
  }
}
