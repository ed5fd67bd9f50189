import type { Page } from 'playwright-core'

/** Picks up by keyboard what has the focus. What drags it hears keys from the next turn on, and knows the places after a frame. */
export async function pickUp(page: Page): Promise<void> {
  await page.keyboard.press('Space')
  await page.evaluate(
    'new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done))))',
  )
}
