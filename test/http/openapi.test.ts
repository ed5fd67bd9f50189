import { readFileSync } from 'node:fs'
import { lintFromString, loadConfig } from '@redocly/openapi-core'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventTypes } from '../../src/job/event.ts'
import { messageOf } from '../../src/job/webhook.ts'
import { type ApiDocument, type Operation } from '../../src/http/openapi/types.ts'
import { answerIn } from '../../src/http/openapi/document.ts'
import { type Contract, createContract, operationsOf, wholeApp } from './contract.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
let whole: Awaited<ReturnType<typeof wholeApp>>
let document: ApiDocument
let contract: Contract

beforeAll(async () => {
  harness = await openAppHarness()
  whole = await wholeApp(harness)
  document = await jsonOf(whole.app.request('/api/openapi.json'))
  contract = createContract(document)
})
afterAll(async () => {
  await whole.close()
  await harness.close()
})

test('the document is valid OpenAPI 3.1, of the version that runs', async () => {
  const checked = await new Validator().validate(JSON.parse(JSON.stringify(document)))
  expect(checked.errors ?? []).toEqual([])
  expect(checked.valid).toBe(true)
  expect(document.openapi).toBe('3.1.0')
  expect(document.info.version).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version)
})

test('a linter finds nothing that its configuration does not answer', async () => {
  const config = await loadConfig({ configPath: 'redocly.yaml' })
  const source = JSON.stringify(document)
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
  const found = problems.map(
    ({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`,
  )
  expect(found).toEqual([])
})

test('every operation has a name of its own, a tag, a summary, a description, and says what is refused', () => {
  const operations = operationsOf(document)
  const names = operations.map(({ id }) => id)
  expect(operations.filter(({ id }) => id === undefined)).toEqual([])
  expect(new Set(names).size).toBe(names.length)
  for (const { operation } of operations) {
    expect(operation).toMatchObject({
      operationId: expect.stringMatching(/^[a-z][A-Za-z]+$/),
      tags: [expect.any(String)],
      summary: expect.any(String),
      description: expect.any(String),
    })
    expect(answerIn(document, operation.responses['500']!).content).toHaveProperty('application/json')
    expect((operation.parameters ?? []).filter(({ description = '' }) => description === '')).toEqual([])
  }
  const tags = new Set(document.tags.map(({ name }) => name))
  expect(operations.flatMap(({ operation }) => operation.tags!).filter((tag) => !tags.has(tag))).toEqual([])
})

test('every route under /api/v3 is in it', () => {
  const documented = new Set(
    operationsOf(document).map(({ method, path }) => `${method.toUpperCase()} ${path}`),
  )
  const routes = whole.app.routes
    .filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/v3/'))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  expect([...new Set(routes)].filter((route) => !documented.has(route))).toEqual([])
})

test('every body that is asked for has an example, and it is valid', () => {
  for (const { id, operation } of operationsOf(document)) {
    const schema = operation.requestBody?.content['application/json']?.schema
    if (!schema) continue
    const named = document.components.schemas[schema.$ref!.split('/').at(-1)!]!
    const [example] = (named.examples ?? []) as readonly unknown[]
    expect(example, id).toBeDefined()
    expect(contract.checkBody(id, example), id).toEqual([])
  }
})

const operation = (id: string): Operation => operationsOf(document).find((one) => one.id === id)!.operation
const headersOf = (id: string, status: string): readonly string[] =>
  Object.keys(answerIn(document, operation(id).responses[status]!).headers ?? {})
const parametersOf = (id: string): readonly string[] =>
  (operation(id).parameters ?? []).map(({ name }) => name)

test('refusals are those of the operation, each in words of its own', () => {
  const refusals = (id: string) =>
    Object.keys(operation(id).responses).filter((status) => status.startsWith('4'))
  expect(refusals('isAlive')).toEqual(['403', '429'])
  expect(refusals('readBudgets')).toEqual(['400', '401', '403', '429'])
  expect(refusals('readScene')).toEqual(['400', '401', '403', '404', '422', '429'])
  expect(refusals('approveJob')).toEqual('400 401 403 404 409 413 415 422 429'.split(' '))
  expect(refusals('film')).toEqual('400 401 403 404 410 412 416 429'.split(' '))
  const texts = ['approveJob', 'cancelJob', 'retryJob'].map(
    (id) => operation(id).responses['422']!.description,
  )
  expect(new Set(texts).size).toBe(3)
})

test('headers are described where they are sent', () => {
  expect(parametersOf('film')).toEqual(
    expect.arrayContaining(['Range', 'If-Range', 'If-None-Match', 'If-Match']),
  )
  expect(headersOf('film', '200')).toEqual(expect.arrayContaining(['ETag', 'Last-Modified', 'Accept-Ranges']))
  expect(headersOf('film', '206')).toContain('Content-Range')
  expect(headersOf('createJob', '201')).toEqual(expect.arrayContaining(['Location', 'Idempotency-Replayed']))
  expect(parametersOf('createJob')).toContain('Idempotency-Key')
  expect(parametersOf('uploadAsset')).not.toContain('Idempotency-Key')
  expect(headersOf('readJob', '200')).toContain('RateLimit-Remaining')
  expect(headersOf('readJob', '429')).toEqual(expect.arrayContaining(['Retry-After', 'RateLimit-Reset']))
  expect(headersOf('readJob', '503')).toContain('Retry-After')
})

test('HEAD is described where bytes are served, without a body', () => {
  const heads = Object.values(document.paths).flatMap(({ head }) => (head ? [head] : []))
  expect(heads.map(({ operationId }) => operationId)).toEqual([
    'headFilm',
    'headThumbnail',
    'headFilmVersion',
    'headClip',
    'headAssetData',
  ])
  for (const { responses } of heads)
    expect(Object.values(responses).filter(({ content, $ref }) => content ?? $ref)).toEqual([])
})

test('types of jobs and of events are told apart by a discriminator', () => {
  const { JobRequest, Event } = document.components.schemas
  expect(JobRequest).toMatchObject({
    oneOf: [
      { $ref: '#/components/schemas/ImagePairsJobRequest' },
      { $ref: '#/components/schemas/PropertyPhotosJobRequest' },
    ],
    discriminator: {
      propertyName: 'type',
      mapping: { property_photos: '#/components/schemas/PropertyPhotosJobRequest' },
    },
  })
  expect(Event).toMatchObject({
    discriminator: {
      propertyName: 'type',
      mapping: Object.fromEntries(eventTypes.map((type) => [type, expect.stringMatching(/Event$/)])),
    },
  })
})

test('every message that is posted to endpoints is described, and is as described', async () => {
  expect(Object.keys(document.webhooks)).toEqual([...eventTypes, 'ping'])
  const { job_id } = await harness.job(1)
  await harness.finish(job_id, new TextEncoder().encode('a film'))
  const { events } = await harness.feed.page({ after: 0, limit: 100, jobId: job_id })
  expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['job_created', 'job_completed']))
  for (const event of events) {
    const message: unknown = JSON.parse(messageOf(event.type, event.inserted_at, event))
    expect(contract.checkMessage(event.type, message), event.type).toEqual([])
  }
  const [event] = events
  const other = JSON.parse(messageOf('job_failed', event!.inserted_at, event!))
  expect(contract.checkMessage('job_failed', other)).not.toEqual([])
  const ping = JSON.parse(messageOf('ping', event!.inserted_at, { endpoint_id: crypto.randomUUID() }))
  expect(contract.checkMessage('ping', ping)).toEqual([])
})

test('what has a name is never null itself: that is said where it may be', () => {
  const { schemas } = document.components
  expect(Object.keys(schemas).filter((name) => [schemas[name]!.type].flat().includes('null'))).toEqual([])
})

test('an upload is a form first, as generated clients send it', () => {
  const { content } = operation('uploadAsset').requestBody!
  expect(Object.keys(content)).toEqual(['multipart/form-data', 'image/*'])
})

test('the reference is a page of its own, that loads nothing from elsewhere and tells each operation', async () => {
  const response = await whole.app.request('/docs')
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(response.headers.get('content-security-policy')).toContain("script-src 'self'")
  const page = await response.text()
  for (const { id, path } of operationsOf(document)) {
    expect(page).toContain(`id="${id}"`)
    expect(page.replaceAll('<wbr />', '')).toContain(path)
  }
  const loaded = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, address]) => address!)
  expect(new Set(loaded)).toEqual(new Set(['/docs/reference.css', '/docs/reference.js', '/api/openapi.json']))
  expect(page).not.toMatch(/<script(?! src)|<style| style=| on\w+="/)
  for (const address of loaded) {
    const part = await whole.app.request(address)
    expect(part.status).toBe(200)
    expect(part.headers.get('content-type')).toMatch(/^(?:text\/css|text\/javascript|application\/json)/)
  }
})
