/** What a person chooses about a film, and the request that it makes. */
import type { Client } from '../../../src/client/client.ts'
import { type Photograph, isReady } from './photograph.ts'

export type JobRequest = Parameters<Client['createJob']>[0]

/** The names and order of the API. */
export const options = {
  type: ['property_photos', 'image_pairs'],
  photoOrder: ['visit', 'given'],
  lengthOf: ['scene', 'film'],
  shape: ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'],
  resolution: ['360p', '480p', '720p', '1080p'],
  transition: ['fade', 'slide', 'cut'],
  fit: ['crop', 'letterbox', 'blur'],
  fps: ['24', '25', '30', '60'],
} as const

type Options = typeof options

/** Numbers and times are kept as they are written: a person may be in the middle of it. */
export type Choices = { readonly [Name in keyof Options]: Options[Name][number] } & {
  readonly name: string
  readonly client: string
  readonly model: string
  readonly seconds: string
  readonly title: string
  readonly prompt: string
  readonly audio: boolean
  readonly force: boolean
  readonly priority: string
  readonly runAt: string
  readonly deadlineAt: string
}

export const firstChoices: Choices = {
  name: '',
  client: '',
  type: 'property_photos',
  photoOrder: 'visit',
  model: 'local',
  lengthOf: 'scene',
  seconds: '5',
  shape: '16:9',
  resolution: '720p',
  transition: 'fade',
  fit: 'crop',
  fps: '24',
  title: '',
  prompt: '',
  audio: false,
  force: false,
  priority: '',
  runAt: '',
  deadlineAt: '',
}

/** Choices that were kept, perhaps by an earlier version of the page. */
export function choicesFrom(given: Readonly<Record<string, unknown>>): Choices {
  const known = Object.entries(firstChoices).map(([name, first]) => {
    const value = given[name]
    const allowed: readonly unknown[] | undefined = new Map<string, readonly string[]>(
      Object.entries(options),
    ).get(name)
    const isFine = allowed ? allowed.includes(value) : typeof value === typeof first
    return [name, isFine ? value : first] as const
  })
  return { ...firstChoices, ...Object.fromEntries(known) }
}

/** Two scenes overlap by this much, if they do not meet in the same photograph. */
const overlapSeconds = 0.5

/** The seconds of each scene with which the whole film lasts this long. The server rounds to what a model offers. */
function secondsOfScene(
  film: number,
  scenes: number,
  { type, transition }: Pick<Choices, 'type' | 'transition'>,
): number {
  const overlap = type === 'image_pairs' || transition === 'cut' ? 0 : overlapSeconds
  const each = (film + (scenes - 1) * overlap) / scenes
  // In short scenes, an overlap is a third of them.
  const seconds = each >= 3 * overlap ? each : film / (scenes - (scenes - 1) / 3)
  return Math.round(seconds * 100) / 100
}

export const scenesOf = (photographs: number, type: Choices['type']): number =>
  Math.max(0, type === 'image_pairs' ? photographs - 1 : photographs)

const textOr = (text: string): string | undefined => (text.trim() === '' ? undefined : text.trim())

const numberOr = (text: string): number | undefined => (text.trim() === '' ? undefined : Number(text))

/** A time as it is entered, in the person's own zone. */
const timeOr = (text: string): string | undefined => {
  const at = new Date(text)
  return text === '' || Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}

const frameRates = { 24: 24, 25: 25, 30: 30, 60: 60 } as const

/** Members that are undefined are left to the server. */
const given = <Members extends object>(members: Members) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only undefined ones are gone
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Members]?: NonNullable<Members[Name]>
  }

/** The request for the photographs that have arrived; undefined if they are too few for a scene. */
export function requestOf(all: readonly Photograph[], choices: Choices): JobRequest | undefined {
  const photographs = all.filter(isReady)
  const scenes = scenesOf(photographs.length, choices.type)
  if (scenes === 0) return undefined
  const length = numberOr(choices.seconds)
  const shared = given({
    clip_duration:
      length !== undefined && choices.lengthOf === 'film' ? secondsOfScene(length, scenes, choices) : length,
    aspect_ratio: choices.shape,
    resolution: choices.resolution,
    model: choices.model,
    transition: choices.transition,
    fit: choices.fit,
    fps: frameRates[choices.fps],
    title: textOr(choices.title),
    prompt: textOr(choices.prompt),
    audio: choices.audio || undefined,
    client_id: textOr(choices.client),
  })
  const aside = given({
    video_name: textOr(choices.name),
    priority: numberOr(choices.priority),
    run_at: timeOr(choices.runAt),
    deadline_at: timeOr(choices.deadlineAt),
    force: choices.force || undefined,
  })
  if (choices.type === 'image_pairs')
    return {
      type: 'image_pairs',
      parameters: { ...shared, images: photographs.map(({ asset = '' }) => asset) },
      ...aside,
    }
  const photos = photographs.map(({ asset = '', room }) => ({
    asset_id: asset,
    ...given({ room: textOr(room) }),
  }))
  return {
    type: 'property_photos',
    parameters: { ...shared, photos, photo_order: choices.photoOrder },
    ...aside,
  }
}

/** Where each member of the request is entered. */
const fields: Readonly<Record<string, string>> = {
  type: 'type',
  video_name: 'name',
  priority: 'priority',
  run_at: 'runAt',
  deadline_at: 'deadlineAt',
  force: 'force',
  'parameters.clip_duration': 'seconds',
  'parameters.aspect_ratio': 'shape',
  'parameters.resolution': 'resolution',
  'parameters.model': 'model',
  'parameters.transition': 'transition',
  'parameters.fit': 'fit',
  'parameters.fps': 'fps',
  'parameters.title': 'title',
  'parameters.prompt': 'prompt',
  'parameters.audio': 'audio',
  'parameters.client_id': 'client',
  'parameters.photo_order': 'photoOrder',
  'parameters.photos': 'photographs',
  'parameters.images': 'photographs',
}

/** The field that holds what the server complains about; `other` if none does. */
export function fieldFor(member: string, all: readonly Photograph[]): string {
  const [, index, part] = /^parameters\.(?:photos|images)\[(\d+)\](?:\.(\w+))?/.exec(member) ?? []
  if (index === undefined) return fields[member] ?? 'other'
  const photograph = all.filter(isReady)[Number(index)]
  if (!photograph) return 'photographs'
  return `${part === 'room' ? 'room' : 'photograph'}-${photograph.id}`
}
