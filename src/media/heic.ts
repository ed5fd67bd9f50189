/** Decodes HEIC, which sharp's libheif omits, with libheif as WebAssembly: a parser that cannot reach this process. */
import { createRequire } from 'node:module'

/** The part of the package that is used; the package has no types. */
interface Heif {
  heif_context_alloc(): object
  heif_context_free(context: object): void
  heif_context_read_from_memory(context: object, bytes: Uint8Array): Outcome
  heif_js_context_get_primary_image_handle(context: object): object & Partial<Outcome>
  heif_image_handle_get_width(handle: object): number
  heif_image_handle_get_height(handle: object): number
  heif_image_handle_has_alpha_channel(handle: object): number
  heif_image_handle_release(handle: object): void
  heif_image_release(image: object): void
  heif_js_decode_image2(handle: object, space: unknown, chroma: unknown): Decoded & Partial<Outcome>
  readonly heif_error_code: { readonly heif_error_Ok: unknown }
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown }
  readonly heif_chroma: Readonly<Record<string, unknown>>
}

interface Outcome {
  readonly code: unknown
  readonly message: string
}

interface Decoded {
  readonly image: object
  readonly channels: readonly {
    readonly width: number
    readonly height: number
    /** Bytes from one line to the next. */
    readonly stride: number
    readonly bits_per_pixel: number
    readonly data: Uint8Array
  }[]
}

export interface HeicHeader {
  /** Pixels, as a viewer sees them: the decoder applies the file's rotation. */
  readonly width: number
  readonly height: number
  readonly hasAlpha: boolean
}

export interface HeicPixels extends HeicHeader {
  readonly channels: 3 | 4
  /** Red, green, blue and, with 4 channels, alpha: samples of 8 bits, or of 16 if deep. */
  readonly data: Uint8Array | Uint16Array
}

let loaded: Heif | undefined

const load = (): Heif => {
  const require = createRequire(import.meta.url)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (loaded ??= require('libheif-js/wasm-bundle.js') as Heif)
}

export const readHeicHeader = (bytes: Uint8Array): HeicHeader => withPrimary(bytes, (_heif, header) => header)

/** `isDeep`: with samples of 16 bits. */
export const decodeHeic = (bytes: Uint8Array, { isDeep }: { readonly isDeep: boolean }): HeicPixels =>
  withPrimary(bytes, (heif, header, handle) => {
    const layout = header.hasAlpha ? { 1: 'RGBA', 2: 'RRGGBBAA_LE' } : { 1: 'RGB', 2: 'RRGGBB_LE' }
    const chroma = heif.heif_chroma[`heif_chroma_interleaved_${layout[isDeep ? 2 : 1]}`]
    const decoded = heif.heif_js_decode_image2(handle, heif.heif_colorspace.heif_colorspace_RGB, chroma)
    const [plane] = decoded.channels ?? []
    if (!plane) throw refused(decoded.message)
    try {
      const channels = header.hasAlpha ? 4 : 3
      const { width, height } = plane
      const line = width * channels * (isDeep ? 2 : 1)
      const data = new Uint8Array(line * height)
      for (let y = 0; y < height; y++)
        data.set(plane.data.subarray(y * plane.stride, y * plane.stride + line), y * line)
      if (!isDeep) return { ...header, width, height, channels, data }
      const bits = plane.bits_per_pixel
      const deep = new Uint16Array(data.buffer)
      for (let at = 0; at < deep.length; at++)
        deep[at] = (deep[at]! << (16 - bits)) | (deep[at]! >> (2 * bits - 16))
      return { ...header, width, height, channels, data: deep }
    } finally {
      heif.heif_image_release(decoded.image)
    }
  })

/** Some kinds of HEIC are not supported: a program that opens one can save it as a JPEG. */
const refused = (words = 'nothing was decoded'): Error =>
  new Error(`HEIC: ${words}; if it opens elsewhere, save it as a JPEG there`)

/** @throws {Error} With libheif's message, if it cannot be read. */
function withPrimary<Found>(
  bytes: Uint8Array,
  use: (heif: Heif, header: HeicHeader, handle: object) => Found,
): Found {
  const heif = load()
  const context = heif.heif_context_alloc()
  try {
    const read = heif.heif_context_read_from_memory(context, bytes)
    if (read.code !== heif.heif_error_code.heif_error_Ok) throw refused(read.message)
    const handle = heif.heif_js_context_get_primary_image_handle(context)
    if (handle.code !== undefined) throw refused(handle.message)
    try {
      const header = {
        width: heif.heif_image_handle_get_width(handle),
        height: heif.heif_image_handle_get_height(handle),
        hasAlpha: Boolean(heif.heif_image_handle_has_alpha_channel(handle)),
      }
      return use(heif, header, handle)
    } finally {
      heif.heif_image_handle_release(handle)
    }
  } finally {
    heif.heif_context_free(context)
  }
}
