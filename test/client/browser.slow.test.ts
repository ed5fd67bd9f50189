/** The client in a real browser, as it would be built for one. Runs where there is a Chromium. */
import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename } from 'node:path'
import { chromium } from 'playwright-core'
import { expect, it } from 'vitest'
import { listen } from '../../src/http/server.ts'
import { openHouse } from '../http/house.ts'

const executablePath = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
)

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

it.skipIf(!executablePath)('asks, is refused, and follows a job from a page', async () => {
  const house = await openHouse()
  const server = await listen(house.app, { host: '127.0.0.1', port: 0 })
  const browser = await chromium.launch({
    executablePath: executablePath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })
  try {
    const { job_id } = await house.job()
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
    await page.goto(`${server.url}/livez`)
    expect(await page.evaluate(useIt(job_id))).toEqual({
      status: 'pending',
      refusal: 'Job not found',
      asset: 422,
      types: ['job_created', 'job_cancelled'],
    })
  } finally {
    await browser.close()
    await server.close({ graceMs: 0 })
    await house.close()
  }
})
