/** What stands in addresses: ids as they are written, and what they mean. */
import { z } from '@hono/zod-openapi'
import { jobNotFound } from '../../job/errors.ts'
import { momentSchema } from '../../job/members.ts'

const written = (pattern: RegExp, reason: string) => z.string({ error: reason }).regex(pattern, reason)

const jobId = written(/^(?:0|-?[1-9]\d*)$/, 'must be an integer, such as 123').openapi({
  param: { name: 'id', in: 'path' },
  type: 'integer',
  example: 123,
})

const sceneId = written(
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  'must be a UUID, such as 3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f',
).openapi({ param: { name: 'scene_id', in: 'path' } })

const assetId = written(
  /^[0-9a-f]{64}$/,
  'must be the SHA-256 of the image: 64 characters of 0-9 and a-f',
).openapi({
  param: { name: 'id', in: 'path' },
})

export const jobPath = z.object({ id: jobId })
export const scenePath = z.object({ id: jobId, scene_id: sceneId })
export const assetPath = z.object({ id: assetId })

/** An integer that no job can have is the id of a job that isn't there. @throws {RefusedError} `job_not_found` */
export function jobIdOf(given: string): number {
  const id = Number(given)
  if (!Number.isSafeInteger(id) || id < 1) throw jobNotFound(given)
  return id
}

/** Where things are found over HTTP. */
export const addressOf = {
  film: (jobIdGiven: number): string => `/api/v3/videos/${jobIdGiven}/combined`,
  thumbnail: (jobIdGiven: number): string => `/api/v3/videos/${jobIdGiven}/thumbnail`,
  clip: (jobIdGiven: number, sceneIdGiven: string): string =>
    `/api/v3/videos/${jobIdGiven}/clips/${sceneIdGiven}`,
  job: (jobIdGiven: number): string => `/api/v3/jobs/${jobIdGiven}`,
  scene: (jobIdGiven: number, sceneIdGiven: string): string =>
    `/api/v3/jobs/${jobIdGiven}/scenes/${sceneIdGiven}`,
  asset: (id: string): string => `/api/v3/assets/${id}`,
  filmVersion: (jobIdGiven: number, version: number): string =>
    `/api/v3/videos/${jobIdGiven}/versions/${version}/combined`,
  /** A picture that a provider may fetch: the address itself says of which attempt it is. `sign` makes its query. */
  input: (mark: string, n: number, sign: (text: string) => string): string =>
    `/api/inputs/${mark}/${n}.jpg?${sign(signedText.input(mark, n))}`,
  inputPattern: '/api/inputs/:mark{wc-[0-9a-f]{12}-[0-9a-f-]{36}}/:picture',
  /** Where a provider tells what became of an attempt. */
  webhook: (attemptId: string, sign: (text: string) => string): string =>
    `/api/webhooks/replicate/${attemptId}?${sign(signedText.webhook(attemptId))}`,
  webhookPattern: '/api/webhooks/replicate/:attempt',
} as const

/** What an address' signature is of: one for reading is none for reporting. */
export const signedText = {
  input: (mark: string, n: number): string => `input ${mark} ${n}`,
  webhook: (attemptId: string): string => `webhook ${attemptId}`,
}

/** A member of the query; given twice it is an array. No database can look for U+0000. */
export const once = (name: string) =>
  z
    .string({ error: `${name} must be given once` })
    .refine((text) => !text.includes('\u0000'), 'must not contain U+0000')

/** A time in the query, as ms since the epoch. */
export const timeQuery = (name: string) =>
  once(name).pipe(momentSchema).optional().openapi({ type: 'string', format: 'date-time' })

/** Where a page ended: to be handed back, not to be read. */
export const writeCursor = (place: string): string => Buffer.from(place).toString('base64url')

export const readCursor = (cursor: string): string => Buffer.from(cursor, 'base64url').toString()

/** ISO 8601, UTC. */
export const timeSchema = z.string().openapi({ format: 'date-time' })
export const timeOf = (ms: number): string => new Date(ms).toISOString()
export const timeOrNull = (ms: number | null): string | null => (ms === null ? null : timeOf(ms))
