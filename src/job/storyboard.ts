/** From a request to the plan of a film. To add a kind of job: its schema in request.ts and a planner here. */
import { type Catalogue, settle } from './catalogue.ts'
import { type FieldProblem, invalid, invalidField } from './errors.ts'
import { type FrameFormat, frameFormat, framesOf } from './format.ts'
import type { Storyboard } from './job.ts'
import type {
  ImagePairsParameters,
  JobRequest,
  PropertyPhotosParameters,
  StoryboardRequest,
} from './request.ts'
import { roomRank, roomTitle } from './room.ts'
import type { ScenePlan } from './scene.ts'
import type { Seam } from './timeline.ts'

const defaults = {
  clipSeconds: 5,
  aspectRatio: '16:9',
  resolution: '720p',
  fps: 24,
  model: 'local',
  transition: 'fade',
  fit: 'crop',
} as const

const maxFilmSeconds = 3600
/** Counts each scene's prompt, including the job's default: a job is read as a whole. */
const maxPromptCharacters = 400_000

/** How long two scenes overlap in a cross-fade. */
const overlapSeconds = 0.5

/** A requested scene, before the choice of its model's offer and price. */
export interface SceneWish extends Omit<ScenePlan, 'render' | 'price_micros' | 'notes'> {
  readonly audio: boolean
}

/** @throws {RefusedError} `invalid` for a request without pictures, beyond its models' offers, or for too long a film. */
export function planStoryboard(request: JobRequest, catalogue: Catalogue): Storyboard {
  const { parameters } = request
  const wishes = request.storyboard ? givenScenes(request.storyboard, parameters) : plannedScenes(request)
  const format = frameFormat(
    parameters.resolution ?? defaults.resolution,
    parameters.aspect_ratio ?? defaults.aspectRatio,
    parameters.fps ?? defaults.fps,
  )
  const problems = new Map<string, FieldProblem>()
  const scenes: ScenePlan[] = []
  for (const [position, wish] of wishes.entries()) {
    const settled = settleScene(wish, format, catalogue)
    if ('scene' in settled) scenes.push(settled.scene)
    else {
      const field = fieldOf(request, position, settled.member)
      problems.set(field, { field, reason: settled.reason })
    }
  }
  if (problems.size > 0) throw invalid([...problems.values()])
  return boardOf(
    { scenes, format, fit: parameters.fit ?? defaults.fit },
    request.storyboard ? 'storyboard.scenes' : 'parameters',
  )
}

/**
 * Combines scenes into a storyboard.
 * @throws {RefusedError} `invalid` for `field` if the film or its prompts would be too long.
 */
export function boardOf(board: Omit<Storyboard, 'total_duration'>, field: string): Storyboard {
  const total_duration = filmFrames(board.scenes, board.format) / board.format.fps
  if (total_duration > maxFilmSeconds)
    throw invalidField(
      field,
      `would make a film of ${Math.round(total_duration)} seconds; at most ${maxFilmSeconds} are allowed`,
    )
  const characters = board.scenes.reduce((sum, { prompt }) => sum + prompt.length, 0)
  if (characters > maxPromptCharacters)
    throw invalidField(
      field,
      `would have prompts of ${characters} characters in all scenes together; at most ${maxPromptCharacters} are allowed`,
    )
  return { ...board, total_duration }
}

type SettledScene = { readonly scene: ScenePlan } | { readonly member: SceneMember; readonly reason: string }

type SceneMember = 'model' | 'duration' | 'asset_ids' | 'aspect_ratio' | 'resolution'

/** Chooses the model's offer and price for a scene, or returns why there is none. */
export function settleScene(
  { audio, ...wish }: SceneWish,
  format: FrameFormat,
  catalogue: Catalogue,
): SettledScene {
  const { model, duration, title } = wish
  const images = wish.asset_ids.length === 1 ? 1 : 2
  const settled = settle(catalogue, { model, duration, images, title, format, audio })
  if (!settled.ok) return settled
  const { render, priceMicros: price_micros, notes } = settled
  return { scene: { ...wish, duration: settled.duration, render, price_micros, notes } }
}

/** Path in the request where a member of a scene is set, or would be. */
export function fieldOf(request: JobRequest, position: number, member: SceneMember): string {
  if (member === 'aspect_ratio' || member === 'resolution') return `parameters.${member}`
  if (member === 'asset_ids') return picturesField(request, position)
  const own = request.storyboard?.scenes[position]
  if (own?.[member] !== undefined) return `storyboard.scenes[${position}].${member}`
  return member === 'model' ? 'parameters.model' : 'parameters.clip_duration'
}

function picturesField(request: JobRequest, position: number): string {
  if (request.storyboard) return `storyboard.scenes[${position}].asset_ids`
  switch (request.type) {
    case 'property_photos':
      return 'parameters.photos'
    case 'image_pairs':
      return request.parameters.pairs ? `parameters.pairs[${position}]` : 'parameters.images'
    default:
      return request satisfies never
  }
}

function plannedScenes(request: JobRequest): SceneWish[] {
  switch (request.type) {
    case 'image_pairs':
      return planImagePairs(request.parameters)
    case 'property_photos':
      return planPropertyPhotos(request.parameters)
    default:
      return request satisfies never
  }
}

function planImagePairs(parameters: ImagePairsParameters): SceneWish[] {
  const { images, pairs } = parameters
  if (images && pairs) throw invalidField('parameters', 'set either images or pairs, not both')
  if (!images && !pairs)
    throw invalidField(
      'parameters.images',
      'is required: at least 2 asset ids (or set pairs, or a storyboard)',
    )
  const chain = pairs ?? images!.slice(1).map((last, index) => [images![index]!, last] as const)
  return chain.map((asset_ids, position) => ({
    ...sharedPlan(parameters),
    title: position === 0 ? (parameters.title ?? null) : null,
    prompt: parameters.prompt ?? 'A smooth, steady camera move from the first picture to the last.',
    asset_ids: [...asset_ids],
  }))
}

function planPropertyPhotos(parameters: PropertyPhotosParameters): SceneWish[] {
  const { photos, photo_order: order = 'visit' } = parameters
  if (!photos)
    throw invalidField(
      'parameters.photos',
      'is required: [{"asset_id": ..., "room": ...}] (or set a storyboard)',
    )
  return photos
    .map((photo, given) => ({ photo, given, rank: order === 'given' ? given : roomRank(photo.room) }))
    .toSorted((one, other) => one.rank - other.rank || one.given - other.given)
    .map(({ photo }, position) => {
      const room = photo.room === undefined ? null : roomTitle(photo.room)
      return {
        ...sharedPlan(parameters),
        title: position === 0 ? (parameters.title ?? room) : room,
        prompt:
          parameters.prompt ?? `A slow, steady camera move through the ${(room ?? 'room').toLowerCase()}.`,
        asset_ids: [photo.asset_id],
      }
    })
}

function givenScenes(storyboard: StoryboardRequest, parameters: JobRequest['parameters']): SceneWish[] {
  return storyboard.scenes.map((scene, position) => ({
    ...wishOf(scene, parameters),
    title: scene.title ?? (position === 0 ? (parameters.title ?? null) : null),
  }))
}

/** The requested scene, with defaults from the job's parameters. */
export function wishOf(
  scene: StoryboardRequest['scenes'][number],
  parameters: JobRequest['parameters'],
): SceneWish {
  const shared = sharedPlan(parameters)
  return {
    title: scene.title ?? null,
    prompt: scene.prompt ?? parameters.prompt ?? '',
    duration: scene.duration ?? shared.duration,
    asset_ids: scene.asset_ids,
    transition: scene.transition ?? shared.transition,
    model: scene.model ?? shared.model,
    audio: scene.audio ?? shared.audio,
  }
}

function sharedPlan(
  parameters: JobRequest['parameters'],
): Pick<SceneWish, 'duration' | 'transition' | 'model' | 'audio'> {
  return {
    duration: parameters.clip_duration ?? defaults.clipSeconds,
    transition: parameters.transition ?? defaults.transition,
    model: parameters.model ?? defaults.model,
    audio: parameters.audio ?? false,
  }
}

type Joined = Pick<ScenePlan, 'asset_ids' | 'transition' | 'duration'>

/**
 * Scenes that share the picture where they meet need only a cut. Others overlap by the first one's transition, for
 * at most a third of the shorter one, so that a scene never fades in and out at the same time.
 */
export function seamBetween(left: Joined, right: Joined, fps: number): Seam {
  const continuous = left.asset_ids.at(-1) === right.asset_ids[0]
  if (continuous || left.transition === 'cut') return { transition: 'cut', overlapFrames: 0 }
  const shorter = Math.min(framesOf(left.duration, fps), framesOf(right.duration, fps))
  const overlapFrames = Math.min(Math.round(overlapSeconds * fps), Math.floor(shorter / 3))
  return overlapFrames === 0
    ? { transition: 'cut', overlapFrames }
    : { transition: left.transition, overlapFrames }
}

/** The seam after each scene but the last. */
export const seamsOf = (scenes: readonly Joined[], fps: number): Seam[] =>
  scenes.slice(1).map((right, index) => seamBetween(scenes[index]!, right, fps))

function filmFrames(scenes: readonly Joined[], { fps }: FrameFormat): number {
  const frames = scenes.reduce((sum, scene) => sum + framesOf(scene.duration, fps), 0)
  return frames - seamsOf(scenes, fps).reduce((sum, seam) => sum + seam.overlapFrames, 0)
}
