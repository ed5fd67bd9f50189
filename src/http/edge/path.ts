/** Ids, cursors and times in addresses: schemas and formats. */
import { z } from '@hono/zod-openapi'
import { jobNotFound } from '../../job/errors.ts'
import { momentSchema } from '../../job/members.ts'
import { malformedField } from './problem.ts'

const written = (pattern: RegExp, reason: string) => z.string({ error: reason }).regex(pattern, reason)

const param = (name: string, description: string) => ({ param: { name, in: 'path', description } as const })

const jobId = written(/^(?:0|-?[1-9]\d*)$/, 'must be an integer, such as 123')
  .transform(jobIdOf)
  .openapi({ ...param('id', 'The job'), type: 'integer', example: 123 })

const uuid = (name: string, description: string) =>
  written(
    /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
    'must be a UUID, such as 3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f',
  )
    .transform((id) => id.toLowerCase())
    .openapi({ ...param(name, description), type: 'string', format: 'uuid' })

const assetId = written(
  /^[0-9a-f]{64}$/,
  'must be the SHA-256 of the image: 64 characters of 0-9 and a-f',
).openapi(param('id', 'The photograph: SHA-256 of its bytes'))

const keyId = written(/^[0-9a-f]{12}$/, 'must be the id of a key: 12 characters of 0-9 and a-f').openapi(
  param('id', 'The key'),
)

const versionNumber = written(/^[1-9]\d{0,8}$/, 'must be a whole number from 1')
  .transform(Number)
  .openapi({ ...param('version', 'The version of the film, from 1'), type: 'integer' })

export const jobPath = z.object({ id: jobId })
export const scenePath = z.object({ id: jobId, scene_id: uuid('scene_id', 'The scene') })
export const versionPath = z.object({ id: jobId, version: versionNumber })
export const assetPath = z.object({ id: assetId })
export const keyPath = z.object({ id: keyId })
export const endpointPath = z.object({ id: uuid('id', 'The endpoint') })
export const deliveryPath = z.object({ id: uuid('id', 'The delivery') })

/**
 * Parses a job's id. An integer that cannot be one counts as unknown.
 * @throws {RefusedError} `job_not_found`
 */
export function jobIdOf(given: string): number {
  const id = Number(given)
  if (!Number.isSafeInteger(id) || id < 1) throw jobNotFound(given)
  return id
}

/** Addresses of the API's resources. */
export const addressOf = {
  film: (job: number): string => `/api/v3/videos/${job}/combined`,
  thumbnail: (job: number): string => `/api/v3/videos/${job}/thumbnail`,
  clip: (job: number, scene: string): string => `/api/v3/videos/${job}/clips/${scene}`,
  job: (job: number): string => `/api/v3/jobs/${job}`,
  scene: (job: number, scene: string): string => `/api/v3/jobs/${job}/scenes/${scene}`,
  asset: (id: string): string => `/api/v3/assets/${id}`,
  filmVersion: (job: number, version: number): string => `/api/v3/videos/${job}/versions/${version}/combined`,
  /** A picture for a provider: the address itself names the attempt. `sign` returns its query. */
  input: (mark: string, n: number, sign: (text: string) => string): string =>
    `/api/inputs/${mark}/${n}.jpg?${sign(signedText.input(mark, n))}`,
  /** A film for everybody who has the address. `version`: null shows the job's film. */
  sharedFilm: (job: number, version: number | null, sign: (text: string) => string): string =>
    `/api/films/${job}/${version === null ? 'film' : `version-${version}`}.mp4?${sign(signedText.film(job, version))}`,
  sharedFilmPattern: '/api/films/:job{[1-9][0-9]{0,14}}/:file',
  inputPattern: '/api/inputs/:mark{wc-[0-9a-f]{12}-[0-9a-f-]{36}}/:picture',
  /** The address where a provider reports the end of an attempt. */
  webhook: (attemptId: string, sign: (text: string) => string): string =>
    `/api/webhooks/replicate/${attemptId}?${sign(signedText.webhook(attemptId))}`,
  webhookPattern: '/api/webhooks/replicate/:attempt',
} as const

/** The text that an address's signature covers: one for reading does not allow reporting. */
export const signedText = {
  input: (mark: string, n: number): string => `input ${mark} ${n}`,
  webhook: (attemptId: string): string => `webhook ${attemptId}`,
  film: (job: number, version: number | null): string => `film ${job} ${version ?? 'shown'}`,
}

/** A query member; a repeated one would be an array. Databases cannot search for U+0000. */
export const once = (name: string) =>
  z
    .string({ error: `${name} must be given once` })
    .refine((text) => !text.includes('\u0000'), 'must not contain U+0000')

/** A time in the query, as ms since the epoch. */
export const timeQuery = (name: string) =>
  once(name).pipe(momentSchema).optional().openapi({ type: 'string', format: 'date-time' })

export const jobIdQuery = once('job_id')
  .regex(/^(?:0|[1-9]\d*)$/, 'must be an integer, such as 123')
  .transform(jobIdOf)
  .optional()
  .openapi({ type: 'string', pattern: String.raw`^(?:0|[1-9]\d*)$` })
  .describe('Only of this job')

export const clientIdQuery = once('client_id').optional().describe('Only of this client')

/** The number of entries per page; `standard` without one in the query. */
export const pageLimit = ({ standard, most }: { readonly standard: number; readonly most: number }) =>
  once('limit')
    .regex(/^[1-9]\d{0,2}$/, `must be a whole number from 1 to ${most}`)
    .transform(Number)
    .refine((limit) => limit <= most, `must be a whole number from 1 to ${most}`)
    .default(standard)
    .openapi({ type: 'integer', minimum: 1, maximum: most })

export const cursorQuery = once('cursor').optional().describe('next_cursor of the page before')

/** Encodes the end of a page. Clients return it without reading it. */
export const writeCursor = (end: string): string => Buffer.from(end).toString('base64url')

/** The parts of the cursor that `pattern` captures. @throws {HttpProblem} */
export function readCursor(cursor: string, pattern: RegExp): readonly string[] {
  const [, ...parts] = pattern.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (parts.length === 0) throw malformedField('cursor', 'must be the next_cursor of an earlier answer')
  return parts
}

interface Entry {
  readonly insertedAt: number
  readonly id: string
}

/** A cursor for lists ordered by time and id. */
export const writeEntryCursor = (end: Entry | null | undefined): string | null =>
  end ? writeCursor(`${end.insertedAt}:${end.id}`) : null

export function readEntryCursor(cursor: string | undefined): Entry | undefined {
  if (cursor === undefined) return undefined
  const [insertedAt = '', id = ''] = readCursor(cursor, /^(\d{1,15}):([0-9a-f-]{36})$/)
  return { insertedAt: Number(insertedAt), id }
}

/** ISO 8601, UTC. */
export const timeSchema = z.string().openapi({ format: 'date-time' })
export const timeOf = (ms: number): string => new Date(ms).toISOString()
export const timeOrNull = (ms: number | null): string | null => (ms === null ? null : timeOf(ms))
