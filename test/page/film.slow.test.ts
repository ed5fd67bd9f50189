/** The job while it runs, and the finished film, in a real browser over the real server and a fake provider. */
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { until } from '../harness/until.ts'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'

const patience = { timeout: 60_000 }
const model = 'google/veo-3.1-fast'
const quick = { startMs: 50, renderMs: 200 }

let fake: FakeReplicate
let site: PageSite
let key: string
let photographs: readonly string[]

beforeAll(async () => {
  if (!hasChromium) return
  fake = await startFakeReplicate(quick)
  site = await openPageSite({
    REQUIRE_KEYS: 'true',
    HOST: '127.0.0.1',
    REPLICATE_API_TOKEN: fake.token,
    REPLICATE_BASE_URL: fake.url,
    REPLICATE_MAX_CONCURRENCY: '1',
    REPLICATE_START_DELAY_MS: '0',
  })
  const { coordinator, takeAsset } = site.workflow
  key = (await coordinator.createKey({ name: 'Ada', scopes: ['admin'] })).secret
  photographs = await Promise.all(
    ['exterior.jpg', 'living-room.jpg', 'garden.jpg', 'bedroom.jpg'].map(async (name) => {
      const bytes = await readFile(`sample/${name}`)
      const chunks = (async function* () {
        yield bytes
      })()
      return (await takeAsset(chunks, { uploader: 'test', signal: AbortSignal.timeout(60_000) })).id
    }),
  )
})
afterAll(async () => {
  await site?.close()
  await fake?.kill()
})

/** A paid job of as many scenes, approved at its cost. */
async function approved(name: string, scenes: number): Promise<Job> {
  const { coordinator } = site.workflow
  const job = await coordinator.createJob({
    type: 'property_photos',
    video_name: name,
    force: true,
    parameters: {
      model,
      clip_duration: 4,
      transition: 'cut',
      photos: photographs.slice(0, scenes).map((asset_id) => ({ asset_id })),
      // Or it would use the clips of an equal job.
      prompt: name,
    },
  })
  return coordinator.approveJob(job.id)
}

const completed = (id: number) =>
  until(async () => (await site.workflow.coordinator.job(id)).status === 'completed')

async function signedIn(path: string): Promise<Person> {
  const person = await site.person()
  await person.go(path)
  await person.page.getByLabel('Access key').fill(key)
  await person.page.getByRole('button', { name: 'Sign in' }).click()
  return person
}

const strip = (page: Page, status: string) => page.locator(`.strip-frame[data-status="${status}"]`)

/** The place of a video, in seconds; its policy keeps the page from evaluating text by itself. */
const placeOf = (page: Page, label: string): Promise<number> =>
  page.evaluate<number>(`document.querySelector('video[aria-label^="${label}"]')?.currentTime ?? -1`)

const played = (page: Page, label: string) =>
  expect.poll(() => placeOf(page, label), { ...patience, interval: 100 }).toBeGreaterThan(0.2)

const isAt = (page: Page, seconds: number) =>
  expect.poll(() => placeOf(page, 'Film'), { ...patience, interval: 100 }).toBeCloseTo(seconds, 0)

it.skipIf(!hasChromium)(
  'fills the strip while it renders, plays what is ready, says why the rest waits, and tells what a cancel leaves charged',
  async () => {
    const { id } = await approved('While it runs', 4)
    const { page, faults } = await signedIn(`/jobs/${id}`)
    await strip(page, 'completed').first().waitFor(patience)
    // The next ones stay as they are.
    await fake.set({ renderMs: 600_000 })
    await strip(page, 'completed').first().click()
    await played(page, 'The clip of')
    await strip(page, 'pending').last().click()
    const why = 'All places of this renderer are in use.'
    await page.getByText(why, { exact: true }).waitFor(patience)
    await page.getByText(/^\d scenes? waits?: All places of this renderer/).waitFor(patience)
    await page.getByText(/^\d of 4 scenes ready$/).waitFor(patience)

    await page.getByLabel('Priority').selectOption('High')
    await until(async () => (await site.workflow.coordinator.job(id)).priority === 80)
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByLabel('Reason, for the history').fill('The owner calls')
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Paused by Ada: The owner calls').waitFor(patience)
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Pause' }).waitFor(patience)

    const { spentMicros, reservedMicros } = await site.workflow.coordinator.costs(id)
    await page.getByRole('button', { name: 'Cancel the job' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(`$${(spentMicros / 1e6).toFixed(2)} is spent and stays charged.`).waitFor(patience)
    await dialog.getByText(`$${(reservedMicros / 1e6).toFixed(2)} is reserved for renders that run`).waitFor()
    await dialog.getByLabel('Reason, for the history').fill('The house is sold')
    await dialog.getByRole('button', { name: 'Cancel it' }).click()
    await page.getByText('This job was cancelled.').waitFor(patience)
    const history = page.getByRole('region', { name: 'History' })
    await history.getByText('The house is sold').waitFor(patience)
    expect(await history.getByText('Priority').locator('..').textContent()).toBe('Priority50 → 80')
    expect(await history.getByText('Scene ready').count()).toBe(0)
    await history.getByRole('button', { name: 'Show all' }).click()
    await history.getByText('Scene ready').first().waitFor(patience)
    await page.getByRole('button', { name: /^Retry, \$/ }).waitFor()
    await fake.set(quick)
    expect(faults).toEqual([])
  },
  300_000,
)

it.skipIf(!hasChromium)(
  'shows the film with its scenes, again at a price, side by side, as it was, as a file, and by a link that ends',
  async () => {
    const { id } = await approved('Harbour house', 3)
    await completed(id)
    const { page, faults } = await signedIn(`/jobs/${id}`)

    const chapters = page.getByRole('list', { name: 'Scenes of the film' }).getByRole('button')
    await chapters.nth(2).click(patience)
    await isAt(page, 8)
    await expect.poll(() => chapters.nth(2).getAttribute('aria-current'), patience).toBe('true')
    await page.keyboard.press(',')
    await isAt(page, 4)

    const [download] = await Promise.all([
      page.waitForEvent('download', patience),
      page.getByRole('link', { name: 'Download' }).first().click(),
    ])
    expect(download.suggestedFilename()).toMatch(/^Harbour house.*\.mp4$/)

    const { coordinator } = site.workflow
    const [, second, third] = await coordinator.scenes(id)
    await coordinator.updateScene(id, third!.id, { duration: 6 })
    await page.getByRole('button', { name: /^Approve \$/ }).waitFor(patience)
    const price = `$${(second!.price_micros! / 1e6).toFixed(2)}`
    const both = `$${((second!.price_micros! * 2.5) / 1e6).toFixed(2)}`
    await page.getByRole('button', { name: `Again, ${price}` }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(`More than was approved: ${both} has to be approved then.`).waitFor(patience)
    await dialog.getByRole('button', { name: `Again, ${price}` }).click()
    await page.getByRole('button', { name: `Approve ${both}` }).click(patience)
    const versions = page.getByRole('region', { name: 'Versions' })
    await versions.getByText('Version 2').waitFor(patience)

    await versions.getByRole('button', { name: 'Compare version 1' }).click()
    await versions.getByText('rendered anew, 6 s instead of 4 s').waitFor(patience)
    await versions.getByText('2 scenes are the same.').waitFor()
    await versions.getByRole('button', { name: 'Play both' }).click()
    await played(page, 'Version 1')
    await played(page, 'Version 2')
    await versions.getByRole('button', { name: 'Close' }).click()
    await versions.getByRole('button', { name: 'Show this one again' }).click()
    await versions.getByText('The same film as version 1').waitFor(patience)

    await page.getByRole('button', { name: 'Share' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Make a link' }).click()
    const link = await page.getByLabel('Link').inputValue(patience)
    const { page: stranger, context } = await site.person()
    const response = await stranger.goto(link)
    expect([response!.status(), response!.headers()['content-type']]).toEqual([200, 'video/mp4'])
    const loaded = () => stranger.evaluate<number>(`document.querySelector('video')?.readyState ?? 0`)
    await expect.poll(loaded, patience).toBeGreaterThan(0)
    expect((await context.request.get(`${site.url}/api/v3/videos/${id}/combined`)).status()).toBe(401)
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
    const history = page.getByRole('region', { name: 'History' })
    await history.getByText('Shared by a link').waitFor(patience)
    const rotated = await context.request.post(`${site.url}/api/v3/secret/rotate`, {
      headers: { authorization: `Bearer ${key}` },
      data: { grace_seconds: 0 },
    })
    expect(rotated.status()).toBe(200)
    expect((await stranger.goto(link))!.status()).toBe(404)
    expect(faults).toEqual([])
  },
  300_000,
)
