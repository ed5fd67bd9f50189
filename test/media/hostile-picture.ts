/** Pictures of a few kilobytes that cost much memory or time to decode. */
import { createDeflate, crc32, deflateSync } from 'node:zlib'

const chunk = (type: string, data: Buffer): Buffer => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, 'latin1')
  data.copy(bytes, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

const signature = Buffer.from('89504e470d0a1a0a', 'hex')

function ihdr(side: number, depth: number, colour: number, interlaced: number): Buffer {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(side, 0)
  data.writeUInt32BE(side, 4)
  data.set([depth, colour, 0, 0, interlaced], 8)
  return chunk('IHDR', data)
}

/** So many zeros, compressed: a thousandth of them. */
async function deflated(bytes: number): Promise<Buffer> {
  const stream = createDeflate({ level: 9 })
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  const zeros = Buffer.alloc(1 << 24)
  for (let left = bytes; left > 0; left -= zeros.length)
    if (!stream.write(zeros.subarray(0, Math.min(left, zeros.length))))
      await new Promise((resolve) => stream.once('drain', resolve))
  stream.end()
  await new Promise((resolve) => stream.once('end', resolve))
  return Buffer.concat(parts)
}

/** 16 bits, four channels, seven passes: a decoder has to keep all of it. Its data ends early. */
export const interlacedPng = async (side: number): Promise<Buffer> =>
  Buffer.concat([
    signature,
    ihdr(side, 16, 6, 1),
    chunk('IDAT', await deflated(64 << 20)),
    chunk('IEND', Buffer.alloc(0)),
  ])

/** One grey pixel, with a text or a profile before it that unpacks to so many zeros. */
export async function floodedPng(type: 'zTXt' | 'iCCP', bytes: number): Promise<Buffer> {
  // A filter byte and a sample.
  const pixel = deflateSync(Buffer.from([0, 128]))
  const flood = chunk(type, Buffer.concat([Buffer.from('name\0\0'), await deflated(bytes)]))
  return Buffer.concat([
    signature,
    ihdr(1, 8, 0, 0),
    flood,
    chunk('IDAT', pixel),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** A progressive JPEG: one scan of its mean colours, and then scans that each say "nothing more here". */
export function scannedJpeg(side: number, scans: number): Buffer {
  const blocks = Math.ceil(side / 8) ** 2
  const means = bitWriter()
  for (let block = 0; block < blocks; block++) means.put(0, 2)
  const nothing = bitWriter()
  for (let left = blocks; left > 0;) {
    if (left < 16_384) {
      nothing.put(0, 2)
      left--
      continue
    }
    const run = Math.min(left, 32_767)
    nothing.put(1, 2)
    nothing.put(run - 16_384, 14)
    left -= run
  }
  const segment = (marker: number, data: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255]), data])
  const codes = (kind: number, symbols: number[]): Buffer =>
    segment(0xc4, Buffer.from([kind << 4, 0, symbols.length, ...Array<number>(14).fill(0), ...symbols]))
  const scan = (band: number, data: Buffer): Buffer =>
    Buffer.concat([segment(0xda, Buffer.from([1, 1, 0, band, band, 0])), data])
  const empty = nothing.end()
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)])),
    segment(0xc2, Buffer.from([8, side >> 8, side & 255, side >> 8, side & 255, 1, 1, 0x11, 0])),
    codes(0, [0, 1]),
    scan(0, means.end()),
    codes(1, [0x00, 0xe0]),
    ...Array.from({ length: scans }, (_, index) => scan(1 + (index % 63), empty)),
    Buffer.from([0xff, 0xd9]),
  ])
}

function bitWriter(): { put(value: number, bits: number): void; end(): Buffer } {
  const bytes: number[] = []
  let byte = 0
  let filled = 0
  const put = (value: number, bits: number): void => {
    for (let bit = bits - 1; bit >= 0; bit--) {
      byte = (byte << 1) | ((value >> bit) & 1)
      if (++filled < 8) continue
      bytes.push(byte)
      if (byte === 255) bytes.push(0)
      byte = filled = 0
    }
  }
  return {
    put,
    end() {
      for (let left = (8 - filled) % 8; left > 0; left--) put(1, 1)
      return Buffer.from(bytes)
    },
  }
}
