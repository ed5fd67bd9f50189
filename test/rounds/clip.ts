/** A clip of one second, as the rounds' model renders it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemHost } from '../../src/host.ts'
import { createMedia } from '../../src/media/pool.ts'

export async function makeClip(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'round-clip-'))
  const media = createMedia({ host: systemHost })
  const path = join(directory, 'clip.mp4')
  try {
    await media.run({
      inputs: [],
      graph: 'testsrc2=s=640x360:r=24:d=1,format=yuv420p[v]',
      output: {
        kind: 'video',
        path,
        video: { fps: 24, frames: 24, crf: 30, preset: 'ultrafast', keyframes: [] },
      },
      limits: { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 },
    })
    return await readFile(path)
  } finally {
    await media.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** The clip's bytes with a box at their end that players skip: each prediction's own. */
export function clipOf(id: string, clip: Uint8Array): Buffer {
  const box = Buffer.alloc(8 + id.length)
  box.writeUInt32BE(box.length, 0)
  box.write('free', 4)
  box.write(id, 8)
  return Buffer.concat([clip, box])
}
