/** The page in a real browser, over the real server. Runs where there is a Chromium. */
import { afterEach, expect, it } from 'vitest'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, openPageSite } from './open-page.ts'

let site: PageSite | undefined
afterEach(() => site?.close())

const photographs = ['exterior.jpg', 'living-room.jpg', 'garden.jpg'].map((name) => `sample/${name}`)
const patience = { timeout: 60_000 }

it.skipIf(!hasChromium)('makes a film from dropped photographs: planned, approved, watched', async () => {
  site = await openPageSite()
  const { page, faults, go } = await site.person()
  await go('/')
  await page.getByText('Nothing waits for you.').waitFor(patience)
  await page.getByRole('link', { name: 'New film' }).first().click()
  await page.getByLabel('Choose files').setInputFiles(photographs)
  await page.getByLabel('Name of the film').fill('Harbour house')
  await page.getByRole('button', { name: 'Plan the film' }).click(patience)
  await page.getByRole('heading', { name: 'Harbour house' }).waitFor(patience)
  await page.getByRole('button', { name: /^Approve/ }).click(patience)
  await page.locator('video[aria-label^="Film"]').waitFor(patience)
  const seconds = await page.evaluate<number>(`new Promise((resolve) => {
    const video = document.querySelector('video[aria-label^="Film"]')
    if (video.readyState > 0) resolve(video.duration)
    else video.addEventListener('loadedmetadata', () => resolve(video.duration))
  })`)
  const statusNow = async () => (await site!.workflow.coordinator.jobs({ limit: 1 })).jobs[0]?.status
  await expect.poll(statusNow, patience).toBe('completed')
  expect(seconds).toBeGreaterThan(10)
  expect(faults).toEqual([])
})

it.skipIf(!hasChromium)('lets in a person by a key, and offers what the key allows', async () => {
  site = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1' })
  const { coordinator } = site.workflow
  const reader = await coordinator.createKey({ name: 'reader', scopes: ['read'] })
  const { page, context, faults, go } = await site.person()
  await go('/jobs')
  await page.getByLabel('Access key').fill('wck_wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor(patience)
  await page.getByLabel('Access key').fill(reader.secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('Signed in as reader').waitFor(patience)
  const [cookie] = await context.cookies()
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
  expect(await page.evaluate('document.cookie + JSON.stringify(localStorage)')).not.toContain('wck_')
  await coordinator.revokeKey(reader.key.id)
  await page.reload()
  await page.getByLabel('Access key').waitFor(patience)
  expect(faults).toEqual([])
})
