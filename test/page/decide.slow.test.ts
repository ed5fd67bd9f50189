/** A person decides about a job before anything is paid: approves, sends back, edits with the price in sight. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/client/client.ts'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, openPageSite } from './open-page.ts'
import { pickUp } from './pick-up.ts'

const model = 'google/veo-3.1-fast'
const patience = { timeout: 20_000 }

describe.skipIf(!hasChromium)('the job before approval', () => {
  let site: PageSite
  let client: Client
  let photographs: readonly string[]

  beforeAll(async () => {
    site = await openPageSite({
      REPLICATE_API_TOKEN: 'r8_none',
      REPLICATE_BASE_URL: 'http://127.0.0.1:1',
      BUDGET_DAY_USD: '2',
    })
    client = createClient({ url: site.url })
    // What is approved here is not rendered.
    await client.pause()
    photographs = await Promise.all(
      ['exterior.jpg', 'living-room.jpg', 'garden.jpg'].map(
        async (name) => (await client.uploadAsset(await readFile(`sample/${name}`))).id,
      ),
    )
  })
  afterAll(() => site.close())

  const makeJob = (name: string, parameters: object = {}) =>
    client.createJob({
      type: 'property_photos',
      video_name: name,
      parameters: {
        client_id: 'meyer',
        clip_duration: 4,
        photos: photographs.map((asset_id, index) => ({
          asset_id,
          room: ['Exterior', 'Living room', 'Garden'][index]!,
        })),
        ...parameters,
      },
    })

  const open = async (jobId: number) => {
    const person = await site.person()
    await person.go(`/jobs/${jobId}`)
    await person.page.getByRole('button', { name: /^Approve/ }).waitFor(patience)
    return person
  }

  const titles = async (jobId: number) => (await client.listScenes(jobId)).scenes.map(({ title }) => title)

  const until = (page: Page, text: string) => page.getByText(text).first().waitFor(patience)

  it('approves by the keyboard exactly what is shown, once however often it is pressed', async () => {
    const job = await makeJob('Harbour house', { model })
    const { page, faults } = await open(job.job_id)
    await page.getByRole('button', { name: 'Approve $1.20' }).waitFor(patience)
    await until(page, '$0.80 of $2.00')
    await page.keyboard.press('?')
    for (const name of ['Approve $1.20', 'Send back', 'Play preview', 'The next scene'])
      await page.getByRole('dialog').getByText(name).waitFor(patience)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ ...patience, state: 'detached' })
    const sent: unknown[] = []
    page.on('request', (request) => request.url().endsWith('/approve') && sent.push(request.postDataJSON()))
    for (let press = 0; press < 4; press++) await page.keyboard.press('Control+Enter')
    await page.getByRole('button', { name: /^Approve/ }).waitFor({ ...patience, state: 'detached' })
    expect(sent).toEqual([{ revision: 1, max_cost: 1.2 }])
    expect((await client.readJob(job.job_id)).costs.approved).toBe(1.2)
    expect(faults).toEqual([])
  })

  it('says that a budget would be exceeded', async () => {
    const { job_id } = await makeJob('Villa', { model, clip_duration: 8 })
    const { page } = await open(job_id)
    await until(page, '$0.40 too little: scenes beyond it would wait.')
  })

  it('sends back with a note, and submits again', async () => {
    const { job_id } = await makeJob('Mill', { model })
    const { page, faults } = await open(job_id)
    await page.keyboard.press('s')
    await page.getByLabel('What should be changed?').fill('never sent')
    await page.keyboard.press('Escape')
    await page.getByLabel('What should be changed?').waitFor({ ...patience, state: 'detached' })
    await page.keyboard.press('s')
    await page.getByLabel('What should be changed?').fill('The <b>kitchen</b> is missing')
    await page.keyboard.press('Control+Enter')
    await until(page, 'Sent back by somebody without a key: The <b>kitchen</b> is missing')
    const { rejected, status } = await client.readJob(job_id)
    expect([rejected?.note, status]).toEqual(['The <b>kitchen</b> is missing', 'pending'])
    await page.getByRole('button', { name: 'Submit again' }).click()
    await page.getByRole('button', { name: 'Approve $1.20' }).waitFor(patience)
    expect(faults).toEqual([])
  })

  it('shows the price of a change before it is saved, and keeps it unsaved while another scene is chosen', async () => {
    const { job_id } = await makeJob('Loft')
    const { page, faults } = await open(job_id)
    await page.getByLabel('Model').selectOption(model)
    await until(page, 'Then to pay: $0.40')
    await until(page, 'A scene has a change that is not saved.')
    expect(await page.getByRole('button', { name: /^Approve/ }).isDisabled()).toBe(true)
    expect((await client.readJob(job_id)).revision).toBe(1)
    await page.getByRole('button', { name: /^2 Living room/ }).click()
    await page.getByLabel('Title').fill('Salon')
    await page.getByRole('button', { name: /^1 Exterior/ }).click()
    expect(await page.getByLabel('Model').inputValue()).toBe(model)
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByRole('button', { name: /^2 Living room/ }).click()
    expect(await page.getByLabel('Title').inputValue()).toBe('Salon')
    await page.getByLabel('Title').press('Control+Enter')
    await page.getByRole('button', { name: 'Approve $0.40' }).waitFor(patience)
    // Who writes there does not mean to approve.
    await page.getByLabel('Title').press('Control+Enter')
    expect((await client.readJob(job_id)).status).toBe('pending')
    expect(await titles(job_id)).toEqual(['Exterior', 'Salon', 'Garden'])
    expect(faults).toEqual([])
  })

  it('moves, adds and removes scenes by the keyboard', async () => {
    const { job_id } = await makeJob('Order')
    const { page, faults } = await open(job_id)
    await page.getByRole('button', { name: 'Move 1 Exterior' }).focus()
    await pickUp(page)
    await until(page, '1 Exterior picked up, place 1 of 3.')
    await page.keyboard.press('ArrowRight')
    await until(page, '1 Exterior would come to place 2 of 3.')
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: /^2 Exterior/ }).waitFor(patience)
    expect(await titles(job_id)).toEqual(['Living room', 'Exterior', 'Garden'])

    await page.getByRole('button', { name: /^2 Exterior/ }).focus()
    await page.keyboard.press('ArrowRight')
    await page.getByRole('heading', { name: '3 Garden' }).waitFor(patience)
    await page.getByRole('button', { name: 'Remove scene' }).click()
    await until(page, 'Then to pay: Free')
    await page.getByRole('dialog').getByRole('button', { name: 'Remove scene' }).click()
    await page.getByRole('heading', { name: '2 Exterior' }).waitFor(patience)
    expect(await titles(job_id)).toEqual(['Living room', 'Exterior'])

    await page.getByRole('button', { name: 'Photograph 1' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'New scene after this one' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Add scene' }).click()
    await page.getByRole('heading', { name: 'Scene 3' }).waitFor(patience)
    expect(await titles(job_id)).toEqual(['Living room', 'Exterior', null])
    expect(faults).toEqual([])
  })

  it('takes photographs from a tray and from files, and offers only models that fit', async () => {
    const { job_id } = await makeJob('Tray')
    const { page, faults } = await open(job_id)
    const models = () => page.getByLabel('Model').locator('option').allTextContents()
    expect((await models()).join()).toContain('minimax/hailuo-2.3')
    await page.getByLabel('Upload').setInputFiles('sample/bedroom.jpg')
    await page.getByRole('button', { name: 'Photograph 4' }).click(patience)
    await page.getByRole('menuitem', { name: 'Use as the last picture' }).click()
    await page.getByRole('button', { name: 'Remove Last picture' }).waitFor(patience)
    expect((await models()).join()).not.toContain('minimax/hailuo-2.3')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByRole('button', { name: 'Save', exact: true }).waitFor({ ...patience, state: 'detached' })
    const [scene] = (await client.listScenes(job_id)).scenes
    expect(scene?.asset_ids).toHaveLength(2)

    const [from, to] = [page.getByRole('button', { name: 'Photograph 3' }), page.locator('.photograph-slot')]
    await from.scrollIntoViewIfNeeded()
    const [start, end] = [await from.boundingBox(), await to.first().boundingBox()]
    await page.mouse.move(start!.x + 20, start!.y + 20)
    await page.mouse.down()
    await page.mouse.move(start!.x + 40, start!.y + 20, { steps: 4 })
    await page.mouse.move(end!.x + 60, end!.y + 40, { steps: 8 })
    await page.mouse.up()
    await page.getByRole('button', { name: 'Save', exact: true }).click(patience)
    await page.getByRole('button', { name: 'Save', exact: true }).waitFor({ ...patience, state: 'detached' })
    const [changed] = (await client.listScenes(job_id)).scenes
    expect(changed?.asset_ids).not.toContain(scene?.asset_ids[0])
    expect(faults).toEqual([])
  })

  it('tells two people that change the same scene of each other, and loses nothing', async () => {
    const { job_id } = await makeJob('Together')
    const [one, other] = [await open(job_id), await open(job_id)]
    await one.page.getByLabel('Title').fill('Front')
    await other.page.getByLabel('Title').fill('Street side')
    await other.page.getByRole('button', { name: 'Save', exact: true }).click()
    await until(one.page, 'Somebody else has changed this scene meanwhile.')
    await until(one.page, 'theirs: Street side')
    expect(await one.page.getByRole('button', { name: 'Save', exact: true }).isDisabled()).toBe(true)
    await one.page.getByRole('button', { name: 'Keep mine' }).click()
    await one.page.getByRole('button', { name: 'Save', exact: true }).click()
    await other.page.getByRole('button', { name: /^1 Front/ }).waitFor(patience)
    expect((await titles(job_id))[0]).toBe('Front')

    await one.page.getByLabel('Title').fill('Doorway')
    const { scenes } = await client.listScenes(job_id)
    await client.deleteScene(job_id, scenes[0]!.id)
    await until(one.page, 'Somebody else has removed the scene “Front”, which you were changing.')
    await one.page.getByRole('button', { name: 'Add it again, with my changes' }).click()
    await one.page.getByRole('button', { name: /^3 Doorway/ }).waitFor(patience)
    expect(await titles(job_id)).toEqual(['Living room', 'Garden', 'Doorway'])
    expect([...one.faults, ...other.faults]).toEqual([])
  })

  it('does nothing where somebody else was faster, and says so', async () => {
    const { job_id } = await makeJob('Overtaken')
    const { page } = await open(job_id)
    const [, second] = (await client.listScenes(job_id)).scenes
    await page.route(
      '**/scenes/*',
      async (route) => {
        await client.updateScene(job_id, second!.id, { title: 'Salon' })
        await route.continue()
      },
      { times: 1 },
    )
    await page.getByRole('button', { name: 'Later' }).click()
    await until(page, 'Somebody else has changed the film meanwhile, so nothing was done.')
    expect(await titles(job_id)).toEqual(['Exterior', 'Salon', 'Garden'])
    await page.getByRole('button', { name: /^2 Salon/ }).waitFor(patience)
    await page.getByRole('button', { name: 'Later' }).click()
    await page.getByRole('button', { name: /^2 Exterior/ }).waitFor(patience)
    expect(await titles(job_id)).toEqual(['Salon', 'Exterior', 'Garden'])
  })

  it('shows hostile names as text', async () => {
    const hostile = '"><img src=x onerror="document.title=\'owned\'">'
    const job = await makeJob(hostile, { client_id: hostile })
    const { scenes } = await client.listScenes(job.job_id)
    await client.updateScene(job.job_id, scenes[0]!.id, { title: hostile, prompt: hostile })
    const { page, faults } = await open(job.job_id)
    await page.getByRole('heading', { name: hostile, exact: true }).waitFor(patience)
    expect(await page.locator('img[src="x"]').count()).toBe(0)
    expect(await page.title()).not.toBe('owned')
    expect(faults).toEqual([])
  })

  it('offers the new sum when the storyboard has changed while somebody approves', async () => {
    const { job_id } = await makeJob('Race', { model })
    const { page } = await open(job_id)
    const [scene] = (await client.listScenes(job_id)).scenes
    await page.route(
      '**/approve',
      async (route) => {
        await client.updateScene(job_id, scene!.id, { duration: 8 })
        await route.continue()
      },
      { times: 1 },
    )
    await page.keyboard.press('Control+Enter')
    await until(page, 'The storyboard below is the new one. Look at it, then approve again.')
    expect((await client.readJob(job_id)).status).toBe('pending')
    // Not at once: a hasty second press would approve a sum that nobody has seen.
    await page.getByRole('button', { name: 'Approve $1.60', disabled: false }).waitFor(patience)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('button', { name: /^Approve/ }).waitFor({ ...patience, state: 'detached' })
    expect((await client.readJob(job_id)).costs.approved).toBe(1.6)
  })

  it('plays the preview scene after scene', async () => {
    const { job_id } = await makeJob('Preview', { clip_duration: 1 })
    const { page, faults } = await open(job_id)
    await page.keyboard.press('Space')
    await page.getByRole('heading', { name: '3 Garden' }).waitFor(patience)
    await page.getByRole('button', { name: 'Play preview' }).waitFor(patience)
    expect(faults).toEqual([])
  })
})

it.skipIf(!hasChromium)('offers a key that only reads nothing that it may not do', async () => {
  const site = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1' })
  try {
    const { coordinator } = site.workflow
    const admin = await coordinator.createKey({ name: 'ops', scopes: ['admin'] })
    const reader = await coordinator.createKey({ name: 'reader', scopes: ['read'] })
    const client = createClient({ url: site.url, key: admin.secret })
    const { id } = await client.uploadAsset(await readFile('sample/garden.jpg'))
    const { job_id } = await client.createJob({
      type: 'property_photos',
      video_name: 'Only looked at',
      parameters: { photos: [{ asset_id: id }, { asset_id: id }] },
    })
    const { page, faults, go } = await site.person()
    await go(`/jobs/${job_id}`)
    await page.getByLabel('Access key').fill(reader.secret)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Approving needs a key with the scope approve.').waitFor(patience)
    for (const name of [/^Approve/, 'Send back', 'Save', 'Remove scene', 'Add scene', /^Move/, 'Upload'])
      expect([name, await page.getByRole('button', { name }).count()]).toEqual([name, 0])
    expect(await page.getByLabel('Title').isEditable()).toBe(false)
    expect(faults).toEqual([])
  } finally {
    await site.close()
  }
})

it.skipIf(!hasChromium)('approves an unknown price only if a person says so', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'models-'))
  const book = {
    version: 'own-1',
    currency: 'USD',
    models: {
      'acme/unpriced': {
        renderer: 'replicate',
        input: { image: '{first_image}', prompt: '{prompt}' },
        offers: [{ resolution: '720p', short_side: 720, seconds: [5], last_image: false, audio: false }],
      },
    },
  }
  await writeFile(join(folder, 'models.json'), JSON.stringify(book))
  const site = await openPageSite({
    REPLICATE_API_TOKEN: 'r8_none',
    REPLICATE_BASE_URL: 'http://127.0.0.1:1',
    MODELS_FILE: join(folder, 'models.json'),
  })
  try {
    const client = createClient({ url: site.url })
    await client.pause()
    const { id } = await client.uploadAsset(await readFile('sample/garden.jpg'))
    const { job_id } = await client.createJob({
      type: 'property_photos',
      parameters: { photos: [{ asset_id: id }], model: 'acme/unpriced' },
    })
    const { page, faults, go } = await site.person()
    await go(`/jobs/${job_id}`)
    const approve = page.getByRole('button', { name: 'Approve an unknown cost' })
    await approve.waitFor(patience)
    await page.keyboard.press('Control+Enter')
    expect(await approve.isDisabled()).toBe(true)
    await page.getByLabel('Render at an unknown price').press('Space')
    const sent = page.waitForRequest((request) => request.url().endsWith('/approve'))
    await approve.click(patience)
    expect((await sent).postDataJSON()).toEqual({ revision: 1, accept_unknown_cost: true })
    await approve.waitFor({ ...patience, state: 'detached' })
    expect((await client.readJob(job_id)).status).toBe('approved')
    expect(faults).toEqual([])
  } finally {
    await site.close()
    await rm(folder, { recursive: true, force: true })
  }
})
