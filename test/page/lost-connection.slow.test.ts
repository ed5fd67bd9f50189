/** The page on a line that breaks: what is shown afterwards is what the server has, and the break is told while it lasts. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { hasChromium } from '../server/chromium.ts'
import { type BadLine, openBadLine } from './bad-line.ts'
import { type PageSite, openPageSite } from './open-page.ts'
import { uploadSample } from './seed.ts'

const patience = { timeout: 30_000 }
let site: PageSite
let line: BadLine
let assetId: string

beforeAll(async () => {
  if (!hasChromium) return
  site = await openPageSite()
  assetId = await uploadSample(site.client, 'garden.jpg')
})
afterAll(() => site?.close())
beforeEach(async () => {
  if (hasChromium) line = await openBadLine(site.url)
})
afterEach(() => line?.close())

const createJob = (name: string) =>
  site.client.createJob({
    type: 'property_photos',
    video_name: name,
    parameters: { photos: [{ asset_id: assetId }] },
  })

async function waitingNow(): Promise<readonly string[]> {
  const { jobs } = await site.client.listJobs({ needs_approval: 'true', limit: 200 })
  return jobs.map(({ video_name }) => video_name)
}

/** Resolves when the page lists each job that waits once, and nothing else. */
async function showsWhatTheServerHas(page: Page): Promise<void> {
  const names = await waitingNow()
  await expect.poll(() => page.title(), patience).toContain(`(${names.length}) `)
  for (const name of names) await page.getByText(name, { exact: true }).waitFor(patience)
  expect(await page.getByText(/^House \d+$/).count()).toBe(names.length)
}

const notice = (page: Page) => page.getByText(/^No connection/)

it.skipIf(!hasChromium)(
  'tells that the line is cut, and shows afterwards what happened meanwhile',
  async () => {
    const { page, faults } = await site.person()
    await createJob('House 1')
    const first = await createJob('House 2')
    await page.goto(line.url)
    await showsWhatTheServerHas(page)
    line.cut()
    await notice(page).waitFor(patience)
    await createJob('House 3')
    await site.client.cancelJob(first.job_id)
    line.mend()
    await notice(page).waitFor({ state: 'detached', ...patience })
    await showsWhatTheServerHas(page)
    await createJob('House 4')
    await showsWhatTheServerHas(page)
    expect(faults).toEqual([])
  },
)

it.skipIf(!hasChromium)('notices a line that has fallen silent, as after a laptop has slept', async () => {
  const { page, faults } = await site.person()
  await page.clock.install()
  await createJob('House 5')
  await page.goto(line.url)
  await showsWhatTheServerHas(page)
  line.stall()
  await createJob('House 6')
  await page.clock.fastForward(60_000)
  await notice(page).waitFor(patience)
  line.mend()
  await notice(page).waitFor({ state: 'detached', ...patience })
  await showsWhatTheServerHas(page)
  expect(faults).toEqual([])
})

it.skipIf(!hasChromium)('misses and doubles nothing on a line that breaks again and again', async () => {
  const { page, faults } = await site.person()
  await page.goto(line.url)
  await showsWhatTheServerHas(page)
  for (let house = 10; house < 25; house++) {
    await createJob(`House ${house}`)
    line.cut()
    await createJob(`House ${house + 100}`)
    line.mend()
    await createJob(`House ${house + 200}`)
    if (house % 5 === 0) await showsWhatTheServerHas(page)
  }
  await showsWhatTheServerHas(page)
  expect(faults).toEqual([])
})

it.skipIf(!hasChromium)('shows each of two people what the other has done, without a reload', async () => {
  const [one, other] = [await site.person(), await site.person()]
  const job = await createJob('House 300')
  for (const { page } of [one, other]) {
    await page.goto(`${site.url}/jobs/${job.job_id}`)
    await page.getByRole('heading', { name: 'House 300' }).waitFor(patience)
  }
  await one.page.getByRole('button', { name: /^Send back/ }).click()
  await one.page.getByRole('textbox', { name: /changed/ }).fill('A longer shot of the garden')
  await one.page
    .getByRole('button', { name: /^Send back/ })
    .last()
    .click()
  await one.page.getByText('A longer shot of the garden').first().waitFor(patience)
  await other.page.getByText('A longer shot of the garden').first().waitFor(patience)
})
