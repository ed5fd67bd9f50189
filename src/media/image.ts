/**
 * Reads uploaded pictures, in a media process. A file's bytes decide its format, never its name, and only five formats
 * reach a decoder. FFmpeg reads only pictures made here: by itself it shows garbage under transparency, and half a
 * JPEG as a green picture.
 */
import { open, readFile } from 'node:fs/promises'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp, type SharpInput, type SharpOptions } from 'sharp'
import { isDiskFull } from '../disk-full.ts'
import { aspectRatios, frameFormat, resolutions } from '../job/format.ts'
import type { Fit } from '../job/scene.ts'
import { type Colour, srgb, toSrgb } from './colour.ts'
import { readHeifColour, readPngColour, readProfileColour } from './colour-tag.ts'
import { decodeHeic, readHeicHeader } from './heic.ts'
import { readJpeg } from './jpeg.ts'
import { maxPixels } from './plan.ts'
import { zoom } from './scene-graph.ts'

export type ImageContentType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/avif' | 'image/heic'

export interface ReadImage {
  readonly kind: 'image'
  readonly contentType: ImageContentType
  /** Pixels as a viewer sees them: after the rotation given by EXIF. */
  readonly width: number
  readonly height: number
  /** Upper estimate of the memory for decoding it. */
  readonly memoryBytes: number
}

export interface RefusedImage {
  readonly kind: 'refused'
  readonly reason: 'not_an_image' | 'format_not_allowed' | 'damaged' | 'too_many_pixels' | 'too_costly'
  /** A sentence for the sender. */
  readonly message: string
}

export type ImageInspection = ReadImage | RefusedImage

/** 10,000 x 10,000. */
export const maxImagePixels = 100_000_000

/** The most that a film shows of a picture, in pixels: the widest and the highest frame, at the camera's zoom. */
const largestFrame: FrameSize = (() => {
  const frames = resolutions.flatMap((name) => aspectRatios.map((ratio) => frameFormat(name, ratio, 24)))
  return {
    width: Math.ceil(zoom * Math.max(...frames.map(({ width }) => width))),
    height: Math.ceil(zoom * Math.max(...frames.map(({ height }) => height))),
  }
})()

/** Most pixels of a master. `held`: if numbers give its colours, all pixels are in memory at once. */
const mostMasterPixels = { streamed: 0.9 * maxPixels, held: 2 ** 24 }

/** Above this, the JPEG's codes are not optimised: that would hold all of its coefficients in memory. */
const mostOptimisedPixels = 2 ** 24

/** Longest side of a JPEG, in pixels. */
const mostMasterSide = 65_500

// libvips would cache decoded pictures and open files, but each file is read once.
sharp.cache(false)

/** Reads from a picture's header what it is and what decoding it costs: one of 60,000 x 60,000 must cost nothing. */
export async function readImage({ path }: ReadImageRequest): Promise<ImageInspection> {
  const sniffed = sniff(await readHead(path))
  if (sniffed.kind !== 'allowed') return sniffed
  const header = await readHeader(path, sniffed.contentType)
  if (header.kind === 'refused') return header
  const { width, height } = header
  const pixels = width * height
  if (pixels > maxImagePixels) {
    const message = `The picture has ${width} x ${height} pixels (${megapixels(pixels)}); at most ${megapixels(maxImagePixels)} are allowed`
    return { kind: 'refused', reason: 'too_many_pixels', message }
  }
  const { contentType } = sniffed
  if (contentType === 'image/jpeg') {
    const { scans } = readJpeg(await readFile(path), { walk: false })
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

export interface FrameSize {
  /** Pixels. */
  readonly width: number
  readonly height: number
}

export interface MasterRequest extends ReadImageRequest {
  readonly targetPath: string
  /** The frame that it will fill: finer detail is omitted. Default: that of the largest film. */
  readonly frame?: FrameSize
}

/**
 * Makes the picture for FFmpeg from one that `readImage` accepts: upright, sRGB, 8 bits, without transparency. It is a
 * JPEG of quality 95 without chroma subsampling: FFmpeg reads it three times faster than PNG, and it differs from a
 * PNG by less than the film's encoder does. The whole picture is read, so a damaged one is refused.
 */
export async function masterImage(request: MasterRequest): Promise<MasterImage | RefusedImage> {
  const { path, targetPath, frame = largestFrame } = request
  try {
    const source = await openSource(path)
    const size = masterSize(source.upright, frame, isTold(source.colour) ? 'held' : 'streamed')
    const upright = await toSrgbPicture(source, size)
    const { width, height } = await upright
      // White, as behind a picture on a page; on black, dark drawings would vanish.
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .jpeg({
        quality: 95,
        chromaSubsampling: '4:4:4',
        optimizeCoding: size.width * size.height <= mostOptimisedPixels,
      })
      .toFile(targetPath)
    return { kind: 'master', width, height }
  } catch (error) {
    if (isDiskFull(error)) throw error
    return damaged(error)
  }
}

/** The size of a master: smaller than the picture if the frame shows less, never larger. */
export function masterSize(
  { width, height }: FrameSize,
  frame: FrameSize = largestFrame,
  way: keyof typeof mostMasterPixels = 'streamed',
): FrameSize {
  const scale = Math.min(
    1,
    Math.max(frame.width / width, frame.height / height),
    Math.sqrt(mostMasterPixels[way] / (width * height)),
    mostMasterSide / Math.max(width, height),
  )
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

/** The input of a decoder, and the meaning of the numbers that it returns. */
interface Source {
  readonly input: SharpInput
  readonly options?: SharpOptions
  readonly upright: FrameSize
  readonly isDeep: boolean
  readonly isGrey: boolean
  readonly hasProfile: boolean
  /** Null: the profile's colours, or sRGB without a profile. */
  readonly colour: Colour | null
}

/** @throws {Error} If it is damaged in a way that the decoder would not report. */
async function openSource(path: string): Promise<Source> {
  const bytes = await readFile(path)
  const sniffed = sniff(bytes.subarray(0, headBytes))
  if (sniffed.kind === 'refused') throw new Error(sniffed.message)
  const { contentType } = sniffed
  if (contentType === 'image/heic') return heicSource(bytes)
  if (contentType === 'image/jpeg') {
    const { fault, hasEnd } = readJpeg(bytes, { walk: true })
    if (fault !== null) throw new Error(fault)
    // Complete except for its end marker, without which libvips considers it truncated.
    return decodable(hasEnd ? bytes : Buffer.concat([bytes, Buffer.from([0xff, 0xd9])]), null)
  }
  if (contentType === 'image/png') return decodable(bytes, readPngColour(bytes))
  return decodable(bytes, contentType === 'image/avif' ? readHeifColour(bytes).colour : null)
}

async function decodable(input: Buffer, colour: Colour | null): Promise<Source> {
  const { autoOrient, depth, space, icc, isProgressive, format } = await openImage(input).metadata()
  return {
    input,
    // `readJpeg` does not walk a progressive JPEG, so libjpeg must report damage, some of it only as a warning.
    ...(format === 'jpeg' && isProgressive && { options: { failOn: 'warning' as const } }),
    upright: autoOrient,
    isDeep: depth !== 'uchar',
    isGrey: space === 'grey16' || space === 'b-w',
    hasProfile: icc !== undefined,
    colour: colour ?? (icc ? readProfileColour(icc) : null),
  }
}

async function heicSource(bytes: Buffer): Promise<Source> {
  const { colour, profile, bits } = readHeifColour(bytes)
  // With a profile it is not HDR, so 8 bits are enough.
  const { data, width, height, channels } = decodeHeic(bytes, { isDeep: bits > 8 && profile === null })
  const raw = { width, height, channels }
  if (profile)
    return decodable(
      withProfile(await openImage(data, { raw }).png({ compressionLevel: 1 }).toBuffer(), profile),
      colour,
    )
  const isDeep = data.BYTES_PER_ELEMENT === 2
  const upright = { width, height }
  return { input: data, options: { raw }, upright, isDeep, isGrey: false, hasProfile: false, colour }
}

/** Adds an ICC profile to a PNG, for libvips to read: sharp itself would convert the pixels to it. */
function withProfile(png: Buffer, profile: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from('iCCPheic\0\0'), deflateSync(profile)])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(typed.length - 4)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(typed))
  // Directly after the header, which has 13 bytes.
  return Buffer.concat([png.subarray(0, 33), size, typed, sum, png.subarray(33)])
}

/** Whether numbers give colours other than sRGB. */
const isTold = (colour: Colour | null): colour is Colour => colour !== null && colour !== srgb

/** Upright, of this size, and in sRGB. */
async function toSrgbPicture(from: Source, { width, height }: FrameSize): Promise<Sharp> {
  const { input, options, colour, isDeep, hasProfile } = from
  const opened = (more: SharpOptions = {}): Sharp =>
    openImage(input, { ...options, ...more })
      .autoOrient()
      .resize(width, height, { fit: 'fill' })
  if (isTold(colour)) {
    const { data, info } = await opened({ ignoreIcc: true })
      .toColourspace(isDeep ? 'rgb16' : 'srgb')
      .raw({ depth: isDeep ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const pixels = isDeep ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data
    const made = toSrgb({ data: pixels, channels: info.channels }, colour)
    return openImage(made, { raw: { width, height, channels: info.channels } })
  }
  if (colour) return opened({ ignoreIcc: true })
  if (!isDeep || !hasProfile) return opened()
  // libvips does not read the profile of a grey picture with 16 bits.
  if (from.isGrey) return openImage(await opened().toColourspace('b-w').keepIccProfile().png().toBuffer())
  // sharp converts deep pictures to Display P3, and keeps that unless a profile is requested.
  return opened().withIccProfile('srgb', { attach: false })
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

/** Softer than any detail that a model could mistake for an object. */
const blurSigma = 24

export interface ShapeRequest extends ReadImageRequest {
  readonly targetPath: string
  readonly shape: ImageShape
}

/** Fits a master to the film's shape, for models that do not crop or scale. Writes a JPEG. */
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

function openImage(input: SharpInput, options?: SharpOptions): Sharp {
  return sharp(input, {
    failOn: 'error',
    sequentialRead: true,
    limitInputPixels: maxImagePixels,
    // Only the first frame of an animation.
    pages: 1,
    ...options,
  })
}

interface Header {
  readonly kind: 'header'
  readonly width: number
  readonly height: number
  readonly channels: number
  /** Bytes of a sample: 8 bits or more. */
  readonly depth: 1 | 2
  /** A progressive JPEG or an interlaced PNG: it can only be decoded as a whole. */
  readonly isProgressive: boolean
  readonly isTurned: boolean
}

async function readHeader(path: string, contentType: ImageContentType): Promise<Header | RefusedImage> {
  try {
    if (contentType === 'image/heic') {
      const bytes = await readFile(path)
      const { width, height, hasAlpha } = readHeicHeader(bytes)
      const depth = readHeifColour(bytes).bits > 8 ? 2 : 1
      return {
        kind: 'header',
        width,
        height,
        channels: hasAlpha ? 4 : 3,
        depth,
        isProgressive: false,
        isTurned: false,
      }
    }
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

/** Memory of a process that makes a master of 4096 x 4096, without that of the source. */
const masterBytes = 320 * 2 ** 20

/** Each scan takes 0.1 s at 100 megapixels; encoders write a dozen. */
const mostScans = 100

/** Most memory for decoding one picture. */
export const mostImageBytes = 2 ** 30

/**
 * Measured with 25 and 100 megapixels of each, HEIC with 12 and 48. JPEG and PNG are decoded line by line, unless they are
 * stored in several passes; WebP needs one frame; AVIF and HEIC need frames of the codec, of libheif and of libvips.
 */
function memoryFor(contentType: ImageContentType, header: Header): number {
  const { width, height, channels, depth, isProgressive, isTurned } = header
  const bytesAPixel = {
    'image/jpeg': isProgressive ? 2 * channels : 0.5,
    'image/png': isProgressive ? channels * depth : depth === 1 ? 0.5 : 2.5,
    'image/webp': 4,
    'image/avif': depth === 1 ? 16 : 24,
    'image/heic': depth === 1 ? 12 : 14,
  }[contentType]
  const decoding = width * height * (bytesAPixel + (isTurned ? 3 : 0))
  if (depth === 1) return masterBytes + decoding
  // It may be HDR: then the master's pixels are in memory, first as decoded, then as light and as sRGB.
  const held = masterSize({ width, height }, largestFrame, 'held')
  const pixels = held.width * held.height
  return masterBytes + Math.max(decoding + 8 * pixels, 36 * pixels)
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
  if (brands.some((brand) => /^(hei[cxms]|hev[cx])$/.test(brand)))
    return { kind: 'allowed', contentType: 'image/heic' }
  const allowed = 'JPEG, PNG, WebP, AVIF and HEIC are'
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

/** The name of a refused file's format, if known: "not a picture" would not help the sender of a TIFF. */
function nameOf(text: string, brands: readonly string[]): string | null {
  if (/^GIF8[79]a/.test(text)) return 'GIF'
  if (/^(II\*\0|MM\0\*)/.test(text)) return 'TIFF'
  const [major = ''] = brands
  const isVideo = /^(?:iso[m\d]|mp4\d|avc1|M4V |qt {2})$/.test(major)
  if (!isVideo && (brands.includes('mif1') || brands.includes('msf1')))
    return 'HEIF that is neither HEIC nor AVIF'
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
