import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApiDocument } from '../../src/http/openapi.ts'
import { type Contract, createContract, operationsOf, wholeApp } from './contract.ts'
import { type House, jsonOf, openHouse } from './house.ts'

let house: House
let whole: Awaited<ReturnType<typeof wholeApp>>
let document: ApiDocument
let contract: Contract

beforeAll(async () => {
  house = await openHouse()
  whole = await wholeApp(house)
  document = await jsonOf(whole.app.request('/api/openapi.json'))
  contract = createContract(document)
})
afterAll(async () => {
  whole.close()
  await house.close()
})

test('the document is valid OpenAPI 3.1, of the version that runs', async () => {
  const checked = await new Validator().validate(JSON.parse(JSON.stringify(document)))
  expect(checked.errors ?? []).toEqual([])
  expect(checked.valid).toBe(true)
  expect(document.openapi).toBe('3.1.0')
  expect(document.info.version).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version)
})

test('every operation has a name of its own, a tag, a summary, and says what is refused', () => {
  const operations = operationsOf(document)
  const names = operations.map(({ id }) => id)
  expect(operations.filter(({ id }) => id === undefined)).toEqual([])
  expect(new Set(names).size).toBe(names.length)
  for (const { operation } of operations) {
    expect(operation).toMatchObject({
      operationId: expect.stringMatching(/^[a-z][A-Za-z]+$/),
      tags: [expect.any(String)],
      summary: expect.any(String),
    })
    expect(operation.responses['default']?.content).toHaveProperty('application/json')
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
