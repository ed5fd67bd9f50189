/**
 * What operations accept and answer beside their routes' declarations: headers, and the refusals for a key,
 * an address, a body or served bytes. All derive from the endpoint's declaration.
 */
import { namesOf } from '../edge/query-names.ts'
import type { Listing } from '../routes/endpoint.ts'
import type { Answer, Content, Header, Operation, Parameter } from './types.ts'

const text = { type: 'string' } as const
const count = { type: 'integer', minimum: 0 } as const

/** Headers of answers, by their name in the document's components. */
export const answerHeaders = {
  ETag: { description: 'Names these bytes: to be sent as If-None-Match, If-Match or If-Range', schema: text },
  'Last-Modified': {
    description: 'Since when these bytes are at this address, as an HTTP date',
    schema: text,
  },
  'Accept-Ranges': { description: 'A part may be requested by Range', schema: { const: 'bytes' } },
  'Content-Range': { description: 'Which bytes these are, and of how many: `bytes 0-99/1234`', schema: text },
  'Content-Disposition': { description: 'A file name to keep the bytes under', schema: text },
  'Cache-Control': {
    description:
      'How long the bytes may be cached: for ever where they never change, else revalidated each time',
    schema: text,
  },
  Location: { description: 'The path of what was made', schema: { type: 'string', format: 'uri-reference' } },
  'Retry-After': { description: 'Seconds to wait before the request is sent again', schema: count },
  'RateLimit-Limit': {
    description: 'Requests that the caller may send at once, and in a minute',
    schema: count,
  },
  'RateLimit-Remaining': { description: 'Requests that are left of them now', schema: count },
  'RateLimit-Reset': { description: 'Seconds until all of them are there again', schema: count },
  'WWW-Authenticate': { description: 'How to authenticate', schema: { const: 'Bearer' } },
  'Idempotency-Replayed': {
    description: 'Present where the answer is that of an earlier request with the same Idempotency-Key',
    schema: { const: 'true' },
  },
} as const satisfies Readonly<Record<string, Header>>

type HeaderName = keyof typeof answerHeaders

/** `RateLimit-*` are absent where requests are not counted. */
const rateLimits = ['RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'] as const
const ofBytes = [
  'ETag',
  'Last-Modified',
  'Accept-Ranges',
  'Content-Disposition',
  'Cache-Control',
] as const satisfies readonly HeaderName[]

const withHeaders = (names: readonly HeaderName[]): NonNullable<Answer['headers']> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))

const problem: Content = {
  'application/json': { schema: { $ref: '#/components/schemas/Problem' } },
  'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } },
}

const refusal = (description: string, headers: readonly HeaderName[] = []): Answer => ({
  description,
  ...(headers.length > 0 && { headers: withHeaders(headers) }),
  content: problem,
})

/** Answers with the same meaning everywhere, by their name in the document's components. */
export const sharedAnswers = {
  Unauthorized: refusal('No key was sent where one is needed, or it is not valid', ['WWW-Authenticate']),
  Forbidden: refusal(
    'The key needs the scope that `scope` names, or may not change this; or the request comes from a page of another site',
  ),
  TooManyRequests: refusal('The caller sends more requests than it may', ['Retry-After', ...rateLimits]),
  TooLarge: refusal('The body has more bytes than `limit_bytes`'),
  Unavailable: refusal(
    'The server is busy or stopping, or its database or store is away: nothing was changed, unless `reason` says that this is not known',
    ['Retry-After'],
  ),
  StorageFull: refusal('The disk is full: nothing was changed'),
  Unforeseen: refusal('An unexpected error: it is logged under the `request_id`'),
} as const

const shared = (name: keyof typeof sharedAnswers): Answer => ({ $ref: `#/components/responses/${name}` })

/** Whether a change accepts an Idempotency-Key, so that its repetition is not made again. */
const mayRepeat = ({ route, repeatsFreely }: Listing): boolean =>
  !route.startsWith('GET ') && repeatsFreely !== true

/** Whether the operation serves stored bytes, with ranges and validators. */
export const servesBytes = ({ responses }: Operation): boolean => {
  const types = Object.keys(responses['200']?.content ?? {})
  return types.length > 0 && types.every((type) => /^(?:video|image)\//.test(type))
}

const header = (name: string, description: string, schema: Parameter['schema'] = text): Parameter => ({
  name,
  in: 'header',
  description,
  schema: schema ?? text,
})

const idempotencyKey = header(
  'Idempotency-Key',
  'Your own text for one request: sent again with it, the request is not done again and its answer is repeated. Kept for a day',
  { type: 'string', pattern: '^[!-~]{1,255}$' },
)

const conditions: readonly Parameter[] = [
  header('Range', 'The part to answer, such as `bytes=0-1023`; several parts are answered as the whole'),
  header('If-Range', 'The ETag, or date, of which Range is a part: of other bytes the whole is answered'),
  header('If-None-Match', 'ETags that the caller has: of these bytes 304 is answered'),
  header('If-Match', 'ETags that the caller wants: for other bytes 412 is answered'),
  header('If-Modified-Since', 'An HTTP date: for bytes that are older 304 is answered'),
  header('If-Unmodified-Since', 'An HTTP date: for bytes that are newer 412 is answered'),
]

/** Query members of any name, which no schema can list. */
const freeParameter = (description: string | undefined): Parameter => ({
  name: 'labels',
  in: 'query',
  ...(description !== undefined && { description }),
  style: 'form',
  explode: true,
  schema: { type: 'object', additionalProperties: text },
})

export const parametersOf = (
  listing: Listing,
  { parameters = [], ...operation }: Operation,
): readonly Parameter[] => [
  ...parameters,
  ...(namesOf(listing.query).isOpen ? [freeParameter(listing.query?.description)] : []),
  ...(mayRepeat(listing) ? [idempotencyKey] : []),
  ...(servesBytes(operation) ? conditions : []),
]

/** All answers of an operation: its own with their headers, and its refusals. */
export function answersOf(listing: Listing, operation: Operation): Operation['responses'] {
  const good = Object.entries(operation.responses).map(([status, answer]): [string, Answer] => {
    const names: HeaderName[] = [
      ...(status === '201' ? (['Location'] as const) : []),
      ...(servesBytes(operation) ? ofBytes : []),
      ...(mayRepeat(listing) ? (['Idempotency-Replayed'] as const) : []),
      ...rateLimits,
    ]
    return [status, { ...answer, headers: { ...withHeaders(names), ...answer.headers } }]
  })
  return {
    ...Object.fromEntries(good),
    ...(servesBytes(operation) && partsOf(operation)),
    ...refusalsOf(listing, operation),
  }
}

/** Answers beside 200 where bytes are served. */
function partsOf({ responses }: Operation): Operation['responses'] {
  const { content } = responses['200']!
  return {
    206: {
      description: 'The part that Range requests',
      headers: withHeaders([...ofBytes, 'Content-Range', ...rateLimits]),
      ...(content && { content }),
    },
    304: {
      description: 'The bytes are those that If-None-Match names, or as old as If-Modified-Since says',
      headers: withHeaders(['ETag', 'Last-Modified', 'Cache-Control', ...rateLimits]),
    },
    412: refusal('The bytes are not those that If-Match or If-Unmodified-Since names'),
    416: refusal('There are no such bytes: `size` is their number', ['Content-Range']),
  }
}

function refusalsOf(listing: Listing, operation: Operation): Operation['responses'] {
  const { route, access, refuses = {} } = listing
  const json = operation.requestBody?.content['application/json'] !== undefined
  const takesBody = operation.requestBody !== undefined
  const repeats = mayRepeat(listing)
  const malformed = malformedBy(listing, operation)
  const own = Object.entries(refuses).map(([status, description]): [string, Answer] => [
    status,
    refusal(description, status === '409' ? ['Retry-After'] : []),
  ])
  const lost = lostBy(listing)
  const impossible = repeats ? 'The Idempotency-Key was sent with another request' : undefined
  return {
    ...(malformed !== undefined && { 400: refusal(malformed) }),
    ...(typeof access !== 'string' && { 401: shared('Unauthorized') }),
    403: shared('Forbidden'),
    ...(lost !== undefined && { 404: refusal(lost) }),
    ...(repeats && {
      409: refusal(
        'A request with the same Idempotency-Key is not answered yet, or its answer held a secret that is not kept',
        ['Retry-After'],
      ),
    }),
    ...((takesBody || repeats) && { 413: shared('TooLarge') }),
    ...(json && { 415: refusal('The body is not application/json, or it is compressed') }),
    ...Object.fromEntries(own),
    ...(impossible !== undefined && {
      422: refusal(refuses[422] === undefined ? impossible : `${refuses[422]}. Or: ${lowered(impossible)}`),
    }),
    429: shared('TooManyRequests'),
    500: shared('Unforeseen'),
    ...(access !== 'health' && { 503: shared('Unavailable') }),
    ...(!route.startsWith('GET ') && { 507: shared('StorageFull') }),
  }
}

const lowered = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1)

/** What can be malformed in a request, as text; undefined if nothing can. */
function malformedBy(listing: Listing, operation: Operation): string | undefined {
  const names = (operation.parameters ?? []).map(({ name }) => `\`${name}\``)
  const parts = [
    ...(names.length > 0 ? [names.join(', ')] : []),
    ...(mayRepeat(listing) ? ['the Idempotency-Key'] : []),
    ...(operation.requestBody ? ['the body'] : []),
  ]
  if (parts.length === 0 && !listing.route.includes(' /api/')) return undefined
  const [last = 'the query', ...before] = parts.toReversed()
  const what = before.length === 0 ? last : `${before.toReversed().join(', ')} or ${last}`
  return `Malformed: ${what}. \`field\` names which, \`reason\` says what it must be`
}

/** The text of 404 for an address; an operation's own text overrides it. */
function lostBy({ route }: Listing): string | undefined {
  if (route.includes('{scene_id}')) return 'There is no such job or scene, or the key does not see it'
  return /\/(?:jobs|videos)\/\{id\}/.test(route)
    ? 'There is no such job, or the key does not see it'
    : undefined
}
