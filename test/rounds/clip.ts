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
