/** From photographs to a planned film: what arrives, what is refused, what it costs, and what is kept. */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'
import { pickUp } from './pick-up.ts'

const patience = { timeout: 60_000 }
const [exterior, garden, living, bathroom] = ['exterior', 'garden', 'living-room', 'bathroom'].map(
  (name) => `sample/${name}.jpg`,
) as [string, string, string, string]
const heic = 'test/media/pictures/tiles-p3-turned.heic'

interface Given {
  readonly name: string
  readonly bytes: Uint8Array
}

const read = async (path: string, name = basename(path)): Promise<Given> => ({
  name,
  bytes: await readFile(path),
})

/** As a person drops files somewhere on the page. */
async function drop({ page }: Person, files: readonly Given[]): Promise<void> {
  const given = files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString('base64')])
  await page.evaluate(`(() => {
    const data = new DataTransfer()
    for (const [name, text] of ${JSON.stringify(given)})
      data.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name))
    for (const type of ['dragover', 'drop'])
      document.querySelector('h1').dispatchEvent(
        new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }),
      )
  })()`)
}

/** The files' rooms in the order in which they are shown. */
const rooms = ({ page }: Person): Promise<readonly string[]> =>
  page.evaluate(`[...document.querySelectorAll('.photograph > input')].map(({ value }) => value)`)

const isReady = async ({ page }: Person, count: number): Promise<void> => {
  await expect.poll(() => page.locator('.photograph[data-state=ready]').count(), patience).toBe(count)
}

describe.skipIf(!hasChromium)('a new film', () => {
  let site: PageSite
  beforeAll(async () => {
    // A provider that is never spoken with: nothing is approved here.
    site = await openPageSite({
      REPLICATE_API_TOKEN: 'r8_not_used',
      REPLICATE_BASE_URL: 'http://127.0.0.1:9',
    })
  }, 120_000)
  afterAll(() => site.close())

  const opened = async (): Promise<Person> => {
    const person = await site.person()
    await person.go('/new')
    await person.page.getByText('Drop photographs anywhere on this page').waitFor(patience)
    return person
  }

  it('takes photographs that are dropped anywhere, with the progress of each and of all', async () => {
    const person = await opened()
    const { page, context, faults } = person
    const devtools = await context.newCDPSession(page)
    await devtools.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: 200_000,
    })
    await drop(person, await Promise.all([exterior, garden, living, bathroom].map((path) => read(path))))
    await page.getByRole('progressbar', { name: 'All uploads' }).waitFor(patience)
    await page.getByRole('progressbar', { name: 'Upload of exterior.jpg' }).waitFor(patience)
    // The fourth waits for a free place.
    await expect.poll(() => page.locator('.photograph[data-state=waiting]').count(), patience).toBe(1)
    await expect
      .poll(
        () =>
          page.evaluate<number>(
            `Math.max(...[...document.querySelectorAll('.arrived progress')].map((one) => one.position))`,
          ),
        patience,
      )
      .toBeGreaterThan(0.1)
    await isReady(person, 4)
    await page.getByText('4 photographs').waitFor(patience)
    // As one walks through a house.
    await expect
      .poll(() => rooms(person), patience)
      .toEqual(['Exterior', 'Living room', 'Bathroom', 'Garden'])
    expect(faults).toEqual([])
  })

  it('shows a HEIC upright, and takes a whole folder', async () => {
    const person = await opened()
    const { page, context, faults } = person
    const folder = await mkdtemp(join(tmpdir(), 'photographs-'))
    await cp(heic, join(folder, 'inside', 'kitchen.heic'))
    await cp(exterior, join(folder, 'IMG_2041.jpg'))
    await cp('package.json', join(folder, 'notes.json'))
    const devtools = await context.newCDPSession(page)
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await devtools.send('Input.dispatchDragEvent', {
        type,
        x: 600,
        y: 300,
        data: { items: [], files: [folder], dragOperationsMask: 1 },
      })
    await isReady(person, 2)
    await rm(folder, { recursive: true })
    await page.getByText('Left out, because they are no photographs: notes.json').waitFor(patience)
    await expect.poll(() => rooms(person), patience).toEqual(['Kitchen', ''])
    const sides = (): Promise<readonly number[]> =>
      page.evaluate(`(() => {
        const { naturalWidth, naturalHeight } = document.querySelector('.photograph img')
        return [naturalWidth, naturalHeight]
      })()`)
    await expect.poll(sides, patience).toEqual([64, 128])
    expect(faults).toEqual([])
  })

  it('tells what is wrong with a photograph, uploads a failed one again, and names the same one twice', async () => {
    const person = await opened()
    const { page } = person
    const whole = await read(garden)
    await drop(person, [whole, { name: 'broken.jpg', bytes: whole.bytes.slice(0, 20_000) }])
    await page.getByText(/The picture is damaged or cut short/).waitFor(patience)
    await page.getByRole('button', { name: 'Plan the film' }).click()
    await page.getByText('This photograph did not arrive').waitFor(patience)
    await page.getByRole('button', { name: 'Remove broken.jpg' }).click()

    await page.route('**/api/v3/assets', (route) => route.abort())
    await drop(person, [{ ...whole, name: 'again.jpg' }])
    await page.getByText('The server does not answer').waitFor(patience)
    await page.unroute('**/api/v3/assets')
    await page.getByRole('button', { name: 'Upload again' }).click()
    await isReady(person, 2)
    await page.getByText('The same photograph as number 1').waitFor(patience)
  })

  it('is put in order by keyboard, and planned in that order', async () => {
    const person = await opened()
    const { page, faults } = person
    await drop(person, await Promise.all([exterior, garden, living].map((path) => read(path))))
    await isReady(person, 3)
    await expect.poll(() => rooms(person), patience).toEqual(['Exterior', 'Living room', 'Garden'])
    await page.getByRole('button', { name: /^garden.jpg, 3 of 3/ }).focus()
    await pickUp(page)
    await page.getByText('garden.jpg is at 3 of 3').waitFor({ state: 'attached', ...patience })
    await page.keyboard.press('ArrowLeft')
    await page.getByText('garden.jpg is at 2 of 3').waitFor({ state: 'attached', ...patience })
    await page.keyboard.press('Space')
    await expect.poll(() => rooms(person), patience).toEqual(['Exterior', 'Garden', 'Living room'])
    expect(await page.getByLabel('Order').inputValue()).toBe('given')
    await page.getByLabel('Room or title of garden.jpg').fill('The pool')
    await page.getByLabel('Name of the film').fill('By hand')
    await page.getByRole('button', { name: 'Plan the film' }).click()
    await page.getByRole('heading', { name: 'By hand' }).waitFor(patience)
    const { jobs } = await site.workflow.coordinator.jobs({ limit: 1 })
    const job = await site.workflow.coordinator.job(jobs[0]!.id)
    expect(job.storyboard.scenes.map(({ title }) => title)).toEqual(['Exterior', 'The pool', 'Living room'])
    await page.getByRole('link', { name: 'New film' }).click()
    await page.getByText('Drop photographs anywhere on this page').waitFor(patience)
    expect(faults).toEqual([])
  })

  it('shows what it costs as it is chosen, and what is wrong at the field that holds it', async () => {
    const person = await opened()
    const { page, faults } = person
    await drop(person, await Promise.all([exterior, garden].map((path) => read(path))))
    await isReady(person, 2)
    const cost = page.locator('.sums-main')
    await expect.poll(() => cost.textContent(), patience).toBe('Free')
    await page.getByLabel('Model').selectOption('google/veo-3.1-fast')
    await expect.poll(() => cost.textContent(), patience).toBe('$1.20')
    await page.getByText('5 s become 6 s').waitFor({ state: 'attached', ...patience })
    await page.getByText('1:1', { exact: true }).click()
    await page.getByText('must be 16:9 or 9:16').waitFor(patience)
    await page.getByText('9:16', { exact: true }).click()

    await page.getByText('More', { exact: true }).click()
    await page.getByLabel('Priority').fill('101')
    await page.getByText('More', { exact: true }).click()
    await page.getByText('must be at most 100').waitFor({ state: 'attached', ...patience })
    await page.getByRole('button', { name: 'Plan the film' }).click()
    await expect.poll(() => page.evaluate('document.activeElement.id'), patience).toBe('film-priority')
    expect(await page.getByLabel('Priority').getAttribute('aria-invalid')).toBe('true')
    await page.getByLabel('Priority').fill('')

    await page.getByLabel('What the film shows').selectOption('image_pairs')
    await page.getByRole('img', { name: 'Scene 1: this photograph turns into the next' }).waitFor(patience)
    await page.getByLabel('Seconds').fill('8')
    await page.getByLabel('of', { exact: true }).selectOption('film')
    await expect.poll(() => cost.textContent(), patience).toBe('$0.80')
    expect(faults).toEqual([])
  })

  it('is there again after a reload, but for what had not arrived', async () => {
    const person = await opened()
    const { page } = person
    await drop(person, [await read(exterior)])
    await isReady(person, 1)
    await page.getByLabel('Name of the film').fill('Kept')
    await page.route('**/api/v3/assets', () => undefined)
    await drop(person, [await read(garden)])
    await page.locator('.photograph[data-state=waiting], .photograph[data-state=sending]').waitFor(patience)
    const asked = page.waitForEvent('dialog', patience)
    const reload = page.reload()
    const dialog = await asked
    expect(dialog.type()).toBe('beforeunload')
    await dialog.accept()
    await reload
    await page.unroute('**/api/v3/assets')
    await page.getByText('It had not arrived when the page was left').waitFor(patience)
    expect(await page.getByLabel('Name of the film').inputValue()).toBe('Kept')
    await drop(person, [await read(garden)])
    await isReady(person, 2)
    expect(await page.evaluate('localStorage.getItem("new-film")')).not.toContain('blob:')
    await page.getByRole('button', { name: 'Start over' }).click()
    await page.getByText('Drop photographs anywhere on this page').waitFor(patience)
  })
})

it.skipIf(!hasChromium)(
  'belongs to the client of a key that is bound to one',
  async () => {
    const site = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1' })
    try {
      const { coordinator } = site.workflow
      const bound = await coordinator.createKey({
        name: 'meyer',
        scopes: ['submit', 'read'],
        client_id: 'meyer-estates',
      })
      const person = await site.person()
      const { page, go } = person
      await go('/new')
      await page.getByLabel('Access key').fill(bound.secret)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByText('Drop photographs anywhere on this page').waitFor(patience)
      await drop(person, [await read(exterior)])
      await isReady(person, 1)
      expect(await page.getByLabel('Client').inputValue()).toBe('meyer-estates')
      expect(await page.getByLabel('Client').isEditable()).toBe(false)
      await page.getByRole('button', { name: 'Plan the film' }).click()
      await page.getByRole('heading', { name: 'Untitled film' }).waitFor(patience)
      const { jobs } = await coordinator.jobs({ limit: 1 })
      expect(jobs[0]?.clientId).toBe('meyer-estates')
    } finally {
      await site.close()
    }
  },
  120_000,
)
