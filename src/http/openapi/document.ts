/** The API described as OpenAPI 3.1, of the same schemas that check requests; with what no route says of itself. */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { Hono } from 'hono'
import { accessByRoute, scopesFor } from '../access/access.ts'
import {
  type Described,
  answerHeaders,
  answersOf,
  parametersOf,
  servesBytes,
  sharedAnswers,
} from './answers.ts'
import { pascal, webhookMessages } from '../routes/event-schemas.ts'
import { operationTexts } from './operation-texts.ts'

/** A JSON schema, as far as it is looked at here. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema | boolean
  readonly prefixItems?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly format?: string
  readonly [keyword: string]: unknown
}

export type Content = Readonly<Record<string, { readonly schema?: Schema }>>

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly description?: string
  readonly schema?: Schema
  readonly style?: 'form'
  readonly explode?: boolean
}

export interface Header {
  readonly description: string
  readonly schema: Schema
}

/** One that means the same everywhere stands in the components, and is referred to. */
export interface Answer {
  readonly $ref?: string
  readonly description?: string
  readonly headers?: Readonly<Record<string, Header | { readonly $ref: string }>>
  readonly content?: Content
}

export interface Operation {
  readonly operationId?: string
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly description?: string
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, Answer>>
}

export const methods = ['get', 'post', 'put', 'patch', 'delete'] as const
export type Method = (typeof methods)[number]

/** HEAD is described where bytes are served; it answers as GET does everywhere, without the body. */
export type PathItem = { readonly [method in Method | 'head']?: Operation }

export interface ApiDocument {
  readonly openapi: string
  readonly info: {
    readonly title: string
    readonly version: string
    readonly description: string
    readonly license: { readonly name: string; readonly url: string }
  }
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, PathItem>>
  readonly webhooks: Readonly<Record<string, PathItem>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>
    readonly responses: Readonly<Record<string, Answer>>
    readonly headers: Readonly<Record<string, Header>>
    readonly securitySchemes: Readonly<Record<string, unknown>>
  }
}

const tags = {
  jobs: 'A job asks for one film. It waits for approval, then its scenes are rendered and joined.',
  scenes: 'One clip of the film each; to be changed, rendered again, or decided.',
  films: 'The bytes: films, their earlier versions, thumbnails, clips. With ranges, ETag and HEAD.',
  assets: 'Photographs that jobs are made of, by the SHA-256 of their bytes.',
  money: 'What it would cost, what it has cost, and what may be spent.',
  events: 'What happens, as it happens, and what happened.',
  webhooks: 'Addresses that are told of events.',
  keys: 'Who may do what, and what proves an address ours.',
  operations: 'For those who run the server.',
} as const

interface Naming {
  readonly id: string
  readonly tag: keyof typeof tags
  /** Where the route has none. */
  readonly summary?: string
}

const named = (tag: Naming['tag'], id: string, summary?: string): Naming => ({
  id,
  tag,
  ...(summary !== undefined && { summary }),
})

/** The one table of what operations are called, in documents and in the client; a test misses none. */
const operations: Readonly<Record<string, Naming>> = {
  'POST /api/v3/jobs': named('jobs', 'createJob'),
  'GET /api/v3/jobs': named('jobs', 'listJobs'),
  'GET /api/v3/jobs/{id}': named('jobs', 'readJob', 'A job: its state, its plan, what it costs'),
  'PATCH /api/v3/jobs/{id}': named('jobs', 'updateJob'),
  'DELETE /api/v3/jobs/{id}': named('jobs', 'deleteJob'),
  'POST /api/v3/jobs/{id}/approve': named('jobs', 'approveJob'),
  'POST /api/v3/jobs/{id}/reject': named('jobs', 'rejectJob'),
  'POST /api/v3/jobs/{id}/submit': named('jobs', 'submitJob'),
  'POST /api/v3/jobs/{id}/cancel': named('jobs', 'cancelJob'),
  'POST /api/v3/jobs/{id}/retry': named('jobs', 'retryJob'),
  'POST /api/v3/jobs/{id}/pause': named('jobs', 'pauseJob'),
  'POST /api/v3/jobs/{id}/resume': named('jobs', 'resumeJob'),
  'POST /api/v3/jobs/approve': named('jobs', 'approveJobs'),
  'POST /api/v3/jobs/cancel': named('jobs', 'cancelJobs'),

  'GET /api/v3/jobs/{id}/scenes': named('scenes', 'listScenes', "A job's scenes, in the film's order"),
  'POST /api/v3/jobs/{id}/scenes': named('scenes', 'addScene'),
  'GET /api/v3/jobs/{id}/scenes/{scene_id}': named('scenes', 'readScene', 'A scene'),
  'PUT /api/v3/jobs/{id}/scenes/{scene_id}': named('scenes', 'updateScene'),
  'DELETE /api/v3/jobs/{id}/scenes/{scene_id}': named('scenes', 'deleteScene'),
  'POST /api/v3/jobs/{id}/scenes/{scene_id}/regenerate': named('scenes', 'regenerateScene'),
  'POST /api/v3/jobs/{id}/scenes/{scene_id}/resolve': named('scenes', 'resolveScene'),

  'GET /api/v3/videos/{id}/combined': named('films', 'film', 'The finished film'),
  'GET /api/v3/videos/{id}/thumbnail': named('films', 'thumbnail', 'A picture of the film'),
  'GET /api/v3/videos/{id}/clips/{scene_id}': named('films', 'clip', "One scene's clip"),
  'GET /api/v3/videos/{id}/versions': named('films', 'listFilmVersions'),
  'POST /api/v3/videos/{id}/versions/{version}/current': named('films', 'showFilm'),
  'GET /api/v3/videos/{id}/versions/{version}/combined': named('films', 'filmVersion', 'An earlier film'),

  'POST /api/v3/assets': named('assets', 'uploadAsset'),
  'GET /api/v3/assets/{id}': named('assets', 'readAsset', 'What is known of a photograph'),
  'GET /api/v3/assets/{id}/data': named('assets', 'assetData', "A photograph's bytes, as they were uploaded"),

  'POST /api/v3/estimates': named('money', 'estimateJob'),
  'GET /api/v3/ledger': named('money', 'readLedger'),
  'GET /api/v3/spend': named('money', 'readSpend'),
  'GET /api/v3/budgets': named('money', 'readBudgets'),
  'PUT /api/v3/budgets': named('money', 'setBudgets'),

  'GET /api/v3/events': named('events', 'events'),
  'POST /api/v3/events/token': named('events', 'createEventsToken'),
  'GET /api/v3/jobs/{id}/events': named('events', 'watchJob'),
  'GET /api/v3/jobs/{id}/history': named('events', 'readHistory'),

  'GET /api/v3/webhooks/endpoints': named('webhooks', 'listWebhookEndpoints'),
  'POST /api/v3/webhooks/endpoints': named('webhooks', 'addWebhookEndpoint'),
  'GET /api/v3/webhooks/endpoints/{id}': named('webhooks', 'readWebhookEndpoint'),
  'PATCH /api/v3/webhooks/endpoints/{id}': named('webhooks', 'changeWebhookEndpoint'),
  'DELETE /api/v3/webhooks/endpoints/{id}': named('webhooks', 'removeWebhookEndpoint'),
  'GET /api/v3/webhooks/endpoints/{id}/secret': named('webhooks', 'readWebhookSecret'),
  'POST /api/v3/webhooks/endpoints/{id}/rotate': named('webhooks', 'rotateWebhookSecret'),
  'POST /api/v3/webhooks/endpoints/{id}/test': named('webhooks', 'testWebhookEndpoint'),
  'GET /api/v3/webhooks/endpoints/{id}/deliveries': named('webhooks', 'listWebhookDeliveries'),
  'GET /api/v3/webhooks/deliveries/{id}': named('webhooks', 'readWebhookDelivery'),
  'POST /api/v3/webhooks/deliveries/{id}/redeliver': named('webhooks', 'redeliverWebhook'),
  'GET /api/v3/webhooks/secret': named('webhooks', 'readSharedWebhookSecret'),
  'POST /api/v3/webhooks/secret/rotate': named('webhooks', 'rotateSharedWebhookSecret'),

  'GET /api/v3/keys': named('keys', 'listKeys'),
  'POST /api/v3/keys': named('keys', 'createKey'),
  'POST /api/v3/keys/{id}/rotate': named('keys', 'rotateKey'),
  'POST /api/v3/keys/{id}/revoke': named('keys', 'revokeKey'),
  'POST /api/v3/secret/rotate': named('keys', 'rotateSecret'),

  'GET /api/v3/limits': named('operations', 'readLimits'),
  'PUT /api/v3/limits': named('operations', 'setLimits'),
  'POST /api/v3/pause': named('operations', 'pause'),
  'POST /api/v3/resume': named('operations', 'resume'),
  'GET /metrics': named('operations', 'readMetrics', 'What it is doing, as Prometheus reads it'),
  'GET /api/v3/storage': named('operations', 'readStorage'),
  'POST /api/v3/storage/prune': named('operations', 'pruneStorage'),
  'GET /livez': named('operations', 'isAlive', 'Whether the process answers'),
  'GET /readyz': named('operations', 'isReady', 'Whether it can do its work'),
}

const photo = (digit: string): string => digit.repeat(64)

/** Bodies as one would send them, by the schema that checks them. */
const examples: Readonly<Record<string, unknown>> = {
  JobRequest: {
    type: 'property_photos',
    parameters: {
      photos: [
        { asset_id: photo('a'), room: 'Living room' },
        { asset_id: photo('b'), room: 'Kitchen' },
      ],
      clip_duration: 4,
      campaign_id: 'spring',
    },
    video_name: '12 Elm Street',
  },
  Approval: { revision: 1, max_cost: 0.8 },
  RetryRequest: { reason: 'the provider is back' },
  Rejection: { note: 'the kitchen is shown twice' },
  Why: { reason: 'the client changed the order' },
  JobChange: { priority: 80, deadline_at: '2027-01-15T18:00:00Z' },
  ApprovalBatch: { job_ids: [123, 124], max_cost: 0.8 },
  CancelBatch: { job_ids: [123, 124] },
  NewScene: { asset_ids: [photo('c')], duration: 4, position: 1 },
  SceneChange: { prompt: 'A slow pan across the kitchen', duration: 6 },
  Resolution: { resolution: 'absent' },
  BudgetChange: { day: 20, job: 2.5 },
  LimitsChange: { renderers: { replicate: { max_concurrency: 8 } } },
  PauseRequest: { renderer: 'replicate', reason: 'the provider is being looked into' },
  KeyRequest: { name: 'web shop', scopes: ['read', 'submit'] },
  KeyRotation: {},
  PruneRequest: { dry_run: true },
  WebhookEndpointRequest: { url: 'https://films.example/hooks', event_types: ['job_completed'] },
  WebhookEndpointChange: { status: 'disabled' },
}

const description = `Photographs in, one film out. Nothing is rendered before its cost is approved.

Times are ISO 8601 in UTC, sums US dollars. An error is \`{"error": ..., "reason": ...}\` with the members that say where; a client that accepts \`application/problem+json\` gets it as RFC 9457. A change with an \`Idempotency-Key\` that is sent again is not made again. Every address that answers GET answers HEAD, too. Whatever the address, 408, 421 (\`ALLOWED_HOSTS\`) and 431 may be answered before it is looked at.`

const problem: Schema = {
  type: 'object',
  description: 'What is wrong. Further members say where, such as job_id and current_status.',
  properties: {
    error: { type: 'string', description: 'What went wrong, in a few words' },
    reason: { type: 'string', description: 'Why, and what to do about it' },
    field: { type: 'string', description: 'The first member of the request that is wrong' },
    problems: {
      type: 'array',
      description: 'Every member of the request that is wrong',
      items: {
        type: 'object',
        properties: { field: { type: 'string' }, reason: { type: 'string' } },
        required: ['field', 'reason'],
      },
    },
    request_id: {
      type: 'string',
      description: 'Of an error that nobody foresaw: under this id it is logged',
    },
  },
  required: ['error'],
  additionalProperties: true,
}

const problemDetails: Schema = {
  description: 'The same as RFC 9457 has it',
  allOf: [{ $ref: '#/components/schemas/Problem' }],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'detail'],
}

const bearer = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A key, needed where the server was told to ask for one. Each operation names the scope that its key has to have; admin may do everything.',
} as const

export const packageVersion = (): string => {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is our own
  return (JSON.parse(text) as { readonly version: string }).version
}

/** The document of all routes that the app has by now. */
export function describeApi(app: OpenAPIHono): ApiDocument {
  const info = {
    title: 'Workflow Coordinator',
    version: packageVersion(),
    description,
    license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the library's own type has it, and plain JSON
  const routes = JSON.parse(JSON.stringify(app.getOpenAPI31Document({ openapi: '3.1.0', info }))) as Pick<
    ApiDocument,
    'openapi' | 'paths'
  > & {
    readonly components: Pick<ApiDocument['components'], 'schemas'>
  }
  const paths = Object.entries(routes.paths).map(([path, item]) => [path, describePath(path, item)] as const)
  const schemas = Object.entries(routes.components.schemas).flatMap(([name, given]) => {
    const schema = withItems(given)
    return discriminated(name, name in examples ? { ...schema, examples: [examples[name]] } : schema)
  })
  return {
    openapi: routes.openapi,
    info,
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, about]) => ({ name, description: about })),
    paths: Object.fromEntries(paths),
    webhooks: Object.fromEntries(
      Object.entries(webhookMessages).map(([type, { about, data }]) => [type, webhook(type, about, data)]),
    ),
    components: {
      responses: sharedAnswers,
      headers: answerHeaders,
      schemas: { ...Object.fromEntries(schemas), Problem: problem, ProblemDetails: problemDetails },
      securitySchemes: { bearer },
    },
  }
}

/** An answer as it stands, where it may only be referred to. */
export const answerIn = ({ components }: ApiDocument, answer: Answer): Answer =>
  referredTo(components.responses, answer)

const referredTo = (answers: Readonly<Record<string, Answer>>, answer: Answer): Answer =>
  answer.$ref === undefined ? answer : answers[answer.$ref.split('/').at(-1)!]!

function describePath(path: string, item: PathItem): PathItem {
  const described: { [method in Method | 'head']?: Operation } = {}
  for (const method of methods) {
    const operation = item[method]
    if (operation) described[method] = describe(`${method.toUpperCase()} ${path}`, operation)
  }
  const { get } = described
  return { ...described, ...(get && servesBytes(get) && { head: headOf(get) }) }
}

function describe(route: string, operation: Operation): Operation {
  const naming = operations[route]
  const access = accessByRoute[route.replaceAll(/\{(\w+)\}/g, ':$1')] ?? 'admin'
  const text = naming && operationTexts[naming.id]
  const described: Described = { route, operation, access, text }
  const parameters = parametersOf(described)
  return {
    ...(naming && { operationId: naming.id, tags: [naming.tag] }),
    ...(naming?.summary !== undefined && { summary: naming.summary }),
    ...(text && { description: text.about }),
    ...operation,
    security: scopesFor(access).map((scope) => ({ bearer: [scope] })),
    ...(parameters.length > 0 && { parameters }),
    responses: answersOf(described),
  }
}

/** The answers to GET without their bodies; of ranges RFC 9110 knows none here. */
function headOf({ operationId = '', parameters = [], responses, ...get }: Operation): Operation {
  const answers = Object.entries(responses)
    .filter(([status]) => status !== '206' && status !== '416')
    .map(([status, answer]): [string, Answer] => {
      const { content: _body, ...head } = referredTo(sharedAnswers, answer)
      return [status, head]
    })
  return {
    ...get,
    operationId: `head${pascal(operationId)}`,
    ...(get.summary !== undefined && { summary: `${get.summary}: its headers alone` }),
    parameters: parameters.filter(({ name }) => name !== 'Range' && name !== 'If-Range'),
    responses: Object.fromEntries(answers),
  }
}

/** Lists of a fixed length say what is in them in the older way, too, by which some programs go. */
function withItems(schema: Schema): Schema {
  // oxlint-disable-next-line typescript/no-unsafe-return -- a document is plain JSON
  return JSON.parse(JSON.stringify(schema), (_name, node: Schema) => {
    const [first, ...others] = node?.prefixItems ?? []
    const isAlike = others.every((item) => isDeepStrictEqual(item, first))
    return first && isAlike && node.items === false ? { ...node, items: first } : node
  })
}

/** A choice between objects that one member tells apart: each gets a name, and programs are told of that member. */
function discriminated(name: string, schema: Schema): readonly (readonly [string, Schema])[] {
  const { oneOf } = schema
  const propertyName = oneOf && tellingMember(oneOf)
  if (!oneOf || propertyName === undefined) return [[name, schema]]
  const choices = oneOf.map((choice) => {
    const value = String(choice.properties?.[propertyName]?.const)
    return { value, choice, choiceName: `${pascal(value)}${name}` }
  })
  const refs = choices.map(({ choiceName }) => `#/components/schemas/${choiceName}`)
  const mapping = Object.fromEntries(choices.map(({ value }, index) => [value, refs[index]!]))
  return [
    [name, { ...schema, oneOf: refs.map(($ref) => ({ $ref })), discriminator: { propertyName, mapping } }],
    ...choices.map(({ choice, choiceName }) => [choiceName, choice] as const),
  ]
}

/** The member that is another constant in each of them. */
function tellingMember(choices: readonly Schema[]): string | undefined {
  return Object.keys(choices[0]?.properties ?? {}).find((member) => {
    const values = choices.map(({ properties }) => properties?.[member]?.const)
    return !values.includes(undefined) && new Set(values).size === choices.length
  })
}

const signatureHeaders: readonly Parameter[] = [
  ['webhook-id', 'The same for each try of a message: one that comes twice is known by it'],
  ['webhook-timestamp', 'When it was sent, in seconds since 1970: refuse what is more than five minutes off'],
  [
    'webhook-signature',
    'Signatures with spaces between: `v1,` and base64 of HMAC-SHA256 over id, timestamp and body',
  ],
].map(([name = '', about = '']) => ({
  name,
  in: 'header',
  required: true,
  description: about,
  schema: { type: 'string' },
}))

/** A message that is posted to an endpoint, by Standard Webhooks. */
function webhook(type: string, about: string, data: Schema): PathItem {
  const schema: Schema = {
    type: 'object',
    properties: {
      type: { const: type },
      timestamp: { type: 'string', format: 'date-time', description: 'When it happened' },
      data,
    },
    required: ['type', 'timestamp', 'data'],
  }
  const retryAfter = { 'Retry-After': { $ref: '#/components/headers/Retry-After' } }
  return {
    post: {
      operationId: `on${pascal(type)}`,
      tags: ['webhooks'],
      summary: about,
      description:
        'Answer with 2xx at once and work afterwards. Sent again over three days until it is taken.',
      security: [],
      parameters: signatureHeaders,
      requestBody: { required: true, content: { 'application/json': { schema } } },
      responses: {
        '2XX': { description: 'The message is taken' },
        '410': { description: 'No more messages are wanted: the endpoint is disabled' },
        '429': { description: 'It is sent again, not before Retry-After', headers: retryAfter },
        '503': { description: 'It is sent again, not before Retry-After', headers: retryAfter },
        default: { description: 'It is sent again' },
      },
    },
  }
}

export function openApiRoutes(document: () => ApiDocument): Hono {
  const routes = new Hono()
  let text: string | undefined
  routes.get('/api/openapi.json', (c) => {
    text ??= JSON.stringify(document())
    c.header('content-type', 'application/json; charset=utf-8')
    c.header('cache-control', 'no-cache')
    return c.body(text)
  })
  return routes
}
