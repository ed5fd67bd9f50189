/** What a file is by its first bytes: names and content types of strangers are not believed. Pure. */

/** Containers of moving pictures that FFmpeg opens without following a reference to another file. */
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
  /** As it is said to people: `WebM or Matroska`, `web page`. */
  readonly name: string
  readonly contentType: string
  readonly extension: string
  /** Undefined: there are no moving pictures in such a file. */
  readonly container?: Container
}

/** So many bytes tell the kind. */
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
const animatedWebp = kind('animated WebP', 'image/webp', 'webp', 'webp')
const webpPicture = kind('WebP picture', 'image/webp', 'webp')
const transportStream = kind('MPEG transport stream', 'video/mp2t', 'ts', 'mpegts')
const webPage = kind('web page', 'text/html', 'html')
const json = kind('JSON', 'application/json', 'json')
const plainText = kind('text', 'text/plain', 'txt')

/** Signatures at the beginning of a file, as text of one character for each byte. */
const beginnings: readonly (readonly [RegExp, FileKind])[] = [
  [/^GIF8[79]a/, kind('GIF', 'image/gif', 'gif', 'gif')],
  [/^RIFF[^]{4}AVI /, kind('AVI', 'video/x-msvideo', 'avi', 'avi')],
  [/^RIFF[^]{4}WAVE/, kind('WAVE sound', 'audio/wav', 'wav')],
  [/^\x89PNG\r\n\x1a\n[^]*?acTL/, kind('animated PNG', 'image/apng', 'png', 'apng')],
  [/^\x89PNG\r\n\x1a\n/, kind('PNG picture', 'image/png', 'png')],
  [/^\xff\xd8\xff/, kind('JPEG picture', 'image/jpeg', 'jpg')],
  [/^FLV\x01/, kind('Flash video', 'video/x-flv', 'flv', 'flv')],
  [/^OggS/, kind('Ogg', 'video/ogg', 'ogv', 'ogg')],
  [/^\x30\x26\xb2\x75\x8e\x66\xcf\x11/, kind('Windows Media', 'video/x-ms-wmv', 'wmv', 'asf')],
  [/^\x00\x00\x01\xba/, kind('MPEG program stream', 'video/mpeg', 'mpg', 'mpegps')],
  [/^\x06\x0e\x2b\x34\x02\x05\x01\x01/, kind('MXF', 'application/mxf', 'mxf', 'mxf')],
  [/^DKIF/, kind('IVF', 'video/x-ivf', 'ivf', 'ivf')],
  [/^nut\/multimedia container/, kind('NUT', 'video/x-nut', 'nut', 'nut')],
  [/^(?:ID3|\xff[\xfb\xf3\xf2])/, kind('MP3 sound', 'audio/mpeg', 'mp3')],
  [/^\x1f\x8b/, kind('gzip archive', 'application/gzip', 'gz')],
  [/^PK\x03\x04/, kind('ZIP archive', 'application/zip', 'zip')],
  [/^%PDF-/, kind('PDF', 'application/pdf', 'pdf')],
  [/^#EXTM3U/, kind('playlist', 'application/vnd.apple.mpegurl', 'm3u8')],
]

/** Undefined where the bytes are of no kind that is known here. */
export function fileKindOf(head: Uint8Array): FileKind | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, headBytes)).toString('latin1')
  if (/^RIFF[^]{4}WEBP/.test(text)) return isAnimatedWebp(head) ? animatedWebp : webpPicture
  const begun = beginnings.find(([signature]) => signature.test(text))
  if (begun) return begun[1]
  if (text.startsWith('\x1a\x45\xdf\xa3')) return text.includes('webm') ? webm : matroska
  if (/^[^]{4}(?:ftyp|moov|mdat|free|skip|wide|pnot|styp|moof|sidx|uuid)/.test(text)) return isoKind(text)
  if (isTransportStream(text)) return transportStream
  return isText(text) ? textKind(text) : undefined
}

/** By the flags in its extended header. */
const isAnimatedWebp = (head: Uint8Array): boolean =>
  Buffer.from(head.subarray(12, 16)).toString('latin1') === 'VP8X' && ((head[20] ?? 0) & 2) !== 0

const pictureBrands: ReadonlyMap<string, FileKind> = new Map(
  ['avif', 'heic', 'heix', 'mif1'].map((brand) => [
    brand,
    brand === 'avif'
      ? kind('AVIF picture', 'image/avif', 'avif')
      : kind('HEIF picture', 'image/heic', 'heic'),
  ]),
)

function isoKind(text: string): FileKind {
  if (text.slice(4, 8) !== 'ftyp') return /^[^]{4}(?:wide|pnot|mdat|moov)/.test(text) ? quickTime : mp4
  const brand = text.slice(8, 12)
  if (brand === 'qt  ') return quickTime
  return pictureBrands.get(brand) ?? mp4
}

/** Packets of 188 bytes, or of 192 with a time in front, each of which begins alike. */
function isTransportStream(text: string): boolean {
  return [
    [188, 0],
    [192, 4],
  ].some(([size, at]) => [0, 1, 2].every((packet) => text[at! + packet * size!] === 'G'))
}

// oxlint-disable-next-line no-control-regex -- what a text has none of
const isText = (text: string): boolean => text !== '' && !/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text)

function textKind(text: string): FileKind {
  if (/^(?:\xef\xbb\xbf)?\s*(?:<!--[^]*?-->\s*)*<(?:!doctype html|html|head|body|\?xml[^]*<html)/i.test(text))
    return webPage
  return /^(?:\xef\xbb\xbf)?\s*[[{]/.test(text) ? json : plainText
}

/** `a` or `an`, and the name. */
export const spokenKind = ({ name }: FileKind): string =>
  `${/^[aeiou]|^(?:MP|MX|HE)/i.test(name) ? 'an' : 'a'} ${name}`
