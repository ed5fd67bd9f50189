/** The client in a real browser, as it would be built for one. Runs where there is a Chromium. */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { listen } from '../../src/http/edge/server.ts'
import { openAppHarness } from '../harness/app.ts'
import { hasChromium, launchChromium } from '../server/chromium.ts'

/** A page of the server's, which has the client. */
async function pageOf(browser: Browser, url: string): Promise<Page> {
  // What the page itself may load is not what is tried here.
  const page = await browser.newPage({ bypassCSP: true })
  await page.route('**/client/*.ts', (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      body: stripTypeScriptTypes(
        readFileSync(`src/client/${basename(new URL(route.request().url()).pathname)}`, 'utf8'),
      ),
    }),
  )
  await page.goto(`${url}/livez`)
  return page
}

/** In words, as it runs where our types don't. */
const useIt = (jobId: number): string => `(async () => {
  const { createClient, ApiError } = await import('/client/client.ts')
  const client = createClient({ url: location.origin })
  const job = await client.readJob(${jobId})
  const refusal = await client.readJob(99999).catch((error) => error instanceof ApiError && error.message)
  const asset = await client.uploadAsset(new Blob([new Uint8Array(3)])).catch((error) => error.status)
  await client.cancelJob(${jobId})
  const types = []
  for await (const { type } of client.watchJob(${jobId})) types.push(type)
  return { status: job.status, refusal, asset, types }
})()`

/** As a page does it: a key for one request, then what the browser has itself. */
const follow = (jobId: number, key: string): string => `(async () => {
  const { createClient } = await import('/client/client.ts')
  const { token } = await createClient({ url: location.origin, key: ${JSON.stringify(key)} }).createEventsToken()
  const types = []
  const source = new EventSource('/api/v3/jobs/${jobId}/events?after=0&token=' + token)
  await new Promise((resolve, reject) => {
    source.addEventListener('job_created', ({ type }) => types.push(type))
    source.addEventListener('job_cancelled', ({ type }) => { types.push(type); resolve() })
    source.addEventListener('error', () => reject(new Error('the stream was refused')))
  })
  source.close()
  return types
})()`

it.skipIf(!hasChromium)(
  "follows events by the browser's own EventSource, with a token in place of a key",
  async () => {
    const harness = await openAppHarness()
    const app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 }, feed: harness.feed })
    const { secret } = await harness.coordinator.createKey({ name: 'page', scopes: ['read'] })
    const server = await listen(app, { host: '127.0.0.1', port: 0 })
    const browser = await launchChromium()
    try {
      const { job_id } = await harness.job()
      await harness.coordinator.cancelJob(job_id)
      const page = await pageOf(browser, server.url)
      expect(await page.evaluate(follow(job_id, secret))).toEqual(['job_created', 'job_cancelled'])
    } finally {
      await browser.close()
      await server.close({ graceMs: 0 })
      await harness.close()
    }
  },
)

it.skipIf(!hasChromium)('asks, is refused, and follows a job from a page', async () => {
  const harness = await openAppHarness()
  const server = await listen(harness.app, { host: '127.0.0.1', port: 0 })
  const browser = await launchChromium()
  try {
    const { job_id } = await harness.job()
    const page = await pageOf(browser, server.url)
    expect(await page.evaluate(useIt(job_id))).toEqual({
      status: 'pending',
      refusal: 'Job not found',
      asset: 422,
      types: ['job_created', 'job_cancelled'],
    })
  } finally {
    await browser.close()
    await server.close({ graceMs: 0 })
    await harness.close()
  }
})
