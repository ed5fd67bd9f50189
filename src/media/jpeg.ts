/**
 * Walks a JPEG by its markers, and a baseline one through each of its coefficients. libjpeg accepts a picture whose data
 * was overwritten inside: only the count of blocks reveals it, because they end too early or too late.
 */

export interface JpegFacts {
  readonly scans: number
  /** Whether it has its end marker. */
  readonly hasEnd: boolean
  /** What is wrong with it; null if no fault was found. */
  readonly fault: string | null
}

interface Component {
  readonly id: number
  readonly across: number
  readonly down: number
}

interface Frame {
  readonly isBaseline: boolean
  readonly isProgressive: boolean
  readonly width: number
  readonly height: number
  readonly components: readonly Component[]
}

/** Indexed by the next 16 bits: the code's length in the upper byte, its symbol in the lower one; 0 if no code matches. */
type Codes = Uint16Array

class Damage extends Error {}

const tooEarly = 'its data ends too early'

/** `walk`: whether to go through the coefficients, which takes a second for 30 MB. */
export function readJpeg(bytes: Buffer, { walk }: { readonly walk: boolean }): JpegFacts {
  const tables = new Map<number, Codes>()
  /** For a progressive picture: the lowest bit that a scan provided, by component and coefficient. */
  const bits = new Map<number, Uint8Array>()
  let frame: Frame | null = null
  let interval = 0
  let scans = 0
  try {
    for (let at = bytes.indexOf(0xff, 2); at !== -1 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
      const marker = bytes[at + 1]!
      if (marker === 0xd9) return { scans, hasEnd: true, fault: null }
      // Stuffed bytes, restarts and a second start have no length; a marker may have more than one 0xff before it.
      if (marker < 0xc0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8)) {
        at += marker === 0xff ? 1 : 2
        continue
      }
      if (at + 4 > bytes.length) break
      const end = at + 2 + bytes.readUInt16BE(at + 2)
      const body = bytes.subarray(at + 4, end)
      if (marker === 0xc4) readCodes(body, tables)
      else if (marker === 0xdd && body.length >= 2) interval = body.readUInt16BE(0)
      else if (isFrame(marker)) frame = readFrame(marker, body)
      else if (marker === 0xda) {
        scans++
        if (frame?.isProgressive) noteScan(body, bits)
        if (walk && frame?.isBaseline) {
          at = walkScan(bytes, end, body, frame, tables, interval)
          continue
        }
      }
      at = end
    }
    if (scans === 0) return { scans, hasEnd: false, fault: 'it ends before its picture' }
    return { scans, hasEnd: false, fault: frame?.isProgressive ? missingBits(frame, bits) : null }
  } catch (error) {
    if (error instanceof Damage) return { scans, hasEnd: false, fault: error.message }
    throw error
  }
}

const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

/** Null if it is truncated: the decoder reports that. */
function readFrame(marker: number, body: Buffer): Frame | null {
  if (body.length < 6 || body.length < 6 + 3 * body[5]!) return null
  const components = Array.from({ length: body[5]! }, (_, index) => {
    const at = 6 + 3 * index
    return { id: body[at]!, across: body[at + 1]! >> 4, down: body[at + 1]! & 15 }
  })
  if (components.some(({ across, down }) => across === 0 || down === 0 || across > 4 || down > 4)) return null
  return {
    isBaseline: marker === 0xc0 || marker === 0xc1,
    isProgressive: marker === 0xc2,
    height: body.readUInt16BE(1),
    width: body.readUInt16BE(3),
    components,
  }
}

function readCodes(body: Buffer, tables: Map<number, Codes>): void {
  for (let at = 0; at + 17 <= body.length;) {
    const name = body[at]!
    const codes = new Uint16Array(1 << 16)
    let code = 0
    let symbol = at + 17
    for (let length = 1; length <= 16; length++, code <<= 1) {
      for (let left = body[at + length]!; left > 0; left--, code++) {
        if (symbol >= body.length || code >= 1 << length) throw new Damage('a table of codes is damaged')
        const first = code << (16 - length)
        codes.fill((length << 8) | body[symbol++]!, first, first + (1 << (16 - length)))
      }
    }
    tables.set(name, codes)
    at = symbol
  }
}

/** Walks through one scan; returns the index of the next marker. */
function walkScan(
  bytes: Buffer,
  start: number,
  header: Buffer,
  frame: Frame,
  tables: ReadonlyMap<number, Codes>,
  interval: number,
): number {
  const count = header[0] ?? 0
  const parts = Array.from({ length: count }, (_, index) => {
    const component = frame.components.find(({ id }) => id === header[1 + 2 * index])
    const names = header[2 + 2 * index] ?? 0
    const dc = tables.get(names >> 4)
    const ac = tables.get(0x10 | (names & 15))
    if (!component || !dc || !ac) throw new Damage('a scan names what is not there')
    return { component, dc, ac }
  })
  const most = {
    across: Math.max(...frame.components.map(({ across }) => across)),
    down: Math.max(...frame.components.map(({ down }) => down)),
  }
  const [only] = parts
  const isAlone = parts.length === 1 && only !== undefined
  // A scan of one component holds only its own blocks, without those that pad the last group.
  const share = isAlone
    ? { across: most.across / only.component.across, down: most.down / only.component.down }
    : { across: 1, down: 1 }
  const side = isAlone ? { across: 1, down: 1 } : most
  const units =
    Math.ceil(frame.width / share.across / (8 * side.across)) *
    Math.ceil(frame.height / share.down / (8 * side.down))
  const blocks = parts.flatMap(({ component, dc, ac }) =>
    Array.from({ length: isAlone ? 1 : component.across * component.down }, () => ({ dc, ac })),
  )

  let at = start
  let restart = 0
  for (let left = units; left > 0;) {
    const length = interval === 0 ? left : Math.min(interval, left)
    const end = scanEnd(bytes, at)
    const used = walkBlocks(bytes, at, end, blocks, length)
    checkRest(bytes, at, used, end)
    left -= length
    at = end
    if (left === 0) break
    if (bytes[end + 1] !== 0xd0 + restart) throw new Damage('a part of it is missing')
    restart = (restart + 1) & 7
    at = end + 2
  }
  return at
}

/** The index of the first marker that is not a stuffed byte; the end if there is none. */
function scanEnd(bytes: Buffer, start: number): number {
  for (
    let at = bytes.indexOf(0xff, start);
    at !== -1 && at + 1 < bytes.length;
    at = bytes.indexOf(0xff, at)
  ) {
    if (bytes[at + 1] === 0) at += 2
    else if (bytes[at + 1] === 0xff) at++
    else return at
  }
  return bytes.length
}

/** Returns the index after the last byte of the last block. */
function walkBlocks(
  bytes: Buffer,
  start: number,
  end: number,
  blocks: readonly { readonly dc: Codes; readonly ac: Codes }[],
  units: number,
): number {
  let at = start
  let held = 0
  let count = 0
  /** Bits added past the end, so that the last codes can be looked up by 16 bits. */
  let lent = 0

  const skip = (codes: Codes): number => {
    while (count < 16) {
      if (at < end) {
        const byte = bytes[at]!
        at += byte === 0xff ? 2 : 1
        held = ((held << 8) | byte) & 0xffffff
      } else {
        held = ((held << 8) | 0xff) & 0xffffff
        lent += 8
      }
      count += 8
    }
    const found = codes[(held >> (count - 16)) & 0xffff]!
    if (found === 0) throw new Damage(lent > 0 ? tooEarly : 'its data has a code that does not exist')
    count -= found >> 8
    return found & 0xff
  }
  const drop = (bits: number): void => {
    count -= bits
    while (count < 0) {
      if (at < end) {
        const byte = bytes[at]!
        at += byte === 0xff ? 2 : 1
        held = byte
      } else {
        held = 0xff
        lent += 8
      }
      count += 8
    }
  }

  for (let unit = 0; unit < units; unit++) {
    for (const { dc, ac } of blocks) {
      drop(skip(dc) & 15)
      for (let coefficient = 1; coefficient < 64; coefficient++) {
        const symbol = skip(ac)
        const size = symbol & 15
        if (size === 0) {
          if (symbol !== 0xf0) break
          coefficient += 15
        } else {
          coefficient += symbol >> 4
          drop(size)
        }
        if (coefficient > 63) throw new Damage('its data has more than a block can hold')
      }
      if (lent > count) throw new Damage(tooEarly)
    }
  }
  // Steps back over bytes that were read ahead and not used.
  let back = (count - lent) >> 3
  while (back-- > 0) at -= bytes[at - 2] === 0xff && bytes[at - 1] === 0 ? 2 : 1
  return at
}

/**
 * Only padding may follow the last block. Zeros that begin before the last block's end are not padding, but a file whose
 * end was never written.
 */
function checkRest(bytes: Buffer, start: number, used: number, end: number): void {
  for (let at = used; at < end; at++)
    if (bytes[at] !== 0 && bytes[at] !== 0xff) throw new Damage('its data goes on after its last block')
  if (used === end) return
  let zeros = 0
  while (used - zeros - 1 > start && bytes[used - zeros - 1] === 0) zeros++
  if (zeros > 2) throw new Damage('its end is empty')
}

function noteScan(header: Buffer, bits: Map<number, Uint8Array>): void {
  const count = header[0] ?? 0
  const [first = 0, last = 0, approximation = 0] = header.subarray(1 + 2 * count)
  for (let index = 0; index < count; index++) {
    const id = header[1 + 2 * index]!
    const known = bits.get(id) ?? new Uint8Array(64).fill(0xff)
    bits.set(id, known.fill(approximation & 15, first, Math.min(last, 63) + 1))
  }
}

/** Without an end marker, later scans of a progressive picture may be missing: the decoder accepts it as a soft picture. */
function missingBits(frame: Frame, bits: ReadonlyMap<number, Uint8Array>): string | null {
  const isWhole = frame.components.every(({ id }) => bits.get(id)?.every((lowest) => lowest === 0))
  return isWhole ? null : 'its last scans are missing'
}
