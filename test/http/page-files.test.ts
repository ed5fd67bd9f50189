/** The page's files over a real socket, as any program may ask for them. What a browser does with them is in test/page. */
import { readFileSync, readdirSync } from 'node:fs'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
let server: Listening
beforeAll(async () => {
  harness = await openAppHarness()
  const app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 } })
  server = await listen(app, { host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await harness.close()
})

/** The path as it is written: `fetch` would resolve `..`. */
const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
  new Promise<{
    readonly status: number
    readonly headers: Readonly<Record<string, unknown>>
    readonly body: string
  }>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode!, headers: response.headers, body }),
        reject,
      )
    })
    asked.on('error', reject).end()
  })

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const index = readFileSync('page/dist/index.html', 'utf8')
const asset = `/page/assets/${readdirSync('page/dist/assets').find((name) => name.endsWith('.js'))}`

test('serves nothing that lies outside, however its path is written', async () => {
  const paths = [
    '/page/../package.json',
    '/page/assets/../../../package.json',
    '/page/..%2f..%2fpackage.json',
    '/page/%2e%2e/%2e%2e/package.json',
    '/page/assets/..%5c..%5c..%5cpackage.json',
    '/page/assets/%00',
    '/page/manifest.json',
    '/page/index.html',
    '/page//etc/passwd',
    '/page/assets/%E0%A4%A',
    '/page/',
    '/page/assets/',
    '/page/__proto__',
    '/page/constructor',
  ]
  for (const path of paths) {
    const { status, body } = await get(path)
    expect([path, status >= 400 && status < 500, body.includes('devDependencies')]).toEqual([
      path,
      true,
      false,
    ])
  }
})

test('keeps what is named by its bytes for ever, and asks again for the rest', async () => {
  const whole = await get(asset)
  expect(whole.headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
  })
  expect(whole.headers['content-security-policy']).toContain("script-src 'self'")
  const head = await get(asset, {}, 'HEAD')
  expect([head.status, head.body, head.headers['etag']]).toEqual([200, '', whole.headers['etag']])
  const etag = String((await get('/')).headers['etag'])
  expect((await get('/')).headers).toMatchObject({ 'cache-control': 'no-cache' })
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`])
    expect([known, (await get('/', { 'if-none-match': known })).status]).toEqual([known, 304])
  expect((await get('/', { 'if-none-match': '"other"' })).status).toBe(200)
})

test('tells a browser at once what the page of an address needs', async () => {
  const { headers } = await get('/jobs/7', html)
  for (const link of String(headers['link']).split(', ')) {
    const [, path = ''] = /^<(\/page\/assets\/[\w.-]+)>; rel=modulepreload$/.exec(link) ?? []
    expect((await get(path)).status).toBe(200)
  }
})

test('says to a person that nothing is at an address, and to a program in JSON', async () => {
  for (const path of ['/nothing', '/jobs/7/nothing', '/jobs/', '/%E0%A4%A', '/favicon.ico']) {
    const shown = await get(path, html)
    expect([path, shown.status, shown.body]).toEqual([path, 404, index])
    expect(shown.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
    })
    expect(shown.headers['content-security-policy']).toContain("script-src 'self'")
    expect(shown.headers['etag']).toBeUndefined()
  }
  const head = await get('/nothing', html, 'HEAD')
  expect([head.status, head.body]).toEqual([404, ''])
  // As before, strangers learn nothing of what is there.
  for (const [path, headers] of [
    ['/nothing', { accept: 'application/json' }],
    ['/nothing', {}],
    ['/api/v3/nothing', html],
    ['/api/v3/jobs', html],
  ] as const) {
    const { status, body } = await get(path, headers)
    expect([path, status, JSON.parse(body).error]).toEqual([path, 401, 'Unauthorized'])
  }
  expect((await get('/nothing', html, 'POST')).status).toBe(401)
  const free = harness.appWith({})
  expect(await jsonOf(free.request('/nothing', { headers: { accept: '*/*' } }))).toEqual({
    error: 'Not found',
    path: '/nothing',
  })
  expect((await free.request('/api/v3/nothing', { headers: html })).headers.get('content-type')).toMatch(
    /json/,
  )
})
