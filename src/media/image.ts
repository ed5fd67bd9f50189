/**
 * Pictures as people send them, in a media process. What a file is, is told by its bytes, never by its name, and only four
 * formats ever reach a decoder. Only what is made here reaches FFmpeg, which by itself shows garbage under
 * transparency and takes half a JPEG for a green picture.
 */
import { open, readFile } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'
import { isDiskFull } from '../disk-full.ts'
import type { Fit } from '../job/scene.ts'

export type ImageContentType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/avif'

export interface ReadImage {
  readonly kind: 'image'
  readonly contentType: ImageContentType
  /** Pixels as a viewer sees them: after the rotation that EXIF asks for. */
  readonly width: number
  readonly height: number
  /** What decoding it takes of memory, on the safe side. */
  readonly memoryBytes: number
}

export interface RefusedImage {
  readonly kind: 'refused'
  readonly reason: 'not_an_image' | 'format_not_allowed' | 'damaged' | 'too_many_pixels' | 'too_costly'
  /** A sentence for the person who sent it. */
  readonly message: string
}

export type ImageInspection = ReadImage | RefusedImage

/** 10,000 x 10,000. */
export const maxImagePixels = 100_000_000

/** Above what a 1080p frame can show, under the strongest zoom of ours. */
const masterMaxSide = 4096

// libvips would keep decoded pictures and open files: each of ours is read once.
sharp.cache(false)

/** Tells by its header what a picture is and what decoding it takes: sixty thousand squared must cost nothing. */
export async function readImage({ path }: ReadImageRequest): Promise<ImageInspection> {
  const sniffed = sniff(await readHead(path))
  if (sniffed.kind !== 'allowed') return sniffed
  const header = await readHeader(path)
  if (header.kind === 'refused') return header
  const { width, height } = header
  const pixels = width * height
  if (pixels > maxImagePixels) {
    const message = `The picture has ${width} x ${height} pixels (${megapixels(pixels)}); at most ${megapixels(maxImagePixels)} are allowed`
    return { kind: 'refused', reason: 'too_many_pixels', message }
  }
  const { contentType } = sniffed
  if (contentType === 'image/jpeg') {
    const scans = jpegScans(await readFile(path))
    if (scans > mostScans)
      return costly(
        `it is stored in ${scans} scans, and at most ${mostScans} are read; store it anew with fewer`,
      )
  }
  const memoryBytes = memoryFor(contentType, header)
  if (memoryBytes > mostImageBytes)
    return costly(
      `decoding its ${megapixels(pixels)} in this format takes ${megabytes(memoryBytes)} of memory, and at most ${megabytes(mostImageBytes)} are given; make it smaller, or send a JPEG`,
    )
  return { kind: 'image', contentType, width, height, memoryBytes }
}

export interface ReadImageRequest {
  /** Absolute path. */
  readonly path: string
}

export interface MasterRequest extends ReadImageRequest {
  readonly targetPath: string
  /** The master's longer side has at most so many pixels. */
  readonly maxSide?: number
}

/**
 * Makes the picture that FFmpeg gets from one that `readImage` accepts: upright, sRGB, 8 bits, without transparency.
 * JPEG at quality 95 without chroma subsampling: FFmpeg reads it three times faster than PNG, and it differs from the
 * PNG by less than the film's encoder does. All of the picture is read, so a damaged one is refused.
 */
export async function masterImage(request: MasterRequest): Promise<MasterImage | RefusedImage> {
  const { path, targetPath, maxSide = masterMaxSide } = request
  try {
    const { width, height } = await openImage(path)
      .autoOrient()
      .resize(maxSide, maxSide, { fit: 'inside', withoutEnlargement: true })
      // White is what a page shows behind a picture; on black, dark drawings would vanish.
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
      .toFile(targetPath)
    return { kind: 'master', width, height }
  } catch (error) {
    if (isDiskFull(error)) throw error
    return damaged(error)
  }
}

export interface MasterImage {
  readonly kind: 'master'
  readonly width: number
  readonly height: number
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

export interface ShapeRequest extends ReadImageRequest {
  readonly targetPath: string
  readonly shape: ImageShape
}

/** Brings a master into the film's shape, for a model that renders what it is given. JPEG. */
export async function shapeImage({ path, targetPath, shape }: ShapeRequest): Promise<void> {
  const { width, height, fit } = shape
  const source = () => openImage(path)
  const jpeg = { quality: 92, chromaSubsampling: '4:4:4' }
  if (fit === 'crop') {
    await source().resize(width, height, { fit: 'cover' }).jpeg(jpeg).toFile(targetPath)
  } else if (fit === 'letterbox') {
    await source()
      .resize(width, height, { fit: 'contain', background: 'black' })
      .jpeg(jpeg)
      .toFile(targetPath)
  } else {
    const inside = await source().resize(width, height, { fit: 'inside' }).toBuffer()
    await source()
      .resize(width, height, { fit: 'cover' })
      .blur(blurSigma)
      .composite([{ input: inside }])
      .jpeg(jpeg)
      .toFile(targetPath)
  }
}

function openImage(path: string): Sharp {
  // `pages`: of an animation, the first frame.
  return sharp(path, { failOn: 'error', sequentialRead: true, limitInputPixels: maxImagePixels, pages: 1 })
}

interface Header {
  readonly kind: 'header'
  readonly width: number
  readonly height: number
  readonly channels: number
  /** Bytes of a sample: 8 bits or more. */
  readonly depth: 1 | 2
  /** A progressive JPEG, an interlaced PNG: it is there as a whole or not at all. */
  readonly isProgressive: boolean
  readonly isTurned: boolean
}

async function readHeader(path: string): Promise<Header | RefusedImage> {
  try {
    const found = await sharp(path, { failOn: 'error', limitInputPixels: false, pages: 1 }).metadata()
    return {
      kind: 'header',
      ...found.autoOrient,
      channels: found.channels,
      depth: found.depth === 'uchar' ? 1 : 2,
      isProgressive: found.isProgressive,
      isTurned: (found.orientation ?? 1) > 1,
    }
  } catch (error) {
    return damaged(error)
  }
}

/** What a process holds that makes a master of 4096 x 4096, but for what the source takes. */
const masterBytes = 320 * 2 ** 20

/** A JPEG of our own kind takes 0.1 s a scan at 100 megapixels; encoders make a dozen. */
const mostScans = 100

/** What decoding one picture may take. */
export const mostImageBytes = 2 ** 30

/**
 * Measured with 25 and 100 megapixels of each: JPEG and PNG come line by line, unless they are stored in several passes;
 * WebP decodes to a frame; AVIF to frames of the codec, of libheif and of libvips.
 */
function memoryFor(contentType: ImageContentType, header: Header): number {
  const { width, height, channels, depth, isProgressive, isTurned } = header
  const bytesAPixel = {
    'image/jpeg': isProgressive ? 2 * channels : 0.5,
    'image/png': isProgressive ? channels * depth : 0.5,
    'image/webp': 4,
    'image/avif': depth === 1 ? 16 : 24,
  }[contentType]
  return masterBytes + width * height * (bytesAPixel + (isTurned ? 3 : 0))
}

/** Counts the scans of a JPEG, by its markers. What is no JPEG any more is told by the decoder. */
function jpegScans(bytes: Buffer): number {
  let scans = 0
  for (let at = bytes.indexOf(0xff, 2); at !== -1 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1]!
    if (marker === 0xda) scans++
    // Segments but for those without a length: stuffed bytes, restarts, start and end.
    const hasLength = marker >= 0xc0 && marker < 0xff && !(marker >= 0xd0 && marker <= 0xd9)
    at += hasLength && at + 4 <= bytes.length ? 2 + bytes.readUInt16BE(at + 2) : marker === 0xff ? 1 : 2
  }
  return scans
}

const costly = (why: string): RefusedImage => ({
  kind: 'refused',
  reason: 'too_costly',
  message: `The picture costs too much to decode: ${why}`,
})

function damaged(error: unknown): RefusedImage {
  const words = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
  return { kind: 'refused', reason: 'damaged', message: `The picture is damaged or cut short (${words})` }
}

type Sniffed = { readonly kind: 'allowed'; readonly contentType: ImageContentType } | RefusedImage

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

async function readHead(path: string): Promise<Buffer> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
  return buffer.subarray(0, bytesRead)
}

function megapixels(pixels: number): string {
  return `${Math.ceil(pixels / 1_000_000)} megapixels`
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`
}
