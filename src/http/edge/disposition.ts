/** A file's name for a browser's save dialog, by RFC 6266 with RFC 8187, for any film title. */

const longestNameBytes = 180

// Refused by one file system or another, or a trick on the reader (bidirectional overrides).
// oxlint-disable-next-line no-control-regex
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069"*/:<>?\\|]+/g

/** `inline`, named `<name>.<extension>`. `fallback` replaces a name of which nothing is left. */
export const inlineNamed = (name: string, fallback: string, extension: string): string =>
  `inline; ${fileNamed(name, fallback, extension)}`

/** The same for files that no browser should show. */
export const attachmentNamed = (name: string, fallback: string, extension: string): string =>
  `attachment; ${fileNamed(name, fallback, extension)}`

function fileNamed(name: string, fallback: string, extension: string): string {
  const safe = shortened(
    name
      .toWellFormed()
      .replace(unsafe, ' ')
      .replace(/\s+/g, ' ')
      .trim()
      .replace(/^[\s.]+|[\s.]+$/g, ''),
  )
  const full = `${safe || fallback}.${extension}`
  const ascii = full
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\x20-\x7e]+/g, '_')
    .replaceAll('%', '_')
  return full === ascii ? `filename="${full}"` : `filename="${ascii}"; filename*=UTF-8''${extended(full)}`
}

/** encodeURIComponent leaves four characters that RFC 8187 requires encoded. */
const extended = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

function shortened(name: string): string {
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(name)) {
    if (Buffer.byteLength(kept + segment) > longestNameBytes) break
    kept += segment
  }
  return kept.trim()
}
