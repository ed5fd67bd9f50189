/** Every page in both themes, wide and on a phone, full and empty, signed in and out: axe finds nothing. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FakeReplicate } from '../fake-replicate/start.ts'
import { hasChromium } from '../server/chromium.ts'
import { mainPages, screens, settled } from './looks.ts'
import { type PageSite, openPageSite } from './open-page.ts'
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

const looks = (['light', 'dark'] as const).flatMap((colorScheme) =>
  (['wide', 'phone'] as const).map((screen) => ({ colorScheme, screen })),
)

describe.skipIf(!hasChromium)('axe finds nothing', () => {
  let site: PageSite
  let empty: PageSite
  let locked: PageSite
  let fake: FakeReplicate
  let house: House

  beforeAll(async () => {
    const provider = await openSeedProvider()
    fake = provider.fake
    site = await openPageSite(provider.serverEnv)
    empty = await openPageSite()
    locked = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1' })
    house = await seedHouse(site, fake)
  }, 300_000)
  afterAll(async () => {
    for (const one of [site, empty, locked]) await one?.close()
    await fake?.kill()
  })

  const look = async (at: PageSite, paths: readonly string[], [options, act]: Look): Promise<void> => {
    const { page, context, go } = await at.person(options)
    const found: Record<string, readonly string[]> = {}
    for (const path of paths) {
      await go(path)
      await settled(page)
      await act?.(page)
      found[path] = await violations(page)
    }
    await context.close()
    expect(found).toEqual(Object.fromEntries(paths.map((path) => [path, []])))
  }
  type Look = readonly [Parameters<PageSite['person']>[0], ((page: Page) => Promise<void>)?]

  const jobs = (): string[] => Object.values(house).map(({ job_id }: House[keyof House]) => `/jobs/${job_id}`)

  it.each(looks)('on full pages, $colorScheme, $screen', async ({ colorScheme, screen }) => {
    const options = { colorScheme, viewport: screens[screen], reducedMotion: 'reduce' } as const
    await look(site, [...mainPages, ...jobs()], [options])
  })

  it.each(looks)(
    'on empty pages and in front of the door, $colorScheme, $screen',
    async ({ colorScheme, screen }) => {
      const options = { colorScheme, viewport: screens[screen], reducedMotion: 'reduce' } as const
      await look(empty, [...mainPages, '/jobs/404', '/nowhere'], [options])
      await look(locked, ['/'], [options])
    },
  )

  it.each(['light', 'dark'] as const)('in the palette and while sending back, %s', async (colorScheme) => {
    const options = { colorScheme, viewport: screens.wide, reducedMotion: 'reduce' } as const
    const openPalette = async (page: Page): Promise<void> => {
      await page.keyboard.press('Control+k')
      await page.getByRole('dialog').waitFor(patience)
      await page.keyboard.type('mill')
      await settled(page)
    }
    await look(site, ['/'], [options, openPalette])
    const sendBack = async (page: Page): Promise<void> => {
      await page
        .getByRole('button', { name: /^Send back/ })
        .first()
        .click(patience)
      await page.getByRole('textbox', { name: /changed/ }).waitFor(patience)
      await settled(page)
    }
    await look(site, [`/jobs/${house.pending.job_id}`], [options, sendBack])
  })
})
