/** Turns a renderer's clip into the scene's clip: verified, made canonical for its position in the film, and stored. */
import { ArtifactError, type ArtifactStore } from '../artifact/artifact.ts'
import type { SceneWork } from '../coordinator/scene/scene-verbs.ts'
import { waitsForStorage } from '../disk-full.ts'
import type { Failure, Scene } from '../job/scene.ts'
import { MediaError } from '../media/ffmpeg.ts'
import type { ClipSeen, VerifyRequest } from '../media/probe.ts'
import type { SceneClip } from '../store/scenes.ts'
import { placeOf, placeText, planFilm } from './film-plan.ts'
import { type Studio, clipLimits, takenLimits } from './studio.ts'

export type ClipOutcome =
  | { readonly kind: 'clip'; readonly clip: SceneClip }
  /** The clip is bad; another render may succeed. */
  | { readonly kind: 'failed'; readonly failure: Failure }

export type TakenOutcome =
  /** `short`: a sentence that says how the clip falls short of what was paid for; null if it does not. */
  { readonly kind: 'taken'; readonly short: string | null } | Extract<ClipOutcome, { kind: 'failed' }>

export interface Clips {
  /** Verifies a clip that is stored unchanged. Rejects if FFmpeg, not the clip, may be at fault; so does `fit`. */
  take(source: string, paidSeconds: number, signal: AbortSignal): Promise<TakenOutcome>
  /** Like `take`, for a file that is not stored yet. */
  verify(path: string, paidSeconds: number, signal: AbortSignal): Promise<TakenOutcome>
  /** Makes a scene's clip from a stored artifact. */
  fit(source: string, work: SceneWork, signal: AbortSignal): Promise<ClipOutcome>
  /** Makes a scene's clip from a file in a workspace; the file itself is not stored. */
  make(
    path: string,
    work: SceneWork,
    options: { readonly directory: string; readonly signal: AbortSignal },
  ): Promise<ClipOutcome>
  /** Whether a finished scene's clip matches the scene's current position in the film. */
  fits(work: SceneWork): boolean
}

const placeIn = ({ scene, job, scenes }: SceneWork) => placeOf(planFilm(job, scenes), scene)

export function createClips({
  artifacts,
  studio,
}: {
  readonly artifacts: ArtifactStore
  readonly studio: Studio
}): Clips {
  const make = async (
    path: string,
    work: SceneWork,
    { directory, signal, ...decoding }: Parameters<Clips['make']>[2] & Pick<VerifyRequest, 'deblocking'>,
  ): Promise<ClipOutcome> => {
    const { media } = studio
    const place = placeIn(work)
    const { format: shape, fit } = work.job.storyboard
    const verdict = await media.verifyClip({ path, ...decoding, limits: clipLimits }, { signal })
    if (!verdict.ok) return failed(`clip_${verdict.code}`, verdict.reason)
    const { decodedFrames, seen } = verdict
    const format = await studio.filmFormat(shape)
    const outPath = `${directory}/canonical.mp4`
    const request = { path, decodedFrames, seen, outPath, format, place, fit, limits: clipLimits }
    const made = await media.canonicalClip(request, { signal })
    if (!made.ok) return failed(`clip_${made.code}`, made.reason)
    const { id } = await artifacts.adopt(made.clip.path)
    return { kind: 'clip', clip: { clip: id, source: id, place: placeText(place, shape) } }
  }

  const verify: Clips['verify'] = (path, paidSeconds, signal) =>
    faultOf(refusalsOfDecoding, async () => {
      const verdict = await studio.media.verifyClip({ path, limits: takenLimits }, { signal })
      if (!verdict.ok) return failed(`clip_${verdict.code}`, verdict.reason)
      return { kind: 'taken', short: shortness(verdict, paidSeconds) }
    })

  return {
    make: (path, work, options) =>
      faultOf(endings, () => make(path, work, { ...options, deblocking: 'skipped' })),

    take: (source, ...rest) =>
      studio.inWorkspace(async ({ localPath }) => verify(await localPath(source), ...rest)),

    verify,

    fit: (source, work, signal) =>
      studio.inWorkspace(async ({ directory, localPath }) => {
        const path = await localPath(source)
        const outcome = await faultOf(refusals, () => make(path, work, { directory, signal }))
        return outcome.kind === 'clip' ? { ...outcome, clip: { ...outcome.clip, source } } : outcome
      }),

    fits: (work) => work.scene.place === placeText(placeIn(work), work.job.storyboard.format),
  }
}

/** Models round durations and end slightly early; a clip below this share of the paid seconds counts as short. */
const leastShare = 0.75

function shortness(
  { decodedFrames, seen }: { readonly decodedFrames: number; readonly seen: ClipSeen },
  paidSeconds: number,
): string | null {
  const { picture, sound, endSeconds } = seen
  // With sound, only the number of frames gives the picture's duration.
  const seconds =
    sound === null || picture.frameRate === null
      ? endSeconds - picture.startSeconds
      : decodedFrames / picture.frameRate
  const paid = `${paidSeconds} ${paidSeconds === 1 ? 'second was' : 'seconds were'} paid for`
  if (decodedFrames === 1) return `it is a single picture, and ${paid}`
  return seconds < paidSeconds * leastShare
    ? `it has ${decodedFrames} pictures and lasts ${Number(seconds.toFixed(2))} seconds, and ${paid}`
    : null
}

type Failed = Extract<ClipOutcome, { kind: 'failed' }>

const failed = (code: string, reason: string): Failed => ({ kind: 'failed', failure: { code, reason } })

type MediaCodes = readonly MediaError['code'][]

/** FFmpeg rejected the clip; another render may succeed. */
const refusals: MediaCodes = ['failed']

/** Decoding would take as long the next time, so the clip is at fault. */
const refusalsOfDecoding: MediaCodes = [...refusals, 'too_long']

/** A free clip is rendered again whatever ended FFmpeg. */
const endings: MediaCodes = ['failed', 'killed', 'hung', 'too_long']

async function faultOf<Outcome>(
  codes: MediaCodes,
  work: () => Promise<Outcome | Failed>,
): Promise<Outcome | Failed> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MediaError && codes.includes(error.code))
      return failed(`clip_${error.code}`, error.message)
    throw error
  }
}

/** Whether a stored artifact is missing. */
export const isMissing = (error: unknown): error is ArtifactError =>
  error instanceof ArtifactError && error.code === 'missing'

/**
 * How FFmpeg or its surroundings failed on a clip that may be intact. Undefined if neither failed: the work was aborted,
 * storage is full or cannot be reached, or the file is missing.
 */
export const failureOfTaking = (error: unknown, signal: AbortSignal): Failure | undefined =>
  signal.aborted || waitsForStorage(error) || isMissing(error) ? undefined : ffmpegFailure(error)

export const ffmpegFailure = (error: unknown): Failure => ({
  code: 'ffmpeg_failed',
  reason: error instanceof Error ? error.message : String(error),
})

/** Narrows a scene to one whose clip and source are set. */
export const hasClip = (scene: Scene): scene is Scene & { readonly clip: string; readonly source: string } =>
  scene.clip !== null && scene.source !== null
