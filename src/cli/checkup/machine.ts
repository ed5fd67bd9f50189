/** Checks this machine: Node, FFmpeg, and the library that reads photographs. */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDiskFull } from '../../disk-full.ts'
import type { Media } from '../../media/media.ts'
import { oldNodeWords } from '../node-version.ts'
import { count, spokenDuration } from '../words.ts'
import { type Found, messageOf, ok, problem } from './finding.ts'

export function checkNode(): Found {
  const { node } = process.versions
  const old = oldNodeWords(node)
  const here = `${node} on ${process.platform} ${process.arch}, ${count(availableParallelism(), 'core')}`
  return old === undefined ? ok(here) : problem(here, `${old}: get it from https://nodejs.org`)
}

const encodeLimits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 } as const

/** Reads FFmpeg's version and encodes a clip: a build without libx264 also reports a version. */
export async function checkFfmpeg(media: Media, ffmpegPath: string | undefined): Promise<Found> {
  const toDo =
    ffmpegPath === undefined
      ? 'Install the packages again on this machine (npm ci), or set FFMPEG_PATH to an FFmpeg 5.1 or later with libx264'
      : 'FFMPEG_PATH must lead to an FFmpeg 5.1 or later with libx264; without it the one that npm installed is used'
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-doctor-'))
  try {
    const { version } = await media.describe()
    const begun = performance.now()
    const { frames } = await media.run({
      inputs: [],
      graph: 'testsrc2=s=64x64:r=24:d=0.5,format=yuv420p[v]',
      output: {
        kind: 'video',
        path: join(folder, 'clip.mp4'),
        video: { fps: 24, frames: 12, crf: 30, preset: 'ultrafast', keyframes: [] },
      },
      limits: encodeLimits,
    })
    const took = spokenDuration(performance.now() - begun)
    return ok(`${version} (${ffmpegPath ?? 'packaged'}), encoded ${frames} frames in ${took}`)
  } catch (error) {
    return isDiskFull(error)
      ? problem(`No room left in ${tmpdir()}`, 'Make room there, or set TMPDIR')
      : problem(messageOf(error), toDo)
  } finally {
    await media.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Loads the library that reads photographs: its package differs by platform. */
export async function checkPictures(): Promise<Found> {
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-doctor-'))
  try {
    const { default: sharp } = await import('sharp')
    const { readImage } = await import('../../media/image.ts')
    const background = { r: 90, g: 120, b: 150 }
    const path = join(folder, 'picture.jpg')
    await sharp({ create: { width: 64, height: 48, channels: 3, background } })
      .jpeg()
      .toFile(path)
    const seen = await readImage({ path })
    if (seen.kind === 'image')
      return ok(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, read a JPEG`)
    return problem(seen.message, 'Install the packages again on this machine: npm ci')
  } catch (error) {
    return problem(messageOf(error).split('\n')[0]!, 'Install the packages again on this machine: npm ci')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
