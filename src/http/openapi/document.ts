/**
 * Generates the OpenAPI 3.1 description from the endpoints' declarations, and from the schemas that check
 * requests.
 */
import { packageVersion } from '../../package-version.ts'
import { scopesFor } from '../access/access.ts'
import { type Endpoint, tags, type Listing, type JsonBody } from '../routes/endpoint.ts'
import { webhookMessages, pascal } from '../routes/event-schemas.ts'
import { sharedAnswers, answerHeaders, servesBytes, parametersOf, answersOf } from './answers.ts'
import {
  type Schema,
  type ApiDocument,
  type Answer,
  type Method,
  type Operation,
  methods,
  type Parameter,
  type PathItem,
} from './types.ts'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { isDeepStrictEqual } from 'node:util'

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
      description: 'Of an unexpected error: the id under which it is logged',
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
    'A key, needed where the server requires keys. Each operation names the scope that its key needs; admin may do everything.',
} as const

interface Plain extends Pick<ApiDocument, 'openapi' | 'paths'> {
  readonly components: Pick<ApiDocument['components'], 'schemas'>
}

export function describeApi(endpoints: readonly Endpoint[]): ApiDocument {
  const info = {
    title: 'Workflow Coordinator',
    version: packageVersion(),
    description,
    license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
  }
  const listings = endpoints.flatMap(({ listing }) => listing ?? [])
  const plain = withoutText(listings, info)
  const examples = new Map(bodiesOf(listings).map(({ name, example }) => [name, example]))
  const schemas = Object.entries(plain.components.schemas).flatMap(([name, given]) => {
    const schema = withItems(given)
    return discriminated(name, examples.has(name) ? { ...schema, examples: [examples.get(name)] } : schema)
  })
  return {
    openapi: plain.openapi,
    info,
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, about]) => ({ name, description: about })),
    paths: pathsOf(listings, plain),
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

const bodiesOf = (listings: readonly Listing[]): readonly JsonBody[] =>
  listings.flatMap(({ body }) => (body && 'schema' in body ? body : []))

/** Only the paths and schemas, as the library writes them. */
function withoutText(listings: readonly Listing[], info: ApiDocument['info']): Plain {
  const library = new OpenAPIHono()
  // Not register(): by the order of imports, a schema of job/ may be created before the library extends zod.
  for (const { name, schema } of bodiesOf(listings))
    library.openAPIRegistry.registerComponent(
      'schemas',
      name,
      JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: 'input' }))),
    )
  for (const { route, params, query, headers, body, answer } of listings) {
    const [method, path] = methodAndPath(route)
    const { status, description: about, content } = answer
    library.openAPIRegistry.registerPath({
      method,
      path,
      request: {
        ...(params && { params }),
        ...(query && { query }),
        ...(headers && { headers }),
        ...(body && { body: 'schema' in body ? referenceTo(body) : body }),
      },
      responses: { [status]: { description: about, ...(content && { content }) } },
    })
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library's own type, as plain JSON
  return JSON.parse(JSON.stringify(library.getOpenAPI31Document({ openapi: '3.1.0', info }))) as Plain
}

const referenceTo = ({ name, required }: JsonBody) => ({
  required,
  content: { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } },
})

/** The answer itself, where the operation refers to a shared one. */
export const answerIn = ({ components }: ApiDocument, answer: Answer): Answer =>
  referredTo(components.responses, answer)

const referredTo = (answers: Readonly<Record<string, Answer>>, answer: Answer): Answer =>
  answer.$ref === undefined ? answer : answers[answer.$ref.split('/').at(-1)!]!

function methodAndPath(route: Listing['route']): readonly [method: Method, path: string] {
  const [method, path] = route.split(' ')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- by the type Route
  return [method!.toLowerCase() as Method, path!]
}

function pathsOf(listings: readonly Listing[], plain: Plain): ApiDocument['paths'] {
  const byRoute = new Map<string, Listing>(listings.map((listing) => [listing.route, listing]))
  return Object.fromEntries(
    Object.entries(plain.paths).map(([path, item]) => {
      const described: { [method in Method | 'head']?: Operation } = {}
      for (const method of methods) {
        const listing = byRoute.get(`${method.toUpperCase()} ${path}`)
        if (listing) described[method] = describe(listing, item[method]!)
      }
      const { get } = described
      return [path, { ...described, ...(get && servesBytes(get) && { head: headOf(get) }) }]
    }),
  )
}

function describe(listing: Listing, plain: Operation): Operation {
  const parameters = parametersOf(listing, plain)
  return {
    operationId: listing.id,
    tags: [listing.tag],
    summary: listing.summary,
    description: listing.description,
    ...plain,
    security: scopesFor(listing.access).map((scope) => ({ bearer: [scope] })),
    ...(parameters.length > 0 && { parameters }),
    responses: answersOf(listing, plain),
  }
}

/** The answers to GET without their bodies; RFC 9110 defines no ranges for HEAD. */
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

/** Describes lists of a fixed length also by `items`, which some programs need. */
function withItems(schema: Schema): Schema {
  // oxlint-disable-next-line typescript/no-unsafe-return -- a document is plain JSON
  return JSON.parse(JSON.stringify(schema), (_name, node: Schema) => {
    const [first, ...others] = node?.prefixItems ?? []
    const isAlike = others.every((item) => isDeepStrictEqual(item, first))
    return first && isAlike && node.items === false ? { ...node, items: first } : node
  })
}

/**
 * A choice between objects that one member distinguishes: each gets a name, and a discriminator names that
 * member.
 */
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

/** The member that has a different constant in each choice. */
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

/** A message to a webhook endpoint, by Standard Webhooks. */
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
        'Answer with 2xx at once and work afterwards. Sent again over three days until it is accepted.',
      security: [],
      parameters: signatureHeaders,
      requestBody: { required: true, content: { 'application/json': { schema } } },
      responses: {
        '2XX': { description: 'The message is accepted' },
        '410': { description: 'No more messages are wanted: the endpoint is disabled' },
        '429': { description: 'It is sent again, not before Retry-After', headers: retryAfter },
        '503': { description: 'It is sent again, not before Retry-After', headers: retryAfter },
        default: { description: 'It is sent again' },
      },
    },
  }
}
