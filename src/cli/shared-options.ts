/** Options and arguments that several commands share. */
import { aspectRatios, frameRates, resolutions } from '../job/format.ts'
import { jobTypes } from '../job/job-type.ts'
import { fits, transitions } from '../job/scene.ts'
import { usageError } from './command-error.ts'
import { argument, choice, flag, number, orList, several, text, textOrNone, withDefault } from './option.ts'

export const json = flag('print the answer as JSON')

/** The server's address and the access key. */
export const serverOptions = {
  url: text('address', 'a running server'),
  key: text('key', 'access key, if the server needs one; safer in the environment, as COORDINATOR_KEY'),
} as const

export const remoteOptions = {
  ...serverOptions,
  url: withDefault(serverOptions.url, 'http://127.0.0.1:4000'),
  json,
} as const

export const oneJob = argument("a job's id", jobIdOf)

export const someJobs = several(oneJob, "a job's id, or several")

/**
 * A job's id from a text.
 * @throws {CommandError} where it cannot be a job's id
 */
export function jobIdOf(given: string): number {
  const id = Number(given)
  if (!/^[1-9]\d*$/.test(given) || !Number.isSafeInteger(id))
    throw usageError(`"${given}" is no job's id, which is a number such as 123`)
  return id
}

export const oneScene = argument("a scene's number, as show lists it, or its id")

export const photos = several(argument(''), 'photographs', 'any')

export const jobName = text('text', "the film's name", { member: 'video_name' })

export const jobPriority = number('number', '0 to 100, higher first')

export const jobReason = text('text', "why, for the job's history")

export const jobDeadline = textOrNone('time', 'fail if it has not ended by then; none for no deadline', {
  member: 'deadline_at',
})

export const clientId = (about: string) => text('id', about, { member: 'client_id' })

export const since = (about: string) => text('time', `${about}, such as 2026-11-25T00:00:00Z`)

export const rowLimit = (many = 20) => withDefault(number('number', 'how many'), many)

/** How a film is made: its request's parameters. */
export const filmOptions = {
  title: text('text', 'shown over the first scene'),
  resolution: choice('name', resolutions, '{} (default: 720p)'),
  fps: number('number', `frames a second: ${orList(frameRates)} (default: 24)`),
  aspectRatio: choice('w:h', aspectRatios, '{} (default: 16:9)'),
  clipDuration: number('s', 'seconds of each scene (default: 5)'),
  transition: choice('name', transitions, '{} (default: fade)'),
  fit: choice('name', fits, 'how a picture of another shape fills the frame: {} (default: crop)'),
  type: choice(
    'name',
    jobTypes,
    'image_pairs: each picture passes into the next. property_photos: a scene for each picture, in the order of a visit, by rooms in the file names such as kitchen.jpg (default if most names contain a room, and for one picture)',
  ),
  model: text(
    'name',
    'local, on this machine (default), or a paid model such as google/veo-3.1-fast; those need REPLICATE_API_TOKEN at the server',
  ),
  audio: flag('let a paid model make sound too'),
} as const

/** Where to save a film. */
export const outputOptions = {
  out: text('file', 'save the film there (default: the first free of film.mp4, film-2.mp4, ...)'),
  force: flag('replace the file at --out'),
} as const
