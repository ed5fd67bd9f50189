/**
 * Requests made from the OpenAPI document, most of them wrong in some way: every answer has to be as documented, an error in
 * JSON, and none a 5xx. Run: npx node test/http/fuzz.ts [requests] [seed]
 */
import sharp from 'sharp'
import { type Operation, type Schema, methods } from '../../src/http/openapi/types.ts'
import { type Contract, createContract, operationsOf, wholeApp } from './contract.ts'
import { hold } from './held.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

export interface Fuzzed {
  readonly requests: number
  readonly byStatus: Readonly<Record<string, number>>
  readonly operations: number
  /** Those that never were answered well. */
  readonly neverSucceeded: readonly string[]
  /** What was answered otherwise than documented, or not at all, each kind once. */
  readonly wrong: readonly string[]
  readonly ms: number
}

type Chance = ReturnType<typeof createChance>

function createChance(seed: number) {
  let state = seed
  const next = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (count: number): number => Math.floor(next() * count),
    of: <One>(ones: readonly One[]): One => ones[Math.floor(next() * ones.length)]!,
    is: (share: number): boolean => next() < share,
  }
}

/** Texts that have broken something somewhere. */
const oddTexts = [
  '',
  ' ',
  '0',
  '-1',
  '-0',
  '1e3',
  '0x10',
  'null',
  'undefined',
  'true',
  'NaN',
  '99999999999999999999',
  '9007199254740993',
  '1.5',
  '../../etc/passwd',
  '%',
  '%00',
  '%2e%2e%2f',
  "' or 1=1 --",
  '"; drop table jobs; --',
  '\u0000',
  '\u0007\u001b[31m',
  '\u2028',
  '\ud800',
  '１２３',
  '🎬🎬',
  'é'.normalize('NFD'),
  '<script>alert(1)</script>',
  '{{7*7}}',
  '${7*7}',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'a'.repeat(300),
  'b'.repeat(5000),
  '2026-02-30T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '+275760-09-13T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  'before:1',
  Buffer.from('before:99999999999999999').toString('base64url'),
  Buffer.from('1:00000000-0000-4000-8000-000000000000').toString('base64url'),
  '00000000-0000-4000-8000-000000000000',
  'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  'f'.repeat(64),
  '0123456789ab',
  'http://127.0.0.1:1/',
  'https://user:pass@films.example:99999/',
  'file:///etc/passwd',
  '*',
  ',,,',
  'pending,,approved',
] as const

const oddValues: readonly unknown[] = [
  ...oddTexts,
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  5e-324,
  2 ** 31,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 53),
  [],
  {},
  [[]],
  [null],
  { a: null },
  { length: 3 },
  { toString: 1 },
  Array.from({ length: 600 }, () => 0),
  Array.from({ length: 3 }, () => ({})),
]

/** Bodies that are no JSON, or none that should be read. */
const oddBodies: readonly (string | Uint8Array<ArrayBuffer>)[] = [
  '',
  ' ',
  'null',
  '[]',
  '"text"',
  '0',
  '{',
  '{}',
  '{"a":}',
  '{"a":1,}',
  "{'a':1}",
  '{"a":1}{"a":2}',
  '{"type":"image_pairs","type":"property_photos"}',
  '{"__proto__":{"type":"image_pairs"}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"a":1e999}',
  '{"a":-1e999}',
  `{"a":${'9'.repeat(400)}}`,
  '{"a":"\\ud800"}',
  '{"a":"\\u0000"}',
  '\ufeff{}',
  '['.repeat(5000),
  `${'['.repeat(200)}${']'.repeat(200)}`,
  `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`,
  `{"a":"${'x'.repeat(100_000)}"}`,
  `[${'1,'.repeat(50_000)}1]`,
  new Uint8Array([0xff, 0xfe, 0x7b, 0x7d]),
  new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
  new Uint8Array(64),
]

const oddTypes = [
  'application/json; charset=utf-16',
  'application/problem+json',
  'application/json;',
  'text/plain',
  'text/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary=x',
  'image/png',
  'image/svg+xml',
  '',
  '*/*',
  'application/json, application/json',
] as const

const oddHeaders: readonly (readonly [name: string, value: string])[] = [
  ['accept', 'application/problem+json'],
  ['accept', 'text/event-stream'],
  ['accept', 'text/html'],
  ['accept', '*/*;q=0'],
  ['accept', ',;=,'],
  ['content-encoding', 'gzip'],
  ['content-encoding', 'identity'],
  ['content-length', '999999999999'],
  ['content-length', '-1'],
  ['content-length', 'x'],
  ['transfer-encoding', 'chunked'],
  ['host', 'evil.example'],
  ['host', '[::1'],
  ['host', ''],
  ['origin', 'null'],
  ['origin', 'https://evil.example'],
  ['sec-fetch-site', 'cross-site'],
  ['authorization', 'Bearer '],
  ['authorization', 'Bearer wck_000000000000_x'],
  ['authorization', 'Basic eDp5'],
  ['authorization', `Bearer ${'k'.repeat(5000)}`],
  ['idempotency-key', 'same'],
  ['idempotency-key', 'with space'],
  ['idempotency-key', 'k'.repeat(300)],
  ['idempotency-key', ''],
  ['idempotency-key', '\u00e9'],
  ['last-event-id', '-1'],
  ['last-event-id', '99999999999999999999'],
  ['last-event-id', '3'],
  ['range', 'bytes=0-0'],
  ['range', 'bytes=-1'],
  ['range', 'bytes=999999999-'],
  ['range', 'bytes=5-1'],
  ['range', 'bytes=0-1,3-4'],
  ['range', `bytes=0-${'9'.repeat(30)}`],
  ['if-none-match', '*'],
  ['if-match', '"x"'],
  ['if-range', 'yesterday'],
  ['if-modified-since', 'Thu, 99 Foo 9999'],
  ['x-http-method-override', 'DELETE'],
  ['cookie', 'a=b; '.repeat(200)],
]

interface Known {
  readonly jobs: number[]
  readonly scenes: { readonly id: string; readonly jobId: number }[]
  readonly assets: string[]
  readonly endpoints: string[]
  readonly deliveries: string[]
  readonly keys: string[]
  readonly photograph: Uint8Array<ArrayBuffer>
}

interface Made {
  readonly method: string
  readonly address: string
  readonly headers: Headers
  readonly body: string | Uint8Array<ArrayBuffer> | undefined
}

function createMaker(chance: Chance, document: Contract['document'], known: Known) {
  const operations = operationsOf(document)

  const followed = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').at(-1)!]!

  const text = (schema: Schema): string => {
    const { pattern, format } = schema
    if (typeof pattern === 'string' && pattern.includes('{64}'))
      return chance.is(0.9) ? chance.of(known.assets) : 'e'.repeat(64)
    if (format === 'date-time' || (typeof pattern === 'string' && pattern.includes('T(')))
      return new Date(1_795_000_000_000 + chance.below(1e10)).toISOString()
    if (format === 'uri' || (schema.description ?? '').includes('http'))
      return `https://films${chance.below(9)}.example/hooks`
    if (typeof pattern === 'string' && pattern.includes('client:'))
      return chance.of(['day', 'job', 'client:a'])
    return chance.of(['a', 'Kitchen', 'local', 'google/veo-3.1-fast', 'x y', `name ${chance.below(1000)}`])
  }

  const fits = (given: Schema, depth = 0): unknown => {
    const schema = followed(given)
    if (schema.const !== undefined) return schema.const
    if (schema.enum) return chance.of(schema.enum)
    const choices = schema.oneOf ?? schema.anyOf
    if (choices) return fits(chance.of(choices), depth)
    switch ([schema.type ?? 'object'].flat()[0]) {
      case 'string':
        return text(schema)
      case 'integer':
      case 'number': {
        const [least, most] = [Number(schema.minimum ?? 0), Number(schema.maximum ?? 100)]
        const value = Math.floor(least + chance.below(Math.min(most - least, 20) + 1))
        // Ids of jobs have no other mark than that they are large.
        return most === Number.MAX_SAFE_INTEGER && chance.is(0.8) ? chance.of(known.jobs) : value
      }
      case 'boolean':
        return chance.is(0.5)
      case 'null':
        return null
      case 'array': {
        const items = schema.prefixItems ?? [schema.items]
        const count = schema.prefixItems ? items.length : Number(schema.minItems ?? 0) + chance.below(3)
        return Array.from({ length: Math.min(count, Number(schema.maxItems ?? count)) }, (_, index) =>
          fits((items[index % items.length] ?? {}) as Schema, depth + 1),
        )
      }
      default: {
        const members = Object.entries(schema.properties ?? {}).filter(
          ([name]) => schema.required?.includes(name) || chance.is(depth > 2 ? 0.1 : 0.4),
        )
        const made = Object.fromEntries(members.map(([name, member]) => [name, fits(member, depth + 1)]))
        if (typeof schema.additionalProperties === 'object' && chance.is(0.5))
          made[chance.of(['campaign_id', 'client_id', 'local', 'replicate', 'day'])] = fits(
            Object.keys(schema.additionalProperties).length === 0
              ? { type: 'string' }
              : schema.additionalProperties,
            depth + 1,
          )
        return made
      }
    }
  }

  /** The same with one thing wrong, somewhere. */
  const mutated = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || chance.is(0.15)) return chance.of(oddValues)
    const copy = structuredClone(value) as Record<string, unknown>
    const names = Object.keys(copy)
    if (names.length === 0 || chance.is(0.2)) copy[chance.of(oddTexts)] = chance.of(oddValues)
    else {
      const name = chance.of(names)
      if (chance.is(0.15)) delete copy[name]
      else copy[name] = mutated(copy[name])
    }
    return copy
  }

  const pathValue = (path: string, name: string, scene: Known['scenes'][number]): string => {
    if (chance.is(0.15)) return chance.of(oddTexts)
    if (name === 'scene_id') return scene.id
    if (path.includes('{scene_id}') && chance.is(0.8)) return String(scene.jobId)
    if (name === 'version') return '1'
    if (path.includes('/assets/')) return chance.of(known.assets)
    if (path.includes('/webhooks/endpoints/')) return chance.of(known.endpoints)
    if (path.includes('/webhooks/deliveries/')) return chance.of([...known.deliveries, ...known.endpoints])
    if (path.includes('/keys/')) return chance.of(known.keys)
    return String(chance.of(known.jobs))
  }

  const encode = (part: string): string =>
    // Half a surrogate pair is nothing that an address can hold; a bare % may well be.
    chance.is(0.1) ? part.replaceAll(/[\s#?/\\]/g, '-') : encodeURIComponent(part.toWellFormed())

  const query = ({ parameters = [] }: Operation): string => {
    const search = new URLSearchParams()
    for (const { name, in: place, schema = {} } of parameters) {
      if (place !== 'query' || chance.is(0.6)) continue
      search.append(name, String(chance.is(0.5) ? fits(schema) : chance.of(oddTexts)))
      if (chance.is(0.1)) search.append(name, chance.of(oddTexts))
    }
    if (chance.is(0.1)) search.append(chance.of(oddTexts), chance.of(oddTexts))
    const written = search.toString()
    return written === '' ? '' : `?${written}`
  }

  const body = ({ requestBody }: Operation): readonly [type: string, body: Made['body']] => {
    const schema = requestBody?.content['application/json']?.schema
    if (requestBody && !schema) return upload()
    if (!schema) return chance.is(0.9) ? ['', undefined] : ['application/json', chance.of(oddBodies)]
    if (requestBody.required !== true && chance.is(0.3)) return ['', undefined]
    const type = chance.is(0.93) ? 'application/json' : chance.of(oddTypes)
    if (chance.is(0.15)) return [type, chance.of(oddBodies)]
    const value = chance.is(0.5)
      ? fits(schema)
      : mutated(chance.is(0.3) ? mutated(fits(schema)) : fits(schema))
    return [type, JSON.stringify(value)]
  }

  const upload = (): readonly [string, Made['body']] => {
    const { photograph } = known
    const bytes = chance.of([
      photograph,
      photograph.slice(0, chance.below(photograph.length)),
      photograph.map((byte) => (chance.is(0.02) ? chance.below(256) : byte)),
      new Uint8Array(chance.below(200)),
      new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>'),
    ])
    if (chance.is(0.6)) return [chance.of(['image/png', 'application/octet-stream', ...oddTypes]), bytes]
    const part = chance.of([
      'form-data; name="file"; filename="a.png"',
      'form-data; name="file"',
      'form-data; name=""; filename="../../a"',
      'attachment',
      '',
    ])
    const form = [
      `--x\r\ncontent-disposition: ${part}\r\n\r\n`,
      bytes,
      chance.of(['\r\n--x--\r\n', '\r\n--x', '']),
    ].map((piece) => Buffer.from(piece))
    return ['multipart/form-data; boundary=x', new Uint8Array(Buffer.concat(form))]
  }

  return (): Made => {
    const { path, method, operation } = chance.of(operations)
    const wrongMethod = chance.is(0.03) ? chance.of([...methods, 'options', 'head', 'trace-me']) : method
    const scene = chance.of(known.scenes)
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(pathValue(path, name, scene)))
    const address = (chance.is(0.02) ? `${filled}/${encode(chance.of(oddTexts))}` : filled) + query(operation)
    const [type, sent] = body(operation)
    const headers = new Headers()
    if (type !== '') headers.set('content-type', type)
    if (sent !== undefined) headers.set('content-length', String(Buffer.byteLength(sent)))
    for (let index = 0; chance.is(0.25) && index < 4; index++) {
      const [name, value] = chance.of(oddHeaders)
      headers.set(name, value)
    }
    const mayHaveBody = !['get', 'head'].includes(wrongMethod)
    return { method: wrongMethod.toUpperCase(), address, headers, body: mayHaveBody ? sent : undefined }
  }
}

/** What the requests are to find: jobs in several states, a film, a key, an address. */
async function furnish(harness: AppHarness): Promise<Known> {
  const done = await harness.job(2)
  await harness.finish(done.job_id, new TextEncoder().encode('the bytes of a film'))
  const pending = await harness.job(3)
  const cancelled = await harness.job(1)
  await harness.coordinator.cancelJob(cancelled.job_id)
  const jobs = [done, pending, cancelled].map(({ job_id }) => job_id)
  const scenes = (await Promise.all(jobs.map((id) => harness.coordinator.scenes(id)))).flat()
  for (const { id, jobId } of scenes.slice(0, 3)) await hold(harness, jobId, id)
  const endpoint = await harness.coordinator.addEndpoint({ url: 'https://films.example/hooks' })
  const { key } = await harness.coordinator.createKey({ name: 'fuzz', scopes: ['read'] })
  const background = { r: 1, g: 2, b: 3 }
  const photograph = await sharp({ create: { width: 4, height: 3, channels: 3, background } })
    .png()
    .toBuffer()
  return {
    jobs: [...jobs, 99_999],
    scenes: scenes.map(({ id, jobId }) => ({ id, jobId })),
    assets: [await harness.picture(1), await harness.picture(2)],
    endpoints: [endpoint.id],
    deliveries: [],
    keys: [key.id],
    photograph: new Uint8Array(photograph),
  }
}

/** What was made is asked for, too: the newest is found more often than not. */
const mostKnown = 40

async function learn(known: Known, response: Response, harness: AppHarness): Promise<void> {
  if (response.status !== 201 && response.status !== 202) return
  const made: Readonly<Record<string, unknown>> = JSON.parse(await response.clone().text())
  const keep = <One>(ones: One[], one: unknown): void => {
    if (one === undefined || one === null) return
    ones.push(one as One)
    if (ones.length > mostKnown) ones.shift()
  }
  if ('delivery_id' in made) return keep(known.deliveries, made['delivery_id'])
  if ('endpoint_id' in made) return keep(known.endpoints, made['endpoint_id'])
  if ('key' in made) return keep(known.keys, made['id'])
  if (!('storyboard' in made)) return
  keep(known.jobs, made['job_id'])
  const scenes = await harness.coordinator.scenes(Number(made['job_id']))
  for (const { id, jobId } of scenes.slice(0, 3)) keep(known.scenes, { id, jobId })
}

const atOnce = 4

export async function fuzz(requests: number, seed: number): Promise<Fuzzed> {
  const harness = await openAppHarness()
  const began = performance.now()
  const { app, close } = await wholeApp(harness)
  const contract = createContract(await jsonOf(app.request('/api/openapi.json')))
  const known = await furnish(harness)
  const make = createMaker(createChance(seed), contract.document, known)
  const byStatus: Record<string, number> = {}
  const wrong = new Map<string, string>()

  const ask = async (made: Made): Promise<void> => {
    const { method, address, headers, body } = made
    const tell = (problem: string): void => {
      const kind = problem.replaceAll(/\d+/g, 'N')
      if (!wrong.has(kind)) wrong.set(kind, `${problem}\n    ${spoken(made)}`)
    }
    const before = harness.logged.length
    const url = `http://localhost:4000${address}`
    const response = await app.request(url, { method, headers, ...(body !== undefined && { body }) })
    byStatus[response.status] = (byStatus[response.status] ?? 0) + 1
    if (response.status >= 500) {
      const lines = harness.logged.slice(before).filter(({ level }) => Number(level) >= 50)
      tell(
        `${response.status}: ${lines.map(({ err }) => JSON.stringify(err)).join(' ') || (await response.clone().text())}`,
      )
    }
    if (response.status >= 400 && method !== 'HEAD') {
      const text = await response.clone().text()
      if (!isProblem(text)) tell(`${response.status} says: ${text.slice(0, 200)}`)
    }
    const isDocumented = response.status !== 404 && response.status !== 405 && method !== 'HEAD'
    const { pathname } = new URL(url)
    if (isDocumented)
      for (const problem of await contract.check(method, pathname, response))
        // What the guards refuse never comes to an address.
        if (response.status < 400 || !problem.endsWith('is not documented')) tell(problem)
    await learn(known, response, harness)
    await response.body?.cancel()
  }

  for (let sent = 0; sent < requests; sent += atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, requests - sent) }, () => ask(make())))
  const ms = performance.now() - began
  await close()
  await harness.close()
  const names = operationsOf(contract.document).map(({ id }) => id)
  const neverSucceeded = names.filter((id) => ![...(contract.seen.get(id) ?? [])].some((one) => one < 300))
  return { requests, byStatus, operations: names.length, neverSucceeded, wrong: [...wrong.values()], ms }
}

function isProblem(text: string): boolean {
  try {
    const { error }: { readonly error?: unknown } = JSON.parse(text)
    return typeof error === 'string' && error !== ''
  } catch {
    return false
  }
}

const spoken = ({ method, address, headers, body }: Made): string =>
  `${method} ${address.slice(0, 300)} ${JSON.stringify([...headers].map(([name, value]) => [name, value.slice(0, 60)]))} ${String(body ?? '').slice(0, 600)}`

if (import.meta.main) {
  const [requests, seed] = [Number(process.argv[2] ?? 20_000), Number(process.argv[3] ?? 1)]
  const { byStatus, operations, neverSucceeded, wrong, ms } = await fuzz(requests, seed)
  console.log(`${requests} requests, seed ${seed}, in ${(ms / 1000).toFixed(0)} s`)
  for (const [status, count] of Object.entries(byStatus)) console.log(`  ${status}: ${count}`)
  console.log(
    `  ${operations - neverSucceeded.length} of ${operations} operations succeeded at least once; never: ${neverSucceeded.join(', ') || 'none'}`,
  )
  for (const one of wrong) console.log(`  WRONG ${one}`)
  process.exitCode = wrong.length > 0 ? 1 : 0
}
