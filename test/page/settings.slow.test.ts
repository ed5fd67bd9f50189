/** The settings in a real browser, over the real server. Runs where there is a Chromium. */
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasChromium } from '../server/chromium.ts'
import { openReceiver } from '../webhooks/receiver.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'

const patience = { timeout: 30_000 }

async function signIn(person: Person, secret: string, path: string): Promise<Page> {
  const { page, go } = person
  page.setDefaultTimeout(patience.timeout)
  await go(path)
  await page.getByLabel('Access key').fill(secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  return page
}

/** A file that nothing uses, in a part of the store that the server does not walk through at this hour. */
const unused = (((new Date().getUTCHours() + 12) % 24) * 11).toString(16).padStart(2, '0').padEnd(64, '0')

async function keepUnused(folder: string): Promise<void> {
  const path = join(folder, 'artifacts', unused.slice(0, 2), unused)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'x'.repeat(2000))
  const longAgo = Date.now() / 1000 - 3 * 86_400
  await utimes(path, longAgo, longAgo)
}

describe.skipIf(!hasChromium)('the settings', () => {
  let site: PageSite
  let folder: string
  let operator: Person
  let page: Page
  let operatorsKey: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'settings-'))
    await keepUnused(folder)
    site = await openPageSite({
      DATA_DIR: folder,
      REQUIRE_KEYS: 'true',
      HOST: '127.0.0.1',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32',
    })
    operatorsKey = (await site.workflow.coordinator.createKey({ name: 'ops', scopes: ['admin'] })).secret
    operator = await site.person()
    page = await signIn(operator, operatorsKey, '/settings')
  })
  afterAll(async () => {
    await site?.close()
    await rm(folder, { recursive: true, force: true })
  })

  const shownKey = async (): Promise<string> => {
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Copy it now').waitFor()
    return dialog.getByRole('region', { name: 'Key' }).innerText()
  }

  it('make a key for another person, who sees what it allows until it is revoked', async () => {
    const { coordinator } = site.workflow
    await page.getByRole('link', { name: 'Keys' }).click()
    const own = page.getByRole('listitem').filter({ hasText: 'ops' })
    await own.getByText('Yours').waitFor()
    await page.getByRole('button', { name: 'New key' }).click()
    await page.getByLabel('Name').fill('Anna <b>')
    await page.getByLabel('approve').check()
    await page.getByLabel('Valid for').selectOption({ label: '7 days' })
    await page.getByRole('button', { name: 'Make the key' }).click()
    const secret = await shownKey()
    expect(secret).toMatch(/^wck_/)
    // It is not left by accident, because nobody can show it again.
    await page.keyboard.press('Escape')
    await page.mouse.click(5, 5)
    expect(await shownKey()).toBe(secret)
    await page.getByRole('button', { name: 'Copy' }).click()
    await page.getByRole('status').getByText(/cop/i).waitFor()
    await page.getByRole('button', { name: 'I have stored it' }).click()
    const made = page.getByRole('listitem').filter({ hasText: 'Anna <b>' })
    await made.getByText('by ops').waitFor()
    await made.getByText('Ends in 7 days').waitFor()
    await made.getByText('Never used').waitFor()

    const anna = await site.person()
    const hers = await signIn(anna, secret, '/settings')
    await hers.getByRole('link', { name: 'Models' }).waitFor()
    expect(await hers.getByRole('link', { name: 'Keys' }).count()).toBe(0)
    await anna.go('/settings/keys')
    await hers.getByText('Your key does not allow this').waitFor()
    await anna.go('/settings/storage')
    await hers.getByRole('heading', { name: 'Settings' }).waitFor()
    expect(await hers.getByRole('button', { name: 'See what would go' }).count()).toBe(0)

    await made.getByRole('button', { name: 'Rotate' }).click()
    await page.getByLabel('Accept the old secret for').selectOption({ label: 'An hour' })
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click()
    const next = await shownKey()
    expect(next).not.toBe(secret)
    await page.getByRole('button', { name: 'I have stored it' }).click()
    expect((await coordinator.identifyKey(next))?.name).toBe('Anna <b>')
    expect((await coordinator.identifyKey(secret))?.name).toBe('Anna <b>')

    await made.getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('dialog').getByText('It was last used').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('1 key revoked or ended').waitFor()
    // She is told at once, without asking for anything.
    await hers.getByLabel('Access key').waitFor({ timeout: 8000 })
    expect(await coordinator.identifyKey(next)).toBeUndefined()
    expect(anna.faults).toEqual([])
  })

  it('rotate the own key without ending the own session', async () => {
    await operator.go('/settings/keys')
    const own = page.getByRole('listitem').filter({ hasText: 'Yours' })
    await own.getByRole('button', { name: 'Rotate' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click()
    const next = await shownKey()
    await page.getByText('You stay signed in').waitFor()
    await page.getByRole('button', { name: 'I have stored it' }).click()
    await page.reload()
    await own.waitFor()
    expect(next).not.toBe(operatorsKey)
  })

  it('add a webhook, test it, and show why it fails and what was sent', async () => {
    await using receiver = await openReceiver()
    await operator.go('/settings/webhooks')
    await page.getByText('No address receives events yet').waitFor()
    await page.getByRole('region', { name: 'Or by the API' }).getByText('curl').waitFor()
    await page.getByRole('button', { name: 'New webhook' }).click()
    await page.getByLabel('Address').fill(`${receiver.url}/hooks`)
    await page.getByLabel('What it is for').fill('CRM')
    await page.getByRole('button', { name: 'Add the webhook' }).click()
    const secret = await page.getByRole('region', { name: 'Secret' }).innerText()
    expect(secret).toMatch(/^whsec_/)
    await page.getByRole('button', { name: 'Close' }).click()
    const entry = page.getByRole('listitem').filter({ hasText: receiver.url })
    await entry.getByText('Job: film is finished, Job: failed, Job: cancelled').waitFor()

    await entry.getByRole('button', { name: 'Send a test' }).click()
    await entry.getByText('The test was accepted: 204').waitFor()
    expect(receiver.received).toMatchObject([{ path: '/hooks', message: { type: 'ping' } }])

    receiver.answer({ status: 500 })
    await entry.getByRole('button', { name: 'Send a test' }).click()
    await entry.getByText('The test failed: it answered 500.').waitFor()
    await entry.getByText(/Every try has failed, the first .*: it answered 500/).waitFor()
    await entry.getByRole('button', { name: 'Deliveries' }).click()
    const deliveries = entry.getByRole('region', { name: 'Deliveries' })
    await deliveries.getByRole('button', { name: 'Details of test' }).first().click()
    await deliveries.getByRole('region', { name: 'What is sent' }).getByText('"ping"').waitFor()

    receiver.answer({ status: 204 })
    await deliveries.getByRole('button', { name: 'Send again' }).click()
    await entry.getByText('Working').waitFor()
    await deliveries.getByLabel('State').selectOption({ label: 'Waiting' })
    await deliveries.getByText('There is no such delivery.').waitFor()
    expect(page.url()).toContain('state=pending')
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(ids.at(-1)).toBe(ids[1])

    await entry.getByRole('button', { name: 'Change' }).click()
    await page.getByRole('radio', { name: 'Everything' }).check()
    await page.getByRole('button', { name: 'Save' }).click()
    await entry.getByText('Every event').waitFor()
    await entry.getByRole('button', { name: 'Disable' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
    await entry.getByText('Somebody has disabled it.').waitFor()
    await entry.getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByText('No address receives events yet').waitFor()
  })

  it('show what retention would remove, and remove it after a confirmation with the sum', async () => {
    await operator.go('/settings/storage')
    const table = page.getByRole('region', { name: 'What is stored' })
    await table
      .getByRole('row', { name: /Not used by anything/ })
      .getByText('2 kB')
      .waitFor()
    await page.getByRole('button', { name: 'See what would go' }).click()
    await page.getByText('Not used by anything: 1 file, 2 kB').waitFor()
    await page.getByText('For example').click()
    await page.getByText(unused.slice(0, 12)).waitFor()
    await page.getByRole('button', { name: 'Remove now' }).click()
    await page.getByRole('dialog').getByText('Not used by anything: 1 file, 2 kB').waitFor()
    await page.getByRole('button', { name: 'Remove 2 kB' }).click()
    await page.getByText('Removed:').waitFor()
    await table
      .getByRole('row', { name: /Not used by anything/ })
      .getByText('0 byte')
      .waitFor()
    await page.getByRole('button', { name: 'Look again' }).click()
    await page.getByText('Nothing is old enough to be removed.').waitFor()
    expect(operator.faults).toEqual([])
  })

  it('show what scenes can be rendered by, and what each costs', async () => {
    await operator.go('/settings/models')
    const table = page.getByRole('region', { name: 'Models and prices' })
    await table.getByRole('row', { name: /local/ }).getByText('Free').waitFor()
    await page.getByText('google/veo-3.1-fast').waitFor()
    await page.getByText('needs REPLICATE_API_TOKEN to be set').first().waitFor()
  })
})
