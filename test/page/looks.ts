/** The pages as they are looked at, by axe and by people. */
import type { Page } from 'playwright-core'

export const screens = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } } as const

const settingsParts = ['/settings', '/settings/webhooks', '/settings/models', '/settings/storage']
export const mainPages = ['/', '/new', '/jobs', '/overview', ...settingsParts]

/** Resolves when nothing is being read or moves any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main :is(h1, p)').first().waitFor({ timeout: 30_000 })
  await page.evaluate(`(async () => {
    let quiet = 0
    let before = document.body.innerHTML
    while (quiet < 5) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      const now = document.body.innerHTML
      quiet = now === before && document.getAnimations().every(({ playState }) => playState !== 'running') ? quiet + 1 : 0
      before = now
    }
  })()`)
}
