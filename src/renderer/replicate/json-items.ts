/**
 * Streams a long list in JSON from outside. Each item is passed on once it is complete and then dropped, so that memory
 * stays bounded. Everything around the list is kept.
 */
import { type JsonBounds, JsonBoundError, createJsonReader } from '../../json-reader.ts'

export interface JsonItemsOptions {
  /** The member of the outermost object that holds the list of items, which are objects. */
  readonly member: string
  /** For each item, and for everything around them. */
  readonly bounds: JsonBounds
  readonly mostItems: number
  readonly onItem: (item: unknown) => void
}

export interface JsonItems {
  /** @throws {JsonBoundError | SyntaxError} as soon as a bound is exceeded or an item is not JSON. */
  write(chunk: Uint8Array): void
  /** The outermost object, with a 0 in place of each item. @throws {SyntaxError} if it is not JSON */
  end(): unknown
}

const [quote, backslash] = [0x22, 0x5c]
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]
/** Nesting levels of the outermost object and of the list. */
const [objectLevel, listLevel] = [1, 2]
const placeholder = Buffer.from('0')

const parsed = (reader: ReturnType<typeof createJsonReader>): unknown => JSON.parse(reader.bytes().toString())

export function createJsonItems({ member, bounds, mostItems, onItem }: JsonItemsOptions): JsonItems {
  const around = createJsonReader(bounds)
  const wanted = Buffer.from(member)
  let item: ReturnType<typeof createJsonReader> | undefined
  let items = 0
  let depth = 0
  let inText = false
  let isEscaped = false
  let isListed = false
  /** Matched length of the member's name in the last string of the outermost object; -1: no match. */
  let matched = -1

  return {
    write(chunk) {
      let from = 0
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at]!
        if (inText) {
          if (isEscaped) isEscaped = false
          else if (byte === backslash) isEscaped = true
          else if (byte === quote) {
            inText = false
            continue
          }
          if (depth === objectLevel && matched >= 0) matched = byte === wanted[matched] ? matched + 1 : -1
          continue
        }
        if (byte === quote) {
          inText = true
          if (depth === objectLevel) matched = 0
        } else if (byte === openList) {
          isListed ||= depth === objectLevel && matched === wanted.length
          depth++
        } else if (byte === openObject) {
          if (isListed && depth === listLevel) {
            if (++items > mostItems) throw new JsonBoundError(`must list at most ${mostItems} items`)
            around.write(chunk.subarray(from, at))
            around.write(placeholder)
            item = createJsonReader(bounds)
            from = at
          }
          depth++
        } else if (byte === closeList) {
          depth--
          if (depth === objectLevel) isListed = false
        } else if (byte === closeObject) {
          depth--
          if (item && depth === listLevel) {
            item.write(chunk.subarray(from, at + 1))
            const whole = parsed(item)
            item = undefined
            from = at + 1
            onItem(whole)
          }
        }
      }
      ;(item ?? around).write(chunk.subarray(from))
    },
    end: () => parsed(around),
  }
}
