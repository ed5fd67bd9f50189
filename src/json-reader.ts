/**
 * Checks incoming JSON while it streams: its depth, its number of values and the length of its strings are bounded before
 * `JSON.parse`. A limit of bytes alone would not bound the cost of parsing, or of patterns run on the strings.
 */

export interface JsonBounds {
  /** Levels of arrays and objects. */
  readonly depth?: number
  /** Values in total, in arrays and objects. */
  readonly values: number
  /** Bytes kept of each string; longer ones are truncated. Default: no limit. */
  readonly textBytes?: number
  /** Bytes kept in total. */
  readonly keptBytes?: number
}

export class JsonBoundError extends Error {
  override readonly name = 'JsonBoundError'
}

export interface JsonReader {
  /** @throws {JsonBoundError} as soon as a bound is passed. */
  write(chunk: Uint8Array): void
  /** The kept JSON. */
  bytes(): Buffer
}

const [quote, backslash, letterU, comma] = [0x22, 0x5c, 0x75, 0x2c]
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]
const hexDigits = 4

/** A continuation byte of UTF-8. */
const isInside = (byte: number): boolean => (byte & 0xc0) === 0x80

export function createJsonReader(bounds: JsonBounds): JsonReader {
  const {
    depth: mostDepth = Infinity,
    values: mostValues,
    textBytes = Infinity,
    keptBytes = Infinity,
  } = bounds
  const kept: Buffer[] = []
  let keptSize = 0
  let depth = 0
  let values = 1
  let inText = false
  let textSize = 0
  let isLeftOut = false
  /** Bytes left of an escape, and whether the next byte is its kind. */
  let escaped = 0
  let isEscapeHead = false

  const keep = (part: Uint8Array): void => {
    if (part.length === 0) return
    keptSize += part.length
    if (keptSize > keptBytes)
      throw new JsonBoundError(`must have at most ${keptBytes} bytes without its long strings`)
    // A copy: a view would keep the whole chunk in memory.
    kept.push(
      Number.isFinite(textBytes) ? Buffer.from(part) : Buffer.from(part.buffer, part.byteOffset, part.length),
    )
  }

  return {
    write(chunk) {
      let from = 0
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at]!
        if (!inText) {
          if (byte === quote) {
            inText = true
            textSize = 0
          } else if (byte === openList || byte === openObject) {
            values++
            if (++depth > mostDepth)
              throw new JsonBoundError(`must not be nested deeper than ${mostDepth} levels`)
          } else if (byte === closeList || byte === closeObject) depth--
          else if (byte === comma) values++
          if (values > mostValues) throw new JsonBoundError(`must hold at most ${mostValues} values`)
          continue
        }
        if (escaped > 0) {
          escaped = isEscapeHead && byte === letterU ? hexDigits : escaped - 1
          isEscapeHead = false
        } else if (byte === quote) {
          inText = false
          if (isLeftOut) from = at
          isLeftOut = false
        } else {
          if (textSize >= textBytes && !isLeftOut && !isInside(byte)) {
            keep(chunk.subarray(from, at))
            isLeftOut = true
          }
          if (byte === backslash) {
            escaped = 1
            isEscapeHead = true
          }
        }
        textSize++
      }
      if (!isLeftOut) keep(chunk.subarray(from))
    },
    bytes: () => Buffer.concat(kept),
  }
}
