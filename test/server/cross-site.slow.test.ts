/** What a page of another site in a real browser can do to a server on the user's machine. Runs where there is a Chromium. */
import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { hasChromium, launchChromium } from './chromium.ts'

let harness: AppHarness
let server: Listening
let others: Server
let browser: Browser
let jobId: number
/** What came to the server from pages, and how it was answered. */
let answered: string[] = []

beforeAll(async () => {
  if (!hasChromium) return
  harness = await openAppHarness()
  jobId = (await harness.job()).job_id
  const fetch = async (request: Request, bindings?: object): Promise<Response> => {
    const response = await harness.app.fetch(request, bindings)
    const { pathname } = new URL(request.url)
    if (pathname !== '/favicon.ico') answered.push(`${request.method} ${pathname} ${response.status}`)
    return response
  }
  server = await listen({ fetch }, { host: '127.0.0.1', port: 0 })
  others = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://other')
    response.setHeader('content-type', 'text/html').end(searchParams.get('html') ?? '<p>another site')
  }).listen(0)
  await once(others, 'listening')
  browser = await launchChromium()
})
afterAll(async () => {
  if (!hasChromium) return
  await browser.close()
  others.close()
  await server.close({ graceMs: 0 })
  await harness.close()
})
beforeEach(() => {
  answered = []
})

const openPage = async (site: string, html = ''): Promise<Page> => {
  const page = await browser.newPage()
  const { port } = others.address() as AddressInfo
  await page.goto(`http://${site}:${port}/?html=${encodeURIComponent(`<p>another site${html}`)}`)
  return page
}

/** What `script` resolves to in the page; `refused` where it rejects. */
const inPage = (page: Page, script: string): Promise<unknown> =>
  page.evaluate(`(async () => { ${script} })().catch(() => 'refused')`)

describe.skipIf(!hasChromium).each([
  ['of another site', 'localhost'],
  ['on another port of the same name', '127.0.0.1'],
])('a page %s', (_name, site) => {
  it.each(['cors', 'no-cors'])('reads nothing by a fetch with %s', async (mode) => {
    const page = await openPage(site)
    for (const path of ['/api/v3/jobs', '/livez', '/docs'])
      expect(
        await inPage(page, `return await (await fetch('${server.url}${path}', { mode: '${mode}' })).text()`),
      ).toBe('refused')
    expect(answered).toEqual(['GET /api/v3/jobs 403', 'GET /livez 403', 'GET /docs 403'])
    await page.close()
  })

  it('changes nothing by a fetch, with a preflight or without', async () => {
    const page = await openPage(site)
    const approve = `${server.url}/api/v3/jobs/${jobId}/approve`
    const simple = `return (await fetch('${approve}', { method: 'POST', mode: 'no-cors', body: '{}' })).status`
    expect(await inPage(page, simple)).toBe('refused')
    const json = `{ 'content-type': 'application/json' }`
    const withPreflight = `return (await fetch('${approve}', { method: 'POST', headers: ${json}, body: '{}' })).status`
    expect(await inPage(page, withPreflight)).toBe('refused')
    const path = `/api/v3/jobs/${jobId}/approve`
    expect(answered).toEqual([`POST ${path} 403`, `OPTIONS ${path} 403`])
    await page.close()
  })

  it('shows no picture, script or frame of the server', async () => {
    const page = await openPage(site)
    const load = (tag: string, path: string): string => `
      const element = document.createElement('${tag}')
      const loaded = new Promise((resolve, reject) => {
        element.onload = () => resolve('loaded')
        element.onerror = () => reject(new Error())
      })
      element.src = '${server.url}${path}'
      document.body.append(element)
      return await loaded`
    expect(await inPage(page, load('img', `/api/v3/videos/${jobId}/thumbnail`))).toBe('refused')
    expect(await inPage(page, load('script', '/docs/reference.js'))).toBe('refused')
    // A frame that is refused loads a page of the browser's own.
    await inPage(page, load('iframe', '/docs'))
    expect(answered).toEqual([
      `GET /api/v3/videos/${jobId}/thumbnail 403`,
      'GET /docs/reference.js 403',
      'GET /docs 403',
    ])
    await page.close()
  })

  it('follows no events', async () => {
    const page = await openPage(site)
    const follow = `
      const source = new EventSource('${server.url}/api/v3/events')
      return await new Promise((resolve, reject) => {
        source.onopen = () => resolve('open')
        source.onerror = () => { source.close(); reject(new Error()) }
      })`
    expect(await inPage(page, follow)).toBe('refused')
    expect(answered).toEqual(['GET /api/v3/events 403'])
    await page.close()
  })

  it('sends no form', async () => {
    const path = `/api/v3/jobs/${jobId}/approve`
    const page = await openPage(
      site,
      `<form method="post" action="${server.url}${path}"><button>Win</button></form>`,
    )
    const response = page.waitForResponse(`${server.url}${path}`)
    await page.click('button')
    expect((await response).status()).toBe(403)
    expect(answered).toEqual([`POST ${path} 403`])
    await page.close()
  })

  it('may link to a page of the server, which loads what belongs to it', async () => {
    const page = await openPage(site, `<a href="${server.url}/docs">docs</a>`)
    await page.click('a')
    await page.waitForURL(`${server.url}/docs`, { waitUntil: 'load' })
    expect(answered[0]).toBe('GET /docs 200')
    expect(answered).toContain('GET /docs/reference.css 200')
    expect(answered.filter((line) => !line.endsWith(' 200'))).toEqual([])
    await page.close()
  })
})

it.skipIf(!hasChromium)('leaves the job as it was, whatever pages tried', async () => {
  expect((await harness.coordinator.job(jobId)).status).toBe('pending')
})
