/** Detects the type of a file from its first bytes, because names and content types from outside prove nothing. Pure. */

/** Video containers that FFmpeg opens without following references to other files. */
export type Container =
  | 'mp4'
  | 'matroska'
  | 'avi'
  | 'mpegts'
  | 'mpegps'
  | 'gif'
  | 'webp'
  | 'apng'
  | 'flv'
  | 'ogg'
  | 'asf'
  | 'mxf'
  | 'ivf'
  | 'nut'

export interface FileKind {
  /** Name for people: `WebM or Matroska`, `web page`. */
  readonly name: string
  readonly contentType: string
  readonly extension: string
  /** Undefined if such a file holds no video. */
  readonly container?: Container
}

/** Number of leading bytes that suffice to detect the type. */
export const headBytes = 4096

const kind = (name: string, contentType: string, extension: string, container?: Container): FileKind => ({
  name,
  contentType,
  extension,
  ...(container && { container }),
})

const webm = kind('WebM', 'video/webm', 'webm', 'matroska')
const matroska = kind('Matroska', 'video/x-matroska', 'mkv', 'matroska')
const mp4 = kind('MP4', 'video/mp4', 'mp4', 'mp4')
const quickTime = kind('QuickTime', 'video/quicktime', 'mov', 'mp4')
const avi = kind('AVI', 'video/x-msvideo', 'avi', 'avi')
const wave = kind('WAVE sound', 'audio/wav', 'wav')
const pngPicture = kind('PNG picture', 'image/png', 'png')
const animatedPng = kind('animated PNG', 'image/apng', 'png', 'apng')
const animatedWebp = kind('animated WebP', 'image/webp', 'webp', 'webp')
const webpPicture = kind('WebP picture', 'image/webp', 'webp')
const transportStream = kind('MPEG transport stream', 'video/mp2t', 'ts', 'mpegts')
const webPage = kind('web page', 'text/html', 'html')
const json = kind('JSON', 'application/json', 'json')
const plainText = kind('text', 'text/plain', 'txt')

/** Leading bytes of each type, in Latin-1; in hexadecimal if they are not printable. */
const beginnings: readonly (readonly [string | { readonly hex: string }, FileKind])[] = [
  ['GIF87a', kind('GIF', 'image/gif', 'gif', 'gif')],
  ['GIF89a', kind('GIF', 'image/gif', 'gif', 'gif')],
  [{ hex: 'ffd8ff' }, kind('JPEG picture', 'image/jpeg', 'jpg')],
  ['FLV', kind('Flash video', 'video/x-flv', 'flv', 'flv')],
  ['OggS', kind('Ogg', 'video/ogg', 'ogv', 'ogg')],
  [{ hex: '3026b2758e66cf11' }, kind('Windows Media', 'video/x-ms-wmv', 'wmv', 'asf')],
  [{ hex: '000001ba' }, kind('MPEG program stream', 'video/mpeg', 'mpg', 'mpegps')],
  [{ hex: '060e2b34' }, kind('MXF', 'application/mxf', 'mxf', 'mxf')],
  ['DKIF', kind('IVF', 'video/x-ivf', 'ivf', 'ivf')],
  ['nut/multimedia container', kind('NUT', 'video/x-nut', 'nut', 'nut')],
  ['ID3', kind('MP3 sound', 'audio/mpeg', 'mp3')],
  [{ hex: 'fffb' }, kind('MP3 sound', 'audio/mpeg', 'mp3')],
  [{ hex: '1f8b' }, kind('gzip archive', 'application/gzip', 'gz')],
  [{ hex: '504b0304' }, kind('ZIP archive', 'application/zip', 'zip')],
  ['%PDF-', kind('PDF', 'application/pdf', 'pdf')],
  ['#EXTM3U', kind('playlist', 'application/vnd.apple.mpegurl', 'm3u8')],
]

const begins = (text: string, beginning: string | { readonly hex: string }): boolean =>
  text.startsWith(
    typeof beginning === 'string' ? beginning : Buffer.from(beginning.hex, 'hex').toString('latin1'),
  )

/** Undefined if the type is unknown. */
export function fileKindOf(head: Uint8Array): FileKind | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, headBytes)).toString('latin1')
  const begun = beginnings.find(([beginning]) => begins(text, beginning))
  if (begun) return begun[1]
  if (text.startsWith('RIFF')) return riffKind(text)
  if (begins(text, { hex: '89504e470d0a1a0a' })) return text.includes('acTL') ? animatedPng : pngPicture
  if (begins(text, { hex: '1a45dfa3' })) return text.includes('webm') ? webm : matroska
  if (/^[^]{4}(?:ftyp|moov|mdat|free|skip|wide|pnot|styp|moof|sidx|uuid)/.test(text)) return isoKind(text)
  if (isTransportStream(text)) return transportStream
  return isText(text) ? textKind(text) : undefined
}

function riffKind(text: string): FileKind | undefined {
  const form = text.slice(8, 12)
  if (form === 'AVI ') return avi
  if (form === 'WAVE') return wave
  if (form !== 'WEBP') return undefined
  // The extended header has a flag for animation.
  return text.slice(12, 16) === 'VP8X' && (text.charCodeAt(20) & 2) !== 0 ? animatedWebp : webpPicture
}

const avifPicture = kind('AVIF picture', 'image/avif', 'avif')
const animatedAvif = kind('animated AVIF', 'image/avif', 'avif')
const heifPicture = kind('HEIF picture', 'image/heic', 'heic')
const mpeg4Sound = kind('MPEG-4 sound', 'audio/mp4', 'm4a')

/** Brands of files that share the structure of MP4 but are other types. */
const brands: ReadonlyMap<string, FileKind> = new Map([
  ['avif', avifPicture],
  ['avis', animatedAvif],
  ['heic', heifPicture],
  ['heix', heifPicture],
  ['mif1', heifPicture],
  ['M4A ', mpeg4Sound],
  ['M4B ', mpeg4Sound],
  ['F4A ', mpeg4Sound],
  ['F4B ', mpeg4Sound],
])

function isoKind(text: string): FileKind {
  if (text.slice(4, 8) !== 'ftyp') return /^[^]{4}(?:wide|pnot|mdat|moov)/.test(text) ? quickTime : mp4
  const brand = text.slice(8, 12)
  if (brand === 'qt  ') return quickTime
  return brands.get(brand) ?? mp4
}

/** Packets of 188 bytes, or of 192 with a timestamp first, each with the same sync byte. */
function isTransportStream(text: string): boolean {
  return [
    [188, 0],
    [192, 4],
  ].some(([size, at]) => [0, 1, 2].every((packet) => text[at! + packet * size!] === 'G'))
}

// oxlint-disable-next-line no-control-regex -- text contains none of these
const isText = (text: string): boolean => text !== '' && !/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text)

function textKind(text: string): FileKind {
  if (/^(?:\xef\xbb\xbf)?\s*(?:<!--[^]*?-->\s*)*<(?:!doctype html|html|head|body|\?xml[^]*<html)/i.test(text))
    return webPage
  return /^(?:\xef\xbb\xbf)?\s*[[{]/.test(text) ? json : plainText
}

/** `a` or `an`, and the name. */
export const spokenKind = ({ name }: FileKind): string =>
  `${/^[aeiou]|^(?:MP|MX|HE)/i.test(name) ? 'an' : 'a'} ${name}`
