/**
 * Checks the tables of an MP4 before anything expands them: a few bytes can promise billions of packets. Only sizes and
 * counts are read here; the library interprets them once they are known to be bounded.
 */
import { type FileHandle, open } from 'node:fs/promises'

/** Most packets of a clip: 20 minutes of sound, 15 minutes at 60 frames a second. */
export const maxPackets = 60_000

/** Largest header (`moov`, `moof`), which is read into memory. */
const maxHeaderBytes = 64 << 20

/** Most boxes of a file: fragmented files have two on the top level for each fragment. */
const maxBoxes = 100_000

/** No file that players accept nests boxes deeper. */
const maxDepth = 16

const containers = new Set('moov trak mdia minf stbl edts dinf mvex moof traf mfra'.split(' '))

/** The offset of the count in a box, the least bytes of each counted entry, and the most entries. */
interface Table {
  readonly countAt: number
  readonly entryBytes: number
  readonly most: number
}

const tables: Readonly<Record<string, Table>> = {
  stsd: { countAt: 4, entryBytes: 8, most: 64 },
  elst: { countAt: 4, entryBytes: 12, most: 1000 },
  keys: { countAt: 4, entryBytes: 8, most: 1000 },
  stts: { countAt: 4, entryBytes: 8, most: maxPackets },
  ctts: { countAt: 4, entryBytes: 8, most: maxPackets },
  stss: { countAt: 4, entryBytes: 4, most: maxPackets },
  stsc: { countAt: 4, entryBytes: 12, most: maxPackets },
  stco: { countAt: 4, entryBytes: 4, most: maxPackets },
  co64: { countAt: 4, entryBytes: 8, most: maxPackets },
  tfra: { countAt: 12, entryBytes: 11, most: maxPackets },
  saio: { countAt: 4, entryBytes: 4, most: maxPackets },
  senc: { countAt: 4, entryBytes: 0, most: maxPackets },
  trun: { countAt: 4, entryBytes: 0, most: maxPackets },
}

/** Boxes that occur at most once in a track. */
const once = new Set('stsd elst stts ctts stss stsc stsz stz2 stco co64'.split(' '))

/** A sentence that says which table is out of bounds; null if none is. No content of the file makes it throw. */
export async function tableFault(path: string): Promise<string | null> {
  await using file = await open(path)
  const { size } = await file.stat()
  const seen: Seen = { boxes: 0, fragmentSamples: 0 }
  for (let at = 0; at < size;) {
    const box = readBox(await readAt(file, at, 16), 0, size - at)
    if (box === null) return null
    if (++seen.boxes > maxBoxes) return `it is made of more than ${maxBoxes} boxes`
    if (containers.has(box.type)) {
      if (box.size > maxHeaderBytes) return `its header of ${box.size} bytes is larger than ${maxHeaderBytes}`
      const fault = headerFault(await readAt(file, at, box.size), seen)
      if (fault !== null) return fault
    }
    at += box.size
  }
  return null
}

/** Sums over the whole file. */
interface Seen {
  boxes: number
  /** Samples of all fragments. */
  fragmentSamples: number
}

interface Box {
  readonly type: string
  /** Bytes, with its header. */
  readonly size: number
  readonly headerBytes: number
}

/** The box that begins at `at`; null if none can begin there. */
function readBox(bytes: Buffer, at: number, room: number): Box | null {
  if (room < 8 || at + 8 > bytes.length) return null
  const type = bytes.toString('latin1', at + 4, at + 8)
  const short = bytes.readUInt32BE(at)
  if (short === 0) return { type, size: room, headerBytes: 8 }
  if (short !== 1) return short < 8 || short > room ? null : { type, size: short, headerBytes: 8 }
  if (room < 16 || at + 16 > bytes.length) return null
  const size = Number(bytes.readBigUInt64BE(at + 8))
  return size < 16 || size > room ? null : { type, size, headerBytes: 16 }
}

function headerFault(header: Buffer, seen: Seen): string | null {
  const ranges: { readonly from: number; readonly to: number; readonly depth: number }[] = [
    { from: 0, to: header.length, depth: 0 },
  ]
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    if (range.depth > maxDepth) return 'its boxes are nested too deeply'
    const within = new Map<string, Buffer>()
    for (let at = range.from; at < range.to;) {
      const box = readBox(header, at, range.to - at)
      if (box === null) break
      const content = header.subarray(at + box.headerBytes, at + box.size)
      if (++seen.boxes > maxBoxes) return `it is made of more than ${maxBoxes} boxes`
      // A reader would add them up.
      if (within.has(box.type) && once.has(box.type)) return `its table ${box.type} is there twice`
      const fault = boxFault(box.type, content, seen)
      if (fault !== null) return fault
      if (containers.has(box.type))
        ranges.push({ from: at + box.headerBytes, to: at + box.size, depth: range.depth + 1 })
      within.set(box.type, content)
      at += box.size
    }
    const fault = samplesFault(within)
    if (fault !== null) return fault
  }
  return null
}

/** The fault of a table that promises more than it holds, or more than a clip may have; null if it does not. */
function boxFault(type: string, content: Buffer, seen: Seen): string | null {
  if (type === 'stsz' || type === 'stz2') return sizesFault(type, content)
  const table = tables[type]
  if (table === undefined || content.length < table.countAt + 4) return null
  const count = content.readUInt32BE(table.countAt)
  const room = content.length - table.countAt - 4
  if (type === 'trun') seen.fragmentSamples += count
  if (seen.fragmentSamples > maxPackets) return promised(type, seen.fragmentSamples, maxPackets)
  if (count > table.most) return promised(type, count, table.most)
  return count * table.entryBytes > room ? promised(type, count, Math.floor(room / table.entryBytes)) : null
}

/** A table of equal sizes has one entry, whatever it counts. */
function sizesFault(type: string, content: Buffer): string | null {
  if (content.length < 12) return null
  const isEach = type === 'stz2' || content.readUInt32BE(4) === 0
  const count = content.readUInt32BE(8)
  if (!isEach) return null
  if (count > maxPackets) return promised(type, count, maxPackets)
  const bits = type === 'stz2' ? content[7]! : 32
  return count * bits > (content.length - 12) * 8 ? promised(type, count, 0) : null
}

/** Checks the sums of the run-length tables of one track. */
function samplesFault(boxes: ReadonlyMap<string, Buffer>): string | null {
  const offsets = boxes.get('ctts')
  const times = boxes.get('stts')
  // The library expands the time of each picture only if pictures are shown in another order.
  for (const [type, table] of [['ctts', offsets] as const, ['stts', offsets && times] as const]) {
    const samples = table === undefined ? 0 : sumOfRuns(table)
    if (samples > maxPackets) return promised(type, samples, maxPackets)
  }
  return chunksFault(boxes.get('stsc'), boxes.get('stco') ?? boxes.get('co64'))
}

function sumOfRuns(table: Buffer): number {
  const count = table.length < 8 ? 0 : table.readUInt32BE(4)
  let sum = 0
  for (let entry = 0; entry < count; entry++) sum += table.readUInt32BE(8 + entry * 8)
  return sum
}

/** Checks that runs of chunks lie within the existing chunks. */
function chunksFault(runs: Buffer | undefined, chunks: Buffer | undefined): string | null {
  if (runs === undefined || runs.length < 8 || chunks === undefined || chunks.length < 8) return null
  const most = chunks.readUInt32BE(4)
  let before = 0
  for (let entry = 0; entry < runs.readUInt32BE(4); entry++) {
    const first = runs.readUInt32BE(8 + entry * 12)
    if (first <= before || first > most + 1) return `its table stsc names chunk ${first} of ${most}`
    before = first
  }
  return null
}

const promised = (type: string, count: number, most: number): string =>
  `its table ${type} promises ${count} entries, and there can be ${most}`

async function readAt(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at)
  return buffer.subarray(0, bytesRead)
}
