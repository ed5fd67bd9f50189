/**
 * The API's reference for browsers: one page, generated from the OpenAPI document. It works without its
 * script.
 */
import { html } from 'hono/html'
import {
  type ApiDocument,
  type Content,
  type Method,
  type Operation,
  type Parameter,
  type Schema,
  methods,
} from './types.ts'
import { answerIn } from './document.ts'

type Markup = ReturnType<typeof html>

interface Entry {
  readonly id: string
  readonly method: Method
  readonly path: string
  readonly operation: Operation
}

function entriesOf({ paths }: ApiDocument): readonly Entry[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method]
      return operation ? [{ id: operation.operationId ?? `${method} ${path}`, method, path, operation }] : []
    }),
  )
}

/** Long, as it is one page of text. */
export async function referencePage(document: ApiDocument): Promise<string> {
  const entries = entriesOf(document)
  const groups = document.tags
    .map(({ name, description }) => ({
      name,
      description,
      entries: entries.filter(({ operation }) => operation.tags?.includes(name)),
    }))
    .filter((group) => group.entries.length > 0)
  const { title, version, description } = document.info
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} API</title>
        <link rel="stylesheet" href="/docs/reference.css" />
        <script src="/docs/reference.js" defer></script>
      </head>
      <body>
        <a class="skip" href="#content">Skip to the operations</a>
        <header>
          <h1>${title} <span class="version">API ${version}</span></h1>
          <label class="search">
            <span class="unseen">Search</span>
            <input id="search" type="search" placeholder="Search  /" autocomplete="off" spellcheck="false" />
          </label>
          <a class="raw" href="/api/openapi.json">OpenAPI 3.1</a>
        </header>
        <div class="columns">
          <nav aria-label="Operations">
            ${groups.map(
              (group) =>
                html`<section>
                  <h2>${group.name}</h2>
                  <ul>
                    ${group.entries.map(
                      ({ id, method, operation }) =>
                        html`<li data-for="${id}">
                          <a href="#${id}">${badge(method)} ${operation.operationId ?? id}</a>
                        </li>`,
                    )}
                  </ul>
                </section>`,
            )}
          </nav>
          <main id="content">
            <div class="about">${paragraphs(description)}</div>
            <p id="none" role="status" hidden>Nothing is named like that.</p>
            ${groups.map(
              (group) =>
                html`<section class="group">
                  <h2>${group.name}</h2>
                  <p class="group-about">${group.description}</p>
                  ${group.entries.map((entry) => operationCard(entry, document))}
                </section>`,
            )}
          </main>
        </div>
      </body>
    </html>`
  // Two thirds of the page would be whitespace of the templates.
  return page.toString().replaceAll(/\n\s+</g, '\n<')
}

const badge = (method: Method): Markup => html`<span class="method ${method}">${method.toUpperCase()}</span>`

/** Renders text with `code` in backticks. */
const marked = (text: string): Markup => {
  const parts = text.split('`')
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`
}

const paragraphs = (text: string): readonly Markup[] =>
  text.split('\n\n').map((paragraph) => html`<p>${marked(paragraph)}</p>`)

function operationCard(entry: Entry, document: ApiDocument): Markup {
  const { id, method, path, operation } = entry
  const {
    summary = '',
    description: about,
    parameters = [],
    requestBody,
    responses,
    security = [],
  } = operation
  const scopes = security.flatMap((one) => Object.values(one).flat())
  const words = [id, method, path, summary, about].join(' ').toLowerCase()
  return html`<details class="operation" id="${id}" data-words="${words}">
    <summary>
      <h3>${badge(method)} <code class="path">${breakable(path)}</code></h3>
      <span class="says">${summary}</span>
    </summary>
    <div class="inside">
      <p class="facts">
        <a class="anchor" href="#${id}">${id}</a>
        ${
          scopes.length > 0
            ? html`<span>needs a key with the scope <code>${scopes.join(', ')}</code></span>`
            : html`<span>needs no key</span>`
        }
      </p>
      ${about === undefined ? '' : html`<p>${marked(about)}</p>`}
      ${parameters.length > 0 ? parameterTable(parameters, document) : ''}
      ${
        requestBody
          ? html`<h4>Body ${requestBody.required ? '' : html`<span class="soft">may be left out</span>`}</h4>
              ${contentBlocks(requestBody.content, document, 'asked')}`
          : ''
      }
      <h4>Example</h4>
      <pre class="curl" tabindex="0"><code>${curlFor(entry, document)}</code></pre>
      <h4>Answers</h4>
      ${Object.entries(responses).map(([status, answer]) => {
        const { description = '', content } = answerIn(document, answer)
        return html`<div class="answer">
          <p>
            <span class="status ${status.startsWith('2') ? 'good' : 'bad'}">${status}</span>
            ${marked(description)}
          </p>
          ${content && isTold(status) ? contentBlocks(content, document, 'answered') : ''}
        </div>`
      })}
    </div>
  </details>`
}

/** Refusals share one body, which is shown once. */
const isTold = (status: string): boolean => !/^[45]/.test(status) || status === '500'

/** Allows a line break after a slash in a long path. */
const breakable = (path: string): Markup =>
  html`${path.split('/').map((part, index) => (index === 0 ? part : html`/<wbr />${part}`))}`

const parameterTable = (parameters: readonly Parameter[], document: ApiDocument): Markup =>
  html`<h4>Parameters</h4>
    <dl class="members">
      ${parameters.map(
        ({ name, in: place, required = false, description, schema = {} }) =>
          html`<div>
            <dt>
              <code>${name}</code> <span class="soft">${place}</span> ${required ? needed : ''}
              <span class="type">${typeOf(schema, document)}</span>
            </dt>
            <dd>${facts(description === undefined ? schema : { ...schema, description })}</dd>
          </div>`,
      )}
    </dl>`

const needed = html`<span class="needed">required</span>`

/** Marks required members of requests, and optional members of answers. */
type Side = 'asked' | 'answered'

const contentBlocks = (content: Content, document: ApiDocument, side: Side): readonly Markup[] =>
  Object.entries(content)
    // The same body with the members of RFC 9457.
    .filter(([type]) => type !== 'application/problem+json')
    .map(
      ([type, { schema = {} }]) =>
        html`<div class="schema">
          <p class="soft media">${type} <span class="type">${typeOf(schema, document)}</span></p>
          ${schemaBlock(schema, { document, side, within: [] })}
        </div>`,
    )

const refName = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)

function followed(schema: Schema, document: ApiDocument): Schema {
  if (schema.$ref === undefined) return schema
  const { $ref, ...beside } = schema
  return { ...document.components.schemas[refName($ref)], ...beside }
}

/** A type in a few words: `string`, `Job`, `list of Scene`, `one of a, b`. */
function typeOf(given: Schema, document: ApiDocument): string {
  if (given.$ref !== undefined) return refName(given.$ref)
  const schema = given
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const choices = schema.oneOf ?? schema.anyOf
  if (choices) {
    const kinds = [...new Set(choices.map((choice) => typeOf(choice, document)))]
    return kinds.join(' or ')
  }
  if (schema.allOf) return schema.allOf.map((part) => typeOf(part, document)).join(' and ')
  const types = [schema.type ?? []].flat()
  if (types.length === 0) return 'anything'
  return types.map((type) => kindOf(type, schema, document)).join(' or ')
}

function kindOf(type: string, schema: Schema, document: ApiDocument): string {
  if (type === 'array') {
    if (schema.prefixItems) return `list of ${schema.prefixItems.length}`
    return typeof schema.items === 'object' ? `list of ${typeOf(schema.items, document)}` : 'list'
  }
  if (type === 'string' && schema.format !== undefined) return schema.format
  return type
}

/** A schema's further constraints, for people. */
function facts(schema: Schema): Markup {
  const limits = [
    ...(schema.enum
      ? [
          `one of ${schema.enum
            .filter((one) => one !== null)
            .map(String)
            .join(', ')}`,
        ]
      : []),
    ...range(schema, 'minimum', 'maximum', ''),
    ...range(schema, 'minLength', 'maxLength', ' characters'),
    ...range(schema, 'minItems', 'maxItems', ' items'),
    ...(isTelling(schema.pattern) && schema.format === undefined ? [`matches ${schema.pattern}`] : []),
    ...(schema.default === undefined ? [] : [`${JSON.stringify(schema.default)} if not given`]),
  ]
  return html`${schema.description === undefined ? '' : marked(schema.description)}
  ${limits.length > 0 ? html`<span class="limits">${limits.join(' · ')}</span>` : ''}`
}

/** Whether a pattern is short enough to help a reader. */
const isTelling = (pattern: unknown): pattern is string => typeof pattern === 'string' && pattern.length <= 60

/** zod also writes the bounds of safe integers. */
const isLimit = (limit: unknown): limit is number =>
  typeof limit === 'number' && Math.abs(limit) < Number.MAX_SAFE_INTEGER

function range(schema: Schema, least: string, most: string, unit: string): readonly string[] {
  const from = schema[least]
  const to = schema[most]
  if (isLimit(from) && isLimit(to)) return [`${from} to ${to}${unit}`]
  if (isLimit(from)) return [`at least ${from}${unit}`]
  return isLimit(to) ? [`at most ${to}${unit}`] : []
}

/** Where a schema is shown. `within`: the names already expanded. */
interface Place {
  readonly document: ApiDocument
  readonly side: Side
  readonly within: readonly string[]
}

const inside = (place: Place, { $ref }: Schema): Place =>
  $ref === undefined ? place : { ...place, within: [...place.within, refName($ref)] }

/** The members, with their own members to expand. */
function schemaBlock(given: Schema, outer: Place): Markup | string {
  const place = inside(outer, given)
  const schema = followed(given, place.document)
  const choices = (schema.oneOf ?? schema.anyOf)?.filter((choice) => choice.type !== 'null')
  if (choices?.length === 1) return schemaBlock(choices[0]!, place)
  if (choices?.some((choice) => hasMembers(choice, place)))
    return html`${choices.map(
      (choice, index) =>
        html`<p class="soft choice">${index === 0 ? 'either' : 'or'} ${choiceName(choice, place)}</p>
          ${schemaBlock(choice, place)}`,
    )}`
  if (typeof schema.items === 'object') return schemaBlock(schema.items, place)
  const members = Object.entries(schema.properties ?? {})
  const free = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined
  if (members.length === 0 && !free) return ''
  return html`<dl class="members">
    ${members.map(([name, member]) =>
      memberRow(html`<code>${name}</code> ${mark(schema, name, place.side)}`, member, place),
    )}
    ${free ? memberRow(html`<em>any other name</em>`, free, place) : ''}
  </dl>`
}

function mark({ required = [] }: Schema, name: string, side: Side): Markup | string {
  if (side === 'asked') return required.includes(name) ? needed : ''
  return required.includes(name) ? '' : html`<span class="needed">may be absent</span>`
}

function choiceName(choice: Schema, { document }: Place): string {
  const constant = Object.entries(followed(choice, document).properties ?? {}).find(
    ([, member]) => member.const !== undefined,
  )
  return constant ? `${constant[0]} is ${JSON.stringify(constant[1].const)}` : typeOf(choice, document)
}

function hasMembers(given: Schema, place: Place): boolean {
  const { $ref } = given
  if ($ref !== undefined && place.within.includes(refName($ref))) return false
  const { properties = {}, additionalProperties, items, ...schema } = followed(given, place.document)
  if (Object.keys(properties).length > 0) return true
  if (typeof additionalProperties === 'object' && Object.keys(additionalProperties).length > 0) return true
  const choices = schema.oneOf ?? schema.anyOf ?? []
  return [...choices, ...(typeof items === 'object' ? [items] : [])].some((one) => hasMembers(one, place))
}

function memberRow(name: Markup, member: Schema, place: Place): Markup {
  const schema = followed(member, place.document)
  const { items } = schema
  const told =
    typeof items === 'object' && schema.description === undefined ? { ...items, ...schema } : schema
  return html`<div>
    <dt>${name} <span class="type">${typeOf(member, place.document)}</span></dt>
    <dd>
      ${facts(told)}
      ${
        hasMembers(member, place)
          ? html`<details class="deeper">
              <summary>members</summary>
              ${schemaBlock(member, place)}
            </details>`
          : ''
      }
    </dd>
  </div>`
}

/** An example value of a schema that has none. */
function exampleOf(given: Schema, document: ApiDocument): unknown {
  const schema = followed(given, document)
  const [example] = [schema.examples ?? []].flat()
  if (example !== undefined) return example
  if (schema.const !== undefined) return schema.const
  const choice = (schema.oneOf ?? schema.anyOf)?.[0]
  if (choice) return exampleOf(choice, document)
  if (schema.enum) return schema.enum[0]
  const [type] = [schema.type ?? 'string'].flat()
  if (type === 'object')
    return Object.fromEntries(
      (schema.required ?? []).map((name) => [name, exampleOf(schema.properties?.[name] ?? {}, document)]),
    )
  if (type === 'array') return typeof schema.items === 'object' ? [exampleOf(schema.items, document)] : []
  if (type === 'boolean') return true
  if (type === 'integer' || type === 'number') return schema.minimum ?? 1
  return '...'
}

const someIds: Readonly<Record<string, string>> = {
  scene_id: '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f',
  version: '1',
}

function idIn(path: string): string {
  if (path.includes('/assets/')) return 'a'.repeat(64)
  if (path.includes('/keys/')) return '0123456789ab'
  return path.includes('/webhooks/') ? someIds['scene_id']! : '123'
}

function curlFor({ method, path, operation }: Entry, document: ApiDocument): string {
  const address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => someIds[name] ?? idIn(path))
  const types = Object.keys(operation.requestBody?.content ?? {})
  const answers = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))?.[1].content
  const answerTypes = Object.keys(answers ?? {})
  const lines = [
    `curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} http://127.0.0.1:4000${address}`,
    ...((operation.security ?? []).length > 0 ? ['-H "Authorization: Bearer $COORDINATOR_KEY"'] : []),
  ]
  if (answerTypes.includes('text/event-stream')) lines.push("-N -H 'Accept: text/event-stream'")
  else if (answerTypes.some((type) => /^(?:image|video)\//.test(type)))
    lines.push(
      `-o ${operation.operationId ?? 'answer'}${answerTypes[0]!.startsWith('video/') ? '.mp4' : '.jpg'}`,
    )
  if (types.includes('application/json')) {
    const body = JSON.stringify(
      exampleOf(operation.requestBody!.content['application/json']!.schema!, document),
      null,
      2,
    )
    lines.push("-H 'Content-Type: application/json'", `-d '${body.replaceAll("'", String.raw`'\''`)}'`)
  } else if (types.includes('multipart/form-data')) lines.push('-F file=@photograph.jpg')
  return lines.join(' \\\n  ')
}
