/** Every page and dialog in both themes, wide and on a phone, full and empty, signed in and out: axe finds nothing. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FakeReplicate } from '../fake-replicate/start.ts'
import { hasChromium } from '../server/chromium.ts'
import { mainPages, screens, settled } from './looks.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'
import { type House, openSeedProvider, seedHouse } from './seed.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const patience = { timeout: 30_000 }

/** What axe finds, as `rule: element`. */
async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe)
  const found = await page.evaluate<AxeResults>(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`,
  )
  return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`))
}

const states: readonly (keyof House)[] = [
  'pending',
  'sentBack',
  'running',
  'held',
  'overBudget',
  'completed',
  'changed',
  'failed',
  'cancelled',
]

const anyone = (site: PageSite): Promise<Person> => site.person({ reducedMotion: 'reduce' })

describe.skipIf(!hasChromium)('axe finds nothing', () => {
  let site: PageSite
  let empty: PageSite
  let key: string
  let fake: FakeReplicate
  let house: House

  beforeAll(async () => {
    const provider = await openSeedProvider()
    fake = provider.fake
    site = await openPageSite(provider.serverEnv)
    empty = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1', RATE_LIMIT_PER_MINUTE: '0' })
    key = (await empty.workflow.coordinator.createKey({ name: 'Ada', scopes: ['admin'] })).secret
    house = await seedHouse(site, fake)
  }, 300_000)
  afterAll(async () => {
    for (const one of [site, empty]) await one?.close()
    await fake?.kill()
  })

  /** In both themes, wide and on a phone. `act`: called on each page once it is shown. */
  const look = async (
    { page, context, go }: Person,
    paths: readonly string[],
    act?: (page: Page) => Promise<void>,
  ): Promise<void> => {
    const found: string[] = []
    for (const path of paths) {
      await page.setViewportSize(screens.wide)
      await go(path)
      await settled(page)
      await act?.(page)
      for (const [screen, size] of Object.entries(screens)) {
        await page.setViewportSize(size)
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme })
          await settled(page)
          for (const violation of await violations(page))
            found.push(`${path}, ${colorScheme}, ${screen}: ${violation}`)
        }
      }
    }
    await context.close()
    expect(found).toEqual([])
  }

  it.each(mainPages)('on the full page %s', async (path) => look(await anyone(site), [path]))

  it.each(states)('on a job: %s', async (state) => look(await anyone(site), [`/jobs/${house[state].job_id}`]))

  it('in front of the door', async () => look(await anyone(empty), ['/']))

  it('on empty pages, for a person with a key', async () => {
    const person = await anyone(empty)
    await person.go('/')
    await person.page.getByLabel('Access key').fill(key)
    await person.page.getByRole('button', { name: 'Sign in' }).click()
    await person.page.getByText('Signed in as Ada').waitFor(patience)
    await look(person, [...mainPages, '/jobs/404', '/jobs/nowhere'])
  }, 300_000)

  it('in the palette', async () =>
    look(await anyone(site), ['/'], async (page) => {
      await page.keyboard.press('Control+k')
      await page.getByRole('dialog').waitFor(patience)
      await page.keyboard.type('mill')
    }))

  it('while a job is sent back', async () =>
    look(await anyone(site), [`/jobs/${house.pending.job_id}`], async (page) => {
      await page
        .getByRole('button', { name: /^Send back/ })
        .first()
        .click(patience)
      await page.getByRole('textbox', { name: /changed/ }).waitFor(patience)
    }))

  it.each([
    ['a key is made', '/settings', 'New key'],
    ['a webhook is added', '/settings/webhooks', 'New webhook'],
    ['all rendering is paused', '/overview', 'Pause all rendering'],
  ])('while %s', async (_, path, name) =>
    look(await anyone(site), [path], async (page) => {
      await page.getByRole('button', { name }).first().click(patience)
      await page.getByRole('dialog').waitFor(patience)
    }),
  )
})
