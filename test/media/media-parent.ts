/**
 * A process that runs one hanging job and says when it ends, to be killed or asked to cancel by a test:
 * `node media-parent.ts packaged|command <ffmpeg path>`. It stays until its stdin closes.
 */
import { systemHost } from '../../src/host.ts'
import { createMedia } from '../../src/media/pool.ts'

const [adapter, ffmpegPath = ''] = process.argv.slice(2)
const media = createMedia({ host: systemHost, ...(adapter === 'command' && { ffmpegPath }) })

const cancel = new AbortController()
process.stdin.once('data', () => cancel.abort())

media
  .run(
    {
      inputs: [],
      // Waits inside FFmpeg, in native code, for longer than any test.
      graph: 'color=s=64x64:r=24:d=10,realtime=limit=100000:speed=0.0001,format=yuv420p[v]',
      output: {
        kind: 'video',
        path: '/dev/null',
        video: { fps: 24, frames: 240, crf: 30, preset: 'ultrafast', keyframes: [] },
      },
      limits: { wallMs: 600_000, stallMs: 600_000, memoryBytes: 2 ** 30 },
    },
    { signal: cancel.signal },
  )
  .then(
    () => process.stdout.write('done\n'),
    (error: unknown) => process.stdout.write(`${String(error)}\n`),
  )
process.stdout.write('started\n')
