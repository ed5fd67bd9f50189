/**
 * One declaration per endpoint: name, access, input, answers, refusals and handler. The router, the check of
 * scopes, the refusal of unknown query names, Idempotency-Key and the API's description derive from it.
 */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Actor } from '../../job/event.ts'
import { type Rights, changedBy, seenBy } from '../../job/reach.ts'
import { type Access, type Guarded, undeclared } from '../access/access.ts'
import { readJson, readOptionalJson } from '../edge/body.ts'
import { actorOf, principalOf } from '../edge/principal.ts'
import { malformed } from '../edge/problem.ts'
import { namesOf } from '../edge/query-names.ts'
import type { Need, Parts } from './parts.ts'

/** Such as `GET /api/v3/jobs/{id}`. */
export type Route = `${'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} /${string}`

export const tags = {
  jobs: 'A job asks for one film. It waits for approval, then its scenes are rendered and joined.',
  scenes: 'One clip of the film each; to be changed, rendered again, or decided.',
  films: 'The bytes: films, their earlier versions, thumbnails, clips. With ranges, ETag and HEAD.',
  assets: 'Photographs that jobs are made of, by the SHA-256 of their bytes.',
  money: 'Estimates, the ledger, sums by client and month, and budgets.',
  events: 'Live events and the history of a job.',
  webhooks: 'Addresses that receive events.',
  keys: 'Keys with their scopes, and the secret that signs addresses.',
  operations: 'For operators of the server.',
} as const

export type Tag = keyof typeof tags

/** A zod schema, or one as in the OpenAPI document. */
type MediaSchema = z.ZodType | Readonly<Record<string, unknown>>
type Content = Readonly<Record<string, { readonly schema: MediaSchema }>>

export interface Answer<Schema extends z.ZodType = z.ZodType> {
  readonly status: 200 | 201 | 202 | 204
  readonly description: string
  /** The schema of the handler's result. */
  readonly json?: Schema
  readonly content?: Content
}

/** A JSON body. The coordinator checks it, for HTTP and for programs alike. */
export interface JsonBody {
  readonly name: string
  readonly schema: z.ZodType
  /** A typical body. */
  readonly example: unknown
  readonly required: boolean
}

/** A body that the handler reads itself. */
export interface RawBody {
  readonly required: true
  readonly content: Content
}

/** The endpoint in the API's description. */
export interface Description {
  /** The operation's name, in the document and in the client. */
  readonly id: string
  readonly route: Route
  readonly access: Access
  readonly summary: string
  /** What it does beyond the summary. */
  readonly description: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** For the description only. */
  readonly headers?: z.ZodObject
  readonly body?: JsonBody | RawBody
  readonly answer: Answer
  /**
   * The endpoint's own refusals, by status. Those for its key, address or body derive from the declaration
   * (`openapi/answers.ts`).
   */
  readonly refuses?: Readonly<Partial<Record<404 | 409 | 410 | 415 | 422, string>>>
  /** A repetition has the same effect, so Idempotency-Key is ignored. */
  readonly repeatsFreely?: true
}

type Schemas = z.ZodObject | undefined
type OutputOf<Schema extends Schemas> = Schema extends z.ZodObject ? z.output<Schema> : undefined

/** A request after the guards, parsed by the endpoint's schemas. */
interface Call<Params extends Schemas, Query extends Schemas> {
  readonly c: Context
  readonly params: OutputOf<Params>
  readonly query: OutputOf<Query>
  /** The parsed JSON; `{}` where an optional body is absent. */
  readonly body: unknown
  /** Undefined without keys. */
  readonly rights: Rights | undefined
  /** The actor, for the coordinator's verbs. */
  readonly by: Actor
}

/** The parts that always exist, and the one that the endpoint needs. */
type PartsWith<Part extends Need> = Omit<Parts, Need> & {
  readonly [part in Part]-?: NonNullable<Parts[part]>
}

type Awaitable<Value> = Value | Promise<Value>

interface Declaration<
  Params extends Schemas,
  Query extends Schemas,
  Schema extends z.ZodType,
  Part extends Need,
> extends Description {
  readonly params?: Params & z.ZodObject
  readonly query?: Query & z.ZodObject
  readonly answer: Answer<Schema>
  /** The endpoint is served only where the server has this part. */
  readonly needs?: Part
  /**
   * Equal requests of callers with equal rights that arrive together are answered once; `handle` uses no `c`.
   * `while_unchanged`: also those that arrive before anything was written.
   */
  readonly isShared?: true | 'while_unchanged'
  /** Returns the value to send as JSON, or a whole response. */
  readonly handle: (
    call: Call<Params, Query>,
    parts: PartsWith<Part>,
  ) => Awaitable<z.output<NoInfer<Schema>> | Response>
}

export interface Endpoint extends Guarded {
  readonly route: Route
  readonly needs?: Need | undefined
  /** Undefined where the API's description omits the endpoint. */
  readonly listing?: Listing
  readonly handle: (c: Context, parts: Parts) => Awaitable<Response>
}

export interface Listing extends Description {
  readonly tag: Tag
}

type Untagged = Omit<Endpoint, 'listing'> & { readonly described: Description }

export function endpoint<
  Schema extends z.ZodType,
  Params extends Schemas = undefined,
  Query extends Schemas = undefined,
  Part extends Need = never,
>({ needs, handle, isShared, ...described }: Declaration<Params, Query, Schema, Part>): Untagged {
  const { route, access, query, params, body, answer, repeatsFreely }: Description = described
  return {
    route,
    access,
    needs,
    described,
    queryNames: namesOf(query),
    isStream: answer.content?.['text/event-stream'] !== undefined,
    takesIdempotencyKey: !route.startsWith('GET ') && repeatsFreely !== true,
    async handle(c, parts) {
      const call = {
        c,
        query: await parsed(query, queryOf(c)),
        params: await parsed(params, c.req.param()),
        body: body && 'schema' in body ? await jsonOf(c, body, parts) : undefined,
        rights: principalOf(c).rights,
        by: actorOf(c),
      }
      const work = async () =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- served only with its part
        handle(call as Call<Params, Query>, parts as unknown as PartsWith<Part>)
      if (isShared) {
        const { pathname, search } = new URL(c.req.url)
        const question = JSON.stringify([pathname, search, call.rights && rightsIn(call.rights)])
        const share = isShared === true ? parts.share : parts.share.whileUnchanged
        const text = await share(question, async () => JSON.stringify(await work()))
        return c.body(text, 200, { 'content-type': 'application/json' })
      }
      const result = await work()
      if (answer.status === 204) return c.body(null, 204)
      return result instanceof Response ? result : c.json(result, answer.status)
    },
  }
}

/** What decides what a key sees, which is equal for many keys. */
const rightsIn = (rights: Rights): unknown => [rights.scopes, seenBy(rights), changedBy(rights)]

/** Endpoints under one tag of the API's description. */
export const resource = (tag: Tag, endpoints: readonly Untagged[]): readonly Endpoint[] =>
  endpoints.map(({ described, ...rest }) => ({ ...rest, listing: { ...described, tag } }))

/** An endpoint that the API's description omits; its route is the router's own pattern. */
export const unlisted = <Part extends Need = never>({
  handle,
  ...declared
}: Pick<Endpoint, 'route' | 'access'> & {
  readonly needs?: Part
  readonly handle: (c: Context, parts: PartsWith<Part>) => Awaitable<Response>
}): Endpoint => ({
  ...declared,
  isStream: false,
  takesIdempotencyKey: false,
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- served only with its part
  handle: (c, parts) => handle(c, parts as unknown as PartsWith<Part>),
})

/** The method and the router's pattern. */
export function patternOf(route: Route): readonly [method: string, pattern: string] {
  const [method = '', path = ''] = route.split(' ')
  return [method, path.replaceAll(/\/\{(\w+)\}/g, '/:$1')]
}

/**
 * Finds the endpoints that a request leads to. Middleware is matched under the method ALL.
 * @throws {Error} if a route is declared twice: the first would answer under the access of the last.
 */
export function finderOf(endpoints: readonly Endpoint[]): (c: Context) => readonly Guarded[] {
  const byPattern = new Map<string, Endpoint>()
  const shapes = new Set<string>()
  for (const one of endpoints) {
    const pattern = patternOf(one.route).join(' ')
    const shape = pattern.replaceAll(/:\w+/g, ':')
    if (shapes.has(shape)) throw new Error(`${one.route} is declared twice`)
    shapes.add(shape)
    byPattern.set(pattern, one)
  }
  return (c) =>
    matchedRoutes(c)
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => byPattern.get(`${method} ${path}`) ?? undeclared)
}

const queryOf = (c: Context): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => [name, values.length === 1 ? values[0] : values]),
  )

async function parsed(schema: z.ZodObject | undefined, given: object): Promise<unknown> {
  if (!schema) return undefined
  const { success, data, error } = await schema.safeParseAsync(given)
  if (success) return data
  throw malformed(error.issues.map(({ path, message }) => ({ field: path.join('.'), reason: message })))
}

const jsonOf = (c: Context, { required }: JsonBody, { limits }: Parts): Promise<unknown> =>
  required ? readJson(c, limits) : readOptionalJson(c, limits)

/** `other`: what the handler may answer instead of JSON. */
export const json = <Schema extends z.ZodType>(
  status: 200 | 201 | 202,
  schema: Schema,
  description: string,
  other: Content = {},
): Answer<Schema> => ({
  status,
  description,
  json: schema,
  content: { ...other, 'application/json': { schema } },
})

/** A response that the handler builds itself. */
export const whole = (description: string, content: Content): Answer<z.ZodNever> => ({
  status: 200,
  description,
  content,
})

export const binary = { type: 'string', format: 'binary' } as const

export const bytes = (contentType: string, description: string): Answer<z.ZodNever> =>
  whole(description, { [contentType]: { schema: binary } })

export const nothing = (description: string): Answer<z.ZodVoid> => ({ status: 204, description })

export const jsonBody = (name: string, schema: z.ZodType, example: unknown): JsonBody => ({
  name,
  schema,
  example,
  required: true,
})

export const optionalJsonBody = (name: string, schema: z.ZodType, example: unknown): JsonBody => ({
  ...jsonBody(name, schema, example),
  required: false,
})

/** For a named schema: with `nullable()`, the description would allow null wherever the name is used. */
export const orNull = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, z.null()])
