/** The pages as they are looked at, by axe and by people. */
import { setTimeout } from 'node:timers/promises'
import type { Page, Request } from 'playwright-core'

export const screens = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } } as const

const settingsParts = ['/settings', '/settings/webhooks', '/settings/models', '/settings/storage']
export const mainPages = ['/', '/new', '/jobs', '/overview', ...settingsParts]

const patienceMs = 60_000

const asked = new WeakMap<Page, Set<Request>>()

/** Has `settled` know what the page asks the server for. */
export function noteRequests(page: Page): void {
  const running = new Set<Request>()
  asked.set(page, running)
  page.on('request', (request) => {
    // A stream has no end, and a video is read as it is played.
    const isEndless =
      request.headers()['accept'] === 'text/event-stream' || request.resourceType() === 'media'
    if (!isEndless) running.add(request)
  })
  const end = (request: Request): void => void running.delete(request)
  page.on('requestfinished', end)
  page.on('requestfailed', end)
}

/** Whether in some frames nothing changed and nothing moved, and each video has its first picture. */
const isStill = `(async () => {
  const before = document.body.innerHTML
  for (let frames = 0; frames < 4; frames++) await new Promise((resolve) => requestAnimationFrame(resolve))
  const isLoading = ({ networkState, readyState }) => networkState === 2 && readyState < 2
  const isMoving = [...document.querySelectorAll('video')].some(isLoading) || document.getAnimations().some(({ playState }) => playState === 'running')
  return !isMoving && document.body.innerHTML === before
})()`

/** Resolves when nothing is being read or moves any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main :is(h1, p)').first().waitFor({ timeout: patienceMs })
  const running = asked.get(page)
  if (!running) throw new Error('noteRequests was not called for this page')
  const isAtRest = async (): Promise<boolean> =>
    running.size === 0 && (await page.evaluate<boolean>(isStill)) && running.size === 0
  const begun = Date.now()
  while (!(await isAtRest())) {
    if (Date.now() - begun > patienceMs)
      throw new Error(
        `${page.url()} does not come to rest: ${[...running].map((one) => one.url()).join(', ')}`,
      )
    await setTimeout(20)
  }
}
