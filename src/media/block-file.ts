/** Writes a file in large blocks, mostly from front to back: a film has thousands of packets of a few bytes. */
import { type FileHandle, open } from 'node:fs/promises'
import { MediaError } from './ffmpeg.ts'

const blockBytes = 2 ** 22

export interface BlockFile {
  /** Copies `data`, in memory, to the file from byte `position` on. */
  place(data: Uint8Array, position: number): void
  /** The length of the file so far, in bytes. */
  end(): number
  hasFullBlock(): boolean
  /** Starts to write full blocks; resolves once at most one is left to write. */
  drain(): Promise<void>
  /** Writes everything that is left. */
  finish(): Promise<void>
  /** Resolves when all written bytes are on the disk. */
  sync(): Promise<void>
  close(): Promise<void>
}

interface Block {
  readonly bytes: Buffer
  readonly position: number
  used: number
}

/** Its methods throw a MediaError `disk_full` if the disk is full. */
export async function createBlockFile(path: string): Promise<BlockFile> {
  const handle = await orFullDisk(open(path, 'w'))
  const spare: Buffer[] = []
  const full: Block[] = []
  let block: Block | null = null
  let end = 0
  let writing: Promise<void> | null = null

  const begin = (position: number): Block => ({
    bytes: spare.pop() ?? Buffer.allocUnsafeSlow(blockBytes),
    position,
    used: 0,
  })
  const write = (): Promise<void> => {
    writing ??= writeFull().finally(() => {
      writing = null
    })
    return orFullDisk(writing)
  }
  async function writeFull(): Promise<void> {
    for (let next = full[0]; next !== undefined; next = full[0]) {
      await writeAll(handle, next.bytes.subarray(0, next.used), next.position)
      full.shift()
      spare.push(next.bytes)
    }
  }
  return {
    place(data, position) {
      if (block !== null && block.position + block.used !== position) {
        full.push(block)
        block = null
      }
      for (let from = 0; from < data.byteLength;) {
        block ??= begin(position + from)
        const length = Math.min(data.byteLength - from, blockBytes - block.used)
        block.bytes.set(data.subarray(from, from + length), block.used)
        block.used += length
        from += length
        if (block.used === blockBytes) {
          full.push(block)
          block = null
        }
      }
      end = Math.max(end, position + data.byteLength)
    },
    end: () => end,
    hasFullBlock: () => full.length > 0,
    async drain() {
      const written = write()
      if (full.length > 1) return written
      // The next `drain` or `finish` reports its failure.
      written.catch(() => {})
    },
    async finish() {
      if (block !== null) full.push(block)
      block = null
      while (full.length > 0) await write()
    },
    sync: () => orFullDisk(handle.sync()),
    close: () => handle.close(),
  }
}

async function writeAll(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let from = 0; from < data.byteLength;) {
    const { bytesWritten } = await handle.write(data, from, data.byteLength - from, position + from)
    if (bytesWritten === 0) throw new Error(`nothing could be written at byte ${position + from}`)
    from += bytesWritten
  }
}

async function orFullDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new MediaError('disk_full', 'there is no room left on the disk', { cause: error })
    throw error
  }
}
