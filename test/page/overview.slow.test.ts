/** The overview in a real browser: two people, of whom each sees what the other changes. Runs where there is a Chromium. */
import { createReadStream, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'

const patience = { timeout: 60_000 }
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let site: PageSite
const secrets = new Map<string, string>()

async function signedIn(name: string, options = {}): Promise<Person> {
  const person = await site.person(options)
  await person.go('/overview')
  await person.page.getByLabel('Access key').fill(secrets.get(name)!)
  await person.page.getByRole('button', { name: 'Sign in' }).click()
  await person.page.getByRole('heading', { name: 'Overview' }).waitFor(patience)
  return person
}

const violations = (person: Person): Promise<readonly string[]> =>
  person.page
    .evaluate(axe)
    .then(() =>
      person.page.evaluate<readonly string[]>(
        `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ' ' + html)))`,
      ),
    )

describe.skipIf(!hasChromium)('the overview', () => {
  beforeAll(async () => {
    site = await openPageSite({
      REQUIRE_KEYS: 'true',
      HOST: '127.0.0.1',
      REPLICATE_API_TOKEN: 'r8_none',
      REPLICATE_BASE_URL: 'http://127.0.0.1:9',
    })
    const { coordinator } = site.workflow
    for (const [name, scopes, client] of [
      ['Anna', ['admin'], undefined],
      ['Ben', ['read'], undefined],
      ['Cleo', ['read'], 'acme'],
    ] as const) {
      const request = { name, scopes, ...(client !== undefined && { client_id: client }) }
      secrets.set(name, (await coordinator.createKey(request)).secret)
    }
  })
  afterAll(() => site?.close())

  it('lets limits, budgets and pauses be changed, and tells others live who did it', async () => {
    const [anna, ben] = [await signedIn('Anna'), await signedIn('Ben')]
    const { page } = anna
    await ben.page.getByText('Nothing has run here yet.').waitFor(patience)
    await ben.page.getByText('0 of 4 places in use').waitFor(patience)
    expect(await ben.page.getByRole('button', { name: /Change|Pause|Add a budget/ }).count()).toBe(0)

    await page.getByRole('button', { name: 'Change replicate' }).click(patience)
    await page.getByLabel('Renders at once').fill('3')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Add a budget' }).click(patience)
    await page.getByLabel('Client', { exact: true }).fill('acme')
    await page.getByLabel('US dollars').fill('5')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Change acme' }).click(patience)
    await page.getByLabel('US dollars').fill('8')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Pause replicate' }).click(patience)
    await page.getByLabel(/^Reason/).fill('<b>the bill</b>')
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    await ben.page.getByText('0 of 3 places in use').waitFor(patience)
    await ben.page.getByText(/Changed by Anna, from the configured value/).waitFor(patience)
    await ben.page.getByText('$0.00 of $8.00').waitFor(patience)
    await ben.page.getByText(/Changed by Anna, from \$5\.00/).waitFor(patience)
    await ben.page.getByText('Paused by Anna: <b>the bill</b>').waitFor(patience)

    await page.getByRole('button', { name: 'Resume replicate' }).click(patience)
    await page.getByRole('button', { name: 'Change acme' }).click()
    await page.getByRole('button', { name: 'Remove' }).click()
    await ben.page.getByText('Anna resumed replicate').waitFor(patience)
    await ben.page.getByText('There is no budget.').waitFor(patience)
    expect([...anna.faults, ...ben.faults]).toEqual([])
  })

  it('shows a refusal where the change was asked for', async () => {
    const { page, faults } = await signedIn('Anna')
    await page.getByRole('button', { name: 'Change replicate' }).click(patience)
    await page.getByLabel('Renders at once').fill('100001')
    await page.getByRole('button', { name: 'Save' }).click()
    const problem = page.getByRole('dialog').getByRole('alert')
    await problem.waitFor(patience)
    expect(await problem.textContent()).toContain('100000')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(faults).toEqual([])
  })

  it('shows a key of one client its spending alone', async () => {
    const { page, faults } = await signedIn('Cleo')
    await page.getByText('Nothing was spent in the last 30 days.').waitFor(patience)
    expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual([
      'Spent by day and client',
    ])
    expect(faults).toEqual([])
  })

  it('shows what waits and what ended, with plots and their tables, without a violation in both themes', async () => {
    const { coordinator, takeAsset } = site.workflow
    const upload = { uploader: 'test', signal: AbortSignal.timeout(60_000) }
    const asset = await takeAsset(createReadStream('sample/exterior.jpg'), upload)
    const make = async (): Promise<number> => {
      const parameters = { client_id: 'acme', photos: [{ asset_id: asset.id }], model: 'google/veo-3.1-fast' }
      return (await coordinator.createJob({ type: 'property_photos', parameters, force: true })).id
    }
    const [waiting, dropped] = [await make(), await make()]
    await coordinator.cancelJob(dropped)
    for (const colorScheme of ['light', 'dark'] as const) {
      const person = await signedIn('Anna', { colorScheme })
      const { page, faults } = person
      const queue = page.getByRole('region', { name: 'What waits, and for what' })
      await queue.getByText('An approval').waitFor(patience)
      await queue.getByRole('link', { name: `#${waiting}` }).waitFor()
      const ended = page.getByRole('region', { name: 'Jobs that ended' }).first()
      await ended.locator('canvas').waitFor(patience)
      await ended.getByText('As a table').click()
      expect(await ended.getByRole('row').count()).toBe(25)
      expect(await violations(person)).toEqual([])
      await page.getByRole('button', { name: 'Pause all rendering' }).click()
      await page.getByLabel(/^Reason/).waitFor()
      expect(await violations(person)).toEqual([])
      expect(faults).toEqual([])
      await person.context.close()
    }
  })
})
