/**
 * Seconds of CPU that a second of film costs on this machine, and what the encoder alone needs of it: the same
 * frames encoded again, less what decoding them costs. Linux only: it reads the CPU time of ended children.
 * Run: node bench/render.ts
 */
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { samplePhotos } from '../src/cli/sample.ts'
import { systemHost } from '../src/host.ts'
import { frameFormat, type Resolution } from '../src/job/format.ts'
import { filmEncoding } from '../src/media/encoding.ts'
import { masterImage } from '../src/media/image.ts'
import type { MediaJob, MediaLimits } from '../src/media/ffmpeg.ts'
import { createMedia } from '../src/media/pool.ts'
import { createLocalRenderer } from '../src/renderer/local.ts'
import { median } from './harness.ts'

const seconds = 6
const runs = 5
const ticksPerSecond = 100
const limits: MediaLimits = { wallMs: 120_000, stallMs: 60_000, memoryBytes: 2 ** 32 }

const directory = mkdtempSync(join(tmpdir(), 'render-'))
const media = createMedia({ host: systemHost })
const renderer = createLocalRenderer({ media, maxConcurrency: 1 })
const images: string[] = []
for (const [index, path] of samplePhotos.slice(0, 2).entries()) {
  const master = join(directory, `master-${index}.jpg`)
  await masterImage({ path, targetPath: master })
  images.push(master)
}

/** CPU seconds, in user and system mode, of this process's children that have ended. */
function childrenCpu(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const before = childrenCpu()
  await work()
  return childrenCpu() - before
}

const medianOf = async (work: () => Promise<unknown>): Promise<number> => {
  const values: number[] = []
  for (let run = 0; run < runs; run++) values.push(await cpuOf(work))
  return median(values)
}

const mediaJob = (job: Pick<MediaJob, 'inputs' | 'graph' | 'output'>): Promise<unknown> =>
  media.run({ ...job, limits })

/** What a process costs before it does anything. */
const startCpu = await medianOf(() =>
  mediaJob({
    inputs: [],
    graph: 'color=black:s=16x16:r=24:d=1[v]',
    output: {
      kind: 'video',
      path: join(directory, 'start.mp4'),
      video: { ...filmEncoding, fps: 24, frames: 24, keyframes: [] },
    },
  }),
)

for (const [resolution, fps] of [
  ['720p', 24],
  ['720p', 30],
  ['1080p', 24],
  ['1080p', 30],
] as const satisfies readonly (readonly [Resolution, 24 | 30])[])
  for (const pictures of [images.slice(0, 1), images]) {
    const frames = seconds * fps
    const clipPath = join(directory, 'clip.mp4')
    const renderCpu = await medianOf(async () => {
      const outcome = await renderer.render(
        {
          attemptId: 'bench',
          jobId: 1,
          sceneId: 'bench',
          position: 0,
          model: 'local',
          prompt: '',
          title: null,
          format: frameFormat(resolution, '16:9', fps),
          frames,
          images: pictures,
          transition: 'fade',
          fit: 'crop',
          keyframes: [],
        },
        { directory, signal: new AbortController().signal, onProgress: () => undefined },
      )
      if (outcome.kind === 'failed') throw new Error(outcome.reason)
    })
    const input = { path: clipPath, format: 'mp4' } as const
    const decodeCpu = await medianOf(() =>
      mediaJob({ inputs: [input], graph: '', output: { kind: 'nothing' } }),
    )
    const encodeCpu = await medianOf(() =>
      mediaJob({
        inputs: [input],
        graph: '[0:v]null[v]',
        output: {
          kind: 'video',
          path: join(directory, 'again.mp4'),
          video: { ...filmEncoding, fps, frames, keyframes: [] },
        },
      }),
    )
    const render = (renderCpu - startCpu) / seconds
    const encoder = (encodeCpu - decodeCpu) / seconds
    console.log(
      `${resolution}${fps}, ${pictures.length === 1 ? 'one picture' : 'a pair'}: ${render.toFixed(2)} CPU s a second of film, the encoder alone ${encoder.toFixed(2)}: ratio ${(render / encoder).toFixed(2)}`,
    )
  }
console.log(`starting a process: ${startCpu.toFixed(2)} CPU s, taken off each render`)
await media.close()
rmSync(directory, { recursive: true })
