/**
 * From the last canonical clip to the verified film, against copying the clips' bytes into one file and
 * syncing it. `node bench/stitch.ts [runs]`; medians. The clips are 6 s of 720p24 at about 2 Mbit/s, with
 * silence. Warm: they were just written. Cold: put out of the page cache before each run (Linux, dd).
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemHost } from '../src/host.ts'
import { makeCanonical } from '../src/media/canonical.ts'
import { prepareFilmFormat } from '../src/media/film-format.ts'
import { makeFilm } from '../src/media/film.ts'
import { createMedia } from '../src/media/pool.ts'
import { verifyClip } from '../src/media/probe.ts'
import { makeSeam } from '../src/media/seam.ts'
import { planTimeline, type Seam } from '../src/job/timeline.ts'

const runs = Number(process.argv[2] ?? 7)
const fps = 24
const frames = 6 * fps
const overlapFrames = 12
const limits = { wallMs: 120_000, stallMs: 60_000, memoryBytes: 2 ** 32 }
const media = createMedia({ host: systemHost })
const directory = await mkdtemp(join(tmpdir(), 'stitch-'))
const inDirectory = (name: string): string => join(directory, name)

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((one, other) => one - other)
  return sorted[sorted.length >> 1]!
}

async function copyAndSync(paths: readonly string[]): Promise<void> {
  const handle = await open(inDirectory('copy.bin'), 'w')
  for (const path of paths) await handle.write(await readFile(path))
  await handle.sync()
  await handle.close()
}

/** Puts clean pages of these files out of memory. */
function forget(paths: readonly string[]): void {
  for (const path of paths) execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
}

try {
  const encoding = { crf: 27, preset: 'veryfast' } as const
  const format = await prepareFilmFormat({
    media,
    width: 1280,
    height: 720,
    fps,
    ...encoding,
    scratchPath: inDirectory('format.mp4'),
    limits,
  })
  await media.run({
    inputs: [],
    // Moving detail, so that its bytes are like those of a photograph under a camera move.
    graph: `mandelbrot=s=1280x720:r=${fps}:start_scale=0.5:end_scale=0.1:end_pts=200:maxiter=60,trim=end_frame=${frames},format=yuv420p[v]`,
    output: {
      kind: 'video',
      path: inDirectory('clip.mp4'),
      video: { fps, frames, ...encoding, keyframes: [0, overlapFrames, frames - overlapFrames] },
    },
    limits,
  })
  const verdict = await verifyClip({ media, path: inDirectory('clip.mp4'), limits })
  if (!verdict.ok) throw new Error(verdict.reason)

  for (const scenes of [20, 100]) {
    const seams = Array.from({ length: scenes - 1 }, (): Seam => ({ transition: 'cut', overlapFrames: 0 }))
    const timeline = planTimeline({ fps, clips: Array.from({ length: scenes }, () => frames), seams })
    const clipPaths = timeline.clips.map((_, index) => inDirectory(`canonical-${index}.mp4`))
    const canonicalMs: number[] = []
    for (const [index, place] of timeline.clips.entries())
      canonicalMs.push(
        await timed(() =>
          makeCanonical({
            media,
            ...verdict,
            outPath: clipPaths[index]!,
            format,
            place,
            fit: 'crop',
            limits,
          }),
        ),
      )
    const seamPaths = timeline.clips.map(() => null)
    const request = { timeline, format, clipPaths, seamPaths, outPath: inDirectory('film.mp4') }
    for (const isCold of [false, true]) {
      const filmMs: number[] = []
      const copyMs: number[] = []
      for (let run = 0; run < runs; run++) {
        await rm(request.outPath, { force: true })
        if (isCold) forget(clipPaths)
        filmMs.push(await timed(() => makeFilm(request)))
        await rm(inDirectory('copy.bin'), { force: true })
        if (isCold) forget(clipPaths)
        copyMs.push(await timed(() => copyAndSync(clipPaths)))
      }
      const { size } = await stat(request.outPath)
      process.stdout.write(
        `${scenes} scenes of 6 s, ${(size / 1e6).toFixed(0)} MB, ${isCold ? 'cold' : 'warm'}: ` +
          `film ${median(filmMs).toFixed(0)} ms verified and synced, copy and sync ${median(copyMs).toFixed(0)} ms, ` +
          `ratio ${(median(filmMs) / median(copyMs)).toFixed(2)}\n`,
      )
    }
    process.stdout.write(`a clip copied into canonical form: ${median(canonicalMs).toFixed(0)} ms\n`)
  }

  const timeline = planTimeline({
    fps,
    clips: [frames, frames],
    seams: [{ transition: 'fade', overlapFrames }],
  })
  const [leftPath, rightPath] = [inDirectory('left.mp4'), inDirectory('right.mp4')]
  for (const [index, outPath] of [leftPath, rightPath].entries())
    await makeCanonical({
      media,
      ...verdict,
      outPath,
      format,
      place: timeline.clips[index]!,
      fit: 'crop',
      limits,
    })
  const seamMs: number[] = []
  for (let run = 0; run < Math.min(3, runs); run++)
    seamMs.push(
      await timed(() =>
        makeSeam({
          media,
          timeline,
          index: 0,
          transition: 'fade',
          leftPath,
          rightPath,
          format,
          limits,
          outPath: inDirectory('seam.mp4'),
        }),
      ),
    )
  process.stdout.write(`a cross-fade of ${overlapFrames} frames: ${median(seamMs).toFixed(0)} ms\n`)
} finally {
  await media.close()
  await rm(directory, { recursive: true, force: true })
}
