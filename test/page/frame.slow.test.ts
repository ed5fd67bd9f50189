/** What surrounds the pages: how one moves, what is kept, and the way back after a session's end. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'

const patience = { timeout: 60_000 }

const addresses = ['/', '/new', '/jobs', '/overview', '/settings']

async function makeJob(site: PageSite, name: string, client: string): Promise<number> {
  const bytes = await (await import('node:fs/promises')).readFile('sample/kitchen.webp')
  const api = `${site.url}/api/v3`
  const uploaded = await fetch(`${api}/assets`, {
    method: 'POST',
    headers: { 'content-type': 'image/webp' },
    body: bytes,
  })
  const { id } = (await uploaded.json()) as { id: string }
  const made = await fetch(`${api}/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'property_photos',
      video_name: name,
      parameters: { photos: [{ asset_id: id, room: 'kitchen' }], client_id: client },
    }),
  })
  return ((await made.json()) as { job_id: number }).job_id
}

describe.skipIf(!hasChromium)('the frame', () => {
  let site: PageSite
  let job: number
  beforeAll(async () => {
    site = await openPageSite()
    job = await makeJob(site, 'Harbour house', 'meyer')
  }, 120_000)
  afterAll(() => site.close())

  it('loads little at first, and has each page fetch its own files at once', async () => {
    const text = await (await fetch(`${site.url}/`)).text()
    const needed = [...text.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)].map(([, path]) => path!)
    const sizes = await Promise.all(
      needed.map(async (path) => {
        const bytes = new Uint8Array(await (await fetch(`${site.url}${path}`)).arrayBuffer())
        return gzipSync(bytes).length
      }),
    )
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(120_000)
    for (const address of ['/new', '/jobs', '/jobs/1', '/overview', '/settings']) {
      const hints = (await fetch(`${site.url}${address}`)).headers.get('link') ?? ''
      const files = [...hints.matchAll(/<([^>]+)>; rel=modulepreload/g)].map(([, file]) => file!)
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) {
        expect(needed).not.toContain(file)
        expect((await fetch(`${site.url}${file}`)).status).toBe(200)
      }
    }
  })

  const heading = (person: Person, name: string | RegExp): Promise<void> =>
    person.page.getByRole('heading', { name, level: 1 }).waitFor(patience)

  it('leads everywhere by keyboard, and shows all keys', async () => {
    const person = await site.person()
    const { page, go, faults } = person
    await go('/')
    await heading(person, 'Waiting for you')
    for (const [keys, name] of [
      ['gn', 'New film'],
      ['gj', 'Jobs'],
      ['go', 'Overview'],
      ['gs', 'Settings'],
      ['gw', 'Waiting for you'],
    ] as const) {
      await page.keyboard.type(keys)
      await page
        .getByRole('navigation', { name: 'Pages' })
        .locator(`a[aria-current=page]`, { hasText: name })
        .waitFor(patience)
    }
    await page.keyboard.press('?')
    const dialog = page.getByRole('dialog', { name: 'Keys' })
    await dialog.getByText('New film').waitFor(patience)
    // While a dialog is open, keys do nothing behind it.
    await page.keyboard.type('gn')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden', ...patience })
    expect(new URL(page.url()).pathname).toBe('/')
    await page.keyboard.press('Tab')
    await page.reload()
    await heading(person, 'Waiting for you')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    expect(faults).toEqual([])
  })

  it('finds jobs by number, film and client, pages and commands in the palette', async () => {
    const person = await site.person()
    const { page, go, faults } = person
    await go('/')
    await heading(person, 'Waiting for you')
    for (const text of [`#${job}`, 'harbour', 'meyer']) {
      await page.keyboard.press('Control+k')
      await page.getByRole('dialog').getByRole('combobox').fill(text)
      await page.getByRole('option', { name: /Harbour house/ }).waitFor(patience)
      await page.keyboard.press('Enter')
      await heading(person, 'Harbour house')
      expect(new URL(page.url()).pathname).toBe(`/jobs/${job}`)
      expect(await page.title()).toContain('Harbour house')
      await page.goBack()
      await heading(person, 'Waiting for you')
    }
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog').getByRole('combobox').fill('theme: dark')
    await page.keyboard.press('Enter')
    await page.locator('html[data-theme=dark]').waitFor(patience)
    await go(`/jobs/${job}`)
    await heading(person, 'Harbour house')
    await page.keyboard.press('Control+k')
    await page.getByRole('option', { name: /^Approve/ }).waitFor(patience)
    await page.getByRole('option', { name: /^Send back/ }).waitFor(patience)
    await page.getByRole('dialog').getByRole('combobox').fill('pause')
    await page.keyboard.press('Enter')
    await expect
      .poll(async () => (await site.workflow.coordinator.job(job)).pausedAt, patience)
      .not.toBe(null)
    expect(faults).toEqual([])
  })

  it('keeps the theme and the language, and shows neither another first', async () => {
    const person = await site.person({ colorScheme: 'light' })
    const { page, go, faults } = person
    await go('/jobs')
    await page.getByLabel('Theme').selectOption('dark')
    await page.getByLabel('Language').selectOption('de')
    await heading(person, 'Aufträge')
    // What the page looks like before its own program has run.
    await page.route('**/page/assets/*.js', (route) => route.abort())
    await page.reload()
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(
      'rgb(19, 20, 22)',
    )
    await page.unroute('**/page/assets/*.js')
    await page.reload()
    await heading(person, 'Aufträge')
    expect(await page.evaluate('document.documentElement.lang')).toBe('de')
    await page.getByLabel('Farben').selectOption('system')
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(undefined)
    expect(faults).toEqual([])
  })

  it('fits a narrow phone on every page, with its controls in a menu', async () => {
    const { page, go, faults } = await site.person({ viewport: { width: 360, height: 740 }, hasTouch: true })
    for (const address of [...addresses, `/jobs/${job}`, '/nothing-here', '/jobs/%']) {
      await go(address)
      if (address === '/nothing-here') continue
      await page.getByRole('navigation', { name: 'Pages' }).waitFor(patience)
      await page.getByRole('heading', { level: 1 }).waitFor(patience)
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth')
      expect([address, wide]).toEqual([address, 360])
    }
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.getByRole('dialog', { name: 'Menu' }).getByLabel('Language').selectOption('de')
    await page.getByRole('button', { name: 'Schließen' }).click()
    await page.getByRole('navigation', { name: 'Seiten' }).waitFor(patience)
    expect(faults).toEqual([])
  })

  it('says that nothing is at a malformed address, and that a job is missing', async () => {
    const person = await site.person()
    const { page, go, faults } = person
    for (const address of ['/jobs/%', '/jobs/%E0%A4%A', '/jobs/abc', '/jobs/0']) {
      await go(address)
      await heading(person, 'Nothing is at this address')
    }
    await go('/jobs/99999')
    await page.getByText('There is no such thing here').waitFor(patience)
    await page.locator('main').getByRole('link', { name: 'Jobs' }).click()
    await heading(person, 'Jobs')
    expect(faults).toEqual([])
  })

  it('is scrolled to where it was, after a way back', async () => {
    for (let made = 0; made < 12; made++) await makeJob(site, `Film ${made}`, 'scroll')
    const person = await site.person({ viewport: { width: 900, height: 400 } })
    const { page, go, faults } = person
    await go('/')
    await page.getByText('Film 0').waitFor(patience)
    await page.getByText('Film 3').scrollIntoViewIfNeeded()
    const left = await page.evaluate<number>('scrollY')
    expect(left).toBeGreaterThan(0)
    await page.getByText('Film 3').click()
    await heading(person, 'Film 3')
    expect(await page.evaluate('scrollY')).toBe(0)
    await page.goBack()
    await expect.poll(() => page.evaluate('scrollY'), patience).toBe(left)
    await page.reload()
    await expect.poll(() => page.evaluate('scrollY'), patience).toBe(left)
    expect(faults).toEqual([])
  })

  it('tells that the connection is lost, while it lasts', async () => {
    const person = await site.person()
    const { page, context, go } = person
    await go('/overview')
    await heading(person, 'Overview')
    await context.setOffline(true)
    await page.getByText('No connection to the server.').waitFor(patience)
    await context.setOffline(false)
    await page.getByText('No connection to the server.').waitFor({ state: 'hidden', ...patience })
  })
})

describe.skipIf(!hasChromium)('a session', () => {
  let site: PageSite
  beforeAll(async () => {
    site = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1', RATE_LIMIT_PER_MINUTE: '120' })
  }, 120_000)
  afterAll(() => site.close())

  it('that has ended comes back to the same address, with what was entered', async () => {
    const { coordinator } = site.workflow
    const maker = await coordinator.createKey({ name: 'maker', scopes: ['submit', 'read'] })
    const { page, context, go, faults } = await site.person()
    await go('/new')
    await page.getByLabel('Access key').fill(maker.secret)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByLabel('Name of the film').fill('Half entered')
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog').waitFor(patience)
    await context.clearCookies()
    // Any request finds out.
    await page.keyboard.type('harbour')
    await page.getByText('Your session has ended').waitFor(patience)
    expect(new URL(page.url()).pathname).toBe('/new')
    await page.getByRole('dialog').waitFor({ state: 'detached', ...patience })
    await page.getByLabel('Access key').fill(maker.secret)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByLabel('Name of the film').waitFor(patience)
    expect(new URL(page.url()).pathname).toBe('/new')
    expect(await page.getByLabel('Name of the film').inputValue()).toBe('Half entered')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Access key').waitFor(patience)
    expect(await page.evaluate('localStorage.getItem("new-film")')).toBe(null)
    expect(faults).toEqual([])
  })

  it('says that a key is wrong, and when it answers again after too many', async () => {
    const { page, go } = await site.person()
    await go('/')
    await page.getByLabel('Access key').fill('wck_wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This key is not valid').waitFor(patience)
    await page.getByText('No key yet?').click()
    await page.getByText('coordinator keys create').waitFor(patience)
    await page.route('**/api/v3/session', (route) =>
      route.fulfill({
        status: 429,
        json: { error: 'Too many requests', reason: 'Send the request again in 2 s', retry_in_seconds: 2 },
      }),
    )
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText(/answers again in [12] s/).waitFor(patience)
    await page.getByRole('button', { name: 'Sign in', disabled: false }).waitFor(patience)
  })
})
