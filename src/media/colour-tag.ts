/**
 * Reads colour information that libvips does not read: the chunks cICP, gAMA and cHRM of a PNG, the `colr` boxes of an AVIF
 * or HEIC, and the tag `cicp` of any ICC profile.
 */
import { type Colour, colourByGamma, colourOf, type Primaries } from './colour.ts'

export interface HeifColour {
  /** Null: the profile's colours, or sRGB without a profile. */
  readonly colour: Colour | null
  /** An ICC profile. */
  readonly profile: Buffer | null
  /** Bits of a sample; 8 if the file does not say. */
  readonly bits: number
}

const none: HeifColour = { colour: null, profile: null, bits: 8 }

/** Null: the profile's colours, or sRGB without a profile. `bytes`: the file from its first byte on. */
export function readPngColour(bytes: Buffer): Colour | null {
  let primaries: Primaries | null = null
  let gamma: number | null = null
  let hasProfile = false
  for (let at = 8; at + 12 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const type = bytes.toString('latin1', at + 4, at + 8)
    const body = bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at))
    if (type === 'IDAT') break
    if (type === 'cICP' && body.length >= 2) return colourOf(body[0]!, body[1]!)
    if (type === 'iCCP' || type === 'sRGB') hasProfile = true
    if (type === 'gAMA' && body.length >= 4 && body.readUInt32BE(0) > 0)
      gamma = 100_000 / body.readUInt32BE(0)
    if (type === 'cHRM' && body.length >= 32) {
      const value = (index: number): number => body.readUInt32BE(4 * index) / 100_000
      const [wx, wy, rx, ry, gx, gy, bx, by] = [0, 1, 2, 3, 4, 5, 6, 7].map(value)
      primaries = [rx!, ry!, gx!, gy!, bx!, by!, wx!, wy!]
    }
  }
  return hasProfile ? null : colourByGamma(primaries, gamma)
}

/** The CICP numbers of an ICC profile, if they name HDR: for other colours, its curves are more exact. */
export function readProfileColour(profile: Buffer): Colour | null {
  if (profile.length < 132) return null
  const tags = Math.min(profile.readUInt32BE(128), 100)
  for (let at = 132; at < 132 + 12 * tags && at + 12 <= profile.length; at += 12) {
    const start = profile.readUInt32BE(at + 4)
    if (profile.toString('latin1', at, at + 4) !== 'cicp' || start + 12 > profile.length) continue
    const transfer = profile[start + 9]!
    if (transfer === 16 || transfer === 18) return colourOf(profile[start + 8]!, transfer)
  }
  return null
}

/** The colours of an AVIF's or HEIC's primary picture. `bytes`: the beginning of the file, with its whole box `meta`. */
export function readHeifColour(bytes: Buffer): HeifColour {
  const meta = find(bytes, 'meta')?.subarray(4)
  const properties = meta && find(meta, 'iprp')
  const holders = properties && find(properties, 'ipco')
  const links = properties && find(properties, 'ipma')
  const primary = meta && find(meta, 'pitm')
  if (!holders || !links || !primary || primary.length < 6) return none
  const id = primary[0] === 0 ? primary.readUInt16BE(4) : primary.length < 8 ? 0 : primary.readUInt32BE(4)
  const all = [...boxes(holders)]
  let colour: Colour | null = null
  let profile: Buffer | null = null
  let { bits } = none
  let sequence: Buffer | null = null
  for (const index of linked(links, id)) {
    const found = all[index - 1]
    if (found?.type === 'av1C') sequence = found.body.subarray(4)
    if (found?.type === 'pixi' && found.body.length >= 6) bits = found.body[5]!
    if (found?.type !== 'colr' || found.body.length < 4) continue
    const kind = found.body.toString('latin1', 0, 4)
    if (kind === 'nclx' && found.body.length >= 8)
      colour = colourOf(found.body.readUInt16BE(4), found.body.readUInt16BE(6))
    if (kind === 'prof' || kind === 'rICC') profile = found.body.subarray(4)
  }
  // If no box gives the colours, the codec's header may.
  if (sequence && !colour && !profile)
    colour = sequenceColour(sequence) ?? sequenceColour(itemData(bytes, find(meta, 'iloc'), id))
  // A profile takes precedence over numbers, unless these name HDR.
  const isHdr = colour?.transfer.kind === 'pq' || colour?.transfer.kind === 'hlg'
  if (profile && !isHdr) return { colour: null, profile, bits }
  return { colour, profile: null, bits }
}

interface Box {
  readonly type: string
  readonly body: Buffer
}

function* boxes(bytes: Buffer): Generator<Box> {
  for (let at = 0; at + 8 <= bytes.length;) {
    const size = bytes.readUInt32BE(at)
    const head = size === 1 ? 16 : 8
    if (at + head > bytes.length) return
    const length = size === 0 ? bytes.length - at : size === 1 ? Number(bytes.readBigUInt64BE(at + 8)) : size
    if (length < head) return
    yield { type: bytes.toString('latin1', at + 4, at + 8), body: bytes.subarray(at + head, at + length) }
    at += length
  }
}

const find = (bytes: Buffer, wanted: string): Buffer | undefined => {
  for (const { type, body } of boxes(bytes)) if (type === wanted) return body
  return undefined
}

/** The 1-based indices of an item's properties. */
function linked(links: Buffer, id: number): number[] {
  if (links.length < 8) return []
  const wideIds = links[0]! > 0
  const wideLinks = (links[3]! & 1) === 1
  let at = 8
  for (let left = links.readUInt32BE(4); left > 0; left--) {
    if (at + (wideIds ? 5 : 3) > links.length) return []
    const item = wideIds ? links.readUInt32BE(at) : links.readUInt16BE(at)
    at += wideIds ? 4 : 2
    const count = links[at++]!
    const size = wideLinks ? 2 : 1
    if (at + count * size > links.length) return []
    const found = Array.from({ length: count }, (_, index) =>
      wideLinks ? links.readUInt16BE(at + 2 * index) & 0x7fff : links[at + index]! & 0x7f,
    )
    if (item === id) return found
    at += count * size
  }
  return []
}

/** The first bytes of an item that is stored in the file itself, from its first extent. */
function itemData(bytes: Buffer, places: Buffer | undefined, id: number): Buffer {
  const nothing = Buffer.alloc(0)
  if (!places || places.length < 8) return nothing
  const version = places[0]!
  const field = byteReader(places.subarray(4))
  const [offsetSize, lengthSize] = halves(field(1))
  const [baseSize, indexSize] = halves(field(1))
  for (let left = field(version < 2 ? 2 : 4); left > 0 && !field.isOver(); left--) {
    const item = field(version < 2 ? 2 : 4)
    const isElsewhere = version > 0 && (field(2) & 15) !== 0
    field(2)
    const base = field(baseSize)
    const extents = field(2)
    for (let extent = 0; extent < extents && !field.isOver(); extent++) {
      if (version > 0) field(indexSize)
      const start = base + field(offsetSize)
      field(lengthSize)
      if (item === id) return isElsewhere ? nothing : bytes.subarray(start, start + 64)
    }
  }
  return nothing
}

const halves = (byte: number): [number, number] => [byte >> 4, byte & 15]

/** Reads successive big-endian numbers of `size` bytes; zeros after the end. */
function byteReader(bytes: Buffer): ((size: number) => number) & { readonly isOver: () => boolean } {
  let at = 0
  const read = (size: number): number => {
    let value = 0
    for (let left = size; left > 0; left--) value = value * 256 + (bytes[at++] ?? 0)
    return value
  }
  return Object.assign(read, { isOver: () => at >= bytes.length })
}

/** The colours in an AV1 sequence header; null if it gives none, or is of a kind that still pictures do not have. */
function sequenceColour(units: Buffer): Colour | null {
  // An empty temporal delimiter may precede the header.
  const bit = bitReader(units[0] === 0x12 ? units.subarray(2) : units)
  bit(1)
  if (bit(4) !== 1) return null
  const hasExtension = bit(1)
  const hasSize = bit(1)
  bit(1)
  if (hasExtension) bit(8)
  if (hasSize) while (bit(1)) bit(7)
  if (hasSize) bit(7)
  const profile = bit(3)
  bit(1)
  // Only the short form for still pictures is read.
  if (bit(1) === 0) return null
  bit(5)
  const widthBits = bit(4) + 1
  const heightBits = bit(4) + 1
  bit(widthBits)
  bit(heightBits)
  // Superblocks, filters: 3; superres, cdef, restoration: 3.
  bit(6)
  const isDeep = bit(1)
  if (profile === 2 && isDeep) bit(1)
  if (profile !== 1) bit(1)
  if (bit(1) === 0) return null
  const primaries = bit(8)
  return colourOf(primaries, bit(8))
}

/** Reads successive numbers of `count` bits; zeros after the end. */
function bitReader(bytes: Buffer): (count: number) => number {
  let at = 0
  return (count) => {
    let value = 0
    for (let left = count; left > 0; left--, at++)
      value = value * 2 + (((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1)
    return value
  }
}
