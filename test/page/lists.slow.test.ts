/** What waits for a person, and the list of jobs, in a real browser over the real server. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { createClient } from '../../src/client/client.ts'
import { hasChromium } from '../server/chromium.ts'
import { type PageSite, type Person, openPageSite } from './open-page.ts'

const veo = 'google/veo-3.1-fast'
const patience = { timeout: 30_000 }

let site: PageSite
let person: Person
let page: Page
let asset: string
let folder: string

beforeAll(async () => {
  if (!hasChromium) return
  // Nothing is sent: rendering is paused.
  folder = await mkdtemp(join(tmpdir(), 'lists-'))
  site = await openPageSite({ DATA_DIR: folder, REPLICATE_API_TOKEN: 'r8_nobody' })
  await site.workflow.coordinator.pause({ renderer: 'replicate', reason: 'no credit' })
  const client = createClient({ url: site.url })
  asset = (await client.uploadAsset(await readFile('sample/exterior.jpg'))).id
  person = await site.person()
  page = person.page
}, 120_000)
afterAll(async () => {
  await site?.close()
  if (folder) await rm(folder, { recursive: true, force: true })
})

/** A job of one scene at $0.40. */
async function job(name: string, members: object = {}): Promise<number> {
  const made = await site.workflow.coordinator.createJob({
    type: 'property_photos',
    video_name: name,
    parameters: { photos: [{ asset_id: asset }], client_id: 'acme' },
    storyboard: { scenes: [{ asset_ids: [asset], model: veo, duration: 4 }] },
    force: true,
    ...members,
  })
  return made.id
}

const statusOf = async (id: number) => (await site.workflow.coordinator.job(id)).status

it.skipIf(!hasChromium)('lists what waits, counts it in the tab, and approves by one click', async () => {
  const id = await job('Harbour house', { deadline_at: '2099-01-01T00:00:00Z' })
  await person.go('/')
  const item = page.getByRole('listitem').filter({ hasText: 'Harbour house' })
  await item.getByText('for acme').waitFor(patience)
  await item.getByText('must be ready').waitFor()
  // The job, and the pause.
  await page.waitForFunction(`document.title.startsWith('(2)')`)
  await item.getByRole('button', { name: 'Approve $0.40' }).click()
  await item.waitFor({ state: 'detached', ...patience })
  expect(await statusOf(id)).toBe('approved')
  expect(await site.workflow.coordinator.costs(id)).toMatchObject({ toApproveMicros: 0 })
})

it.skipIf(!hasChromium)('decides a render of which nobody knows, told what it costs', async () => {
  const { coordinator } = site.workflow
  const id = await job('Mill')
  await coordinator.approveJob(id)
  const [scene] = await coordinator.scenes(id)
  const attempt = '00000000-0000-4000-8000-00000000abcd'
  // As if its answer had been lost.
  const database = new DatabaseSync(join(folder, 'coordinator.db'))
  database.exec(`pragma busy_timeout = 5000;
    insert into attempts (id, job_id, scene_id, renderer, model, status, cost_micros, client_id, day, render_key,
      inserted_at, updated_at)
    values ('${attempt}', ${id}, '${scene!.id}', 'replicate', '${veo}', 'held', 400000, 'acme', '2026-11-27',
      '${scene!.renderKey}', 1, 1);
    update scenes set status = 'processing', attempt_id = '${attempt}' where id = '${scene!.id}';
    update jobs set status = 'processing', started_at = 1 where id = ${id}`)
  database.close()
  await person.go('/')
  await page.getByRole('button', { name: 'Decide' }).click(patience)
  const dialog = page.getByRole('dialog')
  await dialog.getByText('The provider never accepted it').click()
  await dialog.getByText('both are charged: $0.80').waitFor()
  await dialog.getByRole('button', { name: 'Render anew, $0.40' }).click()
  await dialog.waitFor({ state: 'detached', ...patience })
  await page.getByRole('heading', { name: 'Renders to decide' }).waitFor({ state: 'detached', ...patience })
  expect((await coordinator.scene(id, scene!.id)).status).toBe('pending')
})

it.skipIf(!hasChromium)('shows what changes as it changes, and keeps a view as an address', async () => {
  await person.go('/jobs')
  const row = page.getByRole('row', { name: /Lake/ })
  const id = await job('Lake')
  await row.getByText('Pending').waitFor(patience)
  await site.workflow.coordinator.cancelJob(id)
  await row.getByText('Cancelled').waitFor(patience)

  await page.getByRole('button', { name: 'Cancelled' }).click()
  await page.getByRole('button', { name: 'Failed' }).click()
  expect(new URL(page.url()).searchParams.get('status')).toBe('failed,cancelled')
  await page.getByRole('button', { name: 'Save view' }).click()
  await page.getByLabel('Name of the view').fill('Broken')
  await page.getByRole('button', { name: 'Save view' }).click()
  await page.getByRole('link', { name: 'All', exact: true }).click()
  await page.getByRole('row', { name: /Harbour house/ }).waitFor(patience)
  await page.reload()
  await page.getByRole('link', { name: 'Broken' }).click(patience)
  await row.waitFor(patience)
  expect(await page.getByRole('row', { name: /Harbour house/ }).count()).toBe(0)
  await page.getByRole('button', { name: 'Delete the view Broken' }).click()
  await page.getByRole('link', { name: 'Broken' }).waitFor({ state: 'detached' })
})

it.skipIf(!hasChromium)('approves many after showing their sum, and tells which was refused', async () => {
  const ids = [await job('Sea 1'), await job('Sea 2'), await job('Sea 3')]
  await person.go('/jobs?q=sea')
  await page.getByRole('row', { name: /Sea 1/ }).waitFor(patience)
  const list = page.getByRole('grid', { name: 'Jobs' })
  await list.focus()
  // By keys: the first, and all down to the third.
  await page.keyboard.press('x')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Shift+X')
  await page.getByRole('button', { name: 'Approve $1.20' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('3 jobs may spend $1.20 together').waitFor()
  // Somebody else is quicker: what was shown is what is approved.
  const [scene] = await site.workflow.coordinator.scenes(ids[1]!)
  await site.workflow.coordinator.updateScene(ids[1]!, scene!.id, { duration: 6 })
  await dialog.getByRole('button', { name: 'Approve $1.20' }).click()
  const told = page.getByRole('status').filter({ hasText: '2 done, 1 refused' })
  await told.getByText('The storyboard has changed: this is revision 2, not 1').waitFor(patience)
  expect(await Promise.all(ids.map(statusOf))).toEqual(['approved', 'pending', 'approved'])
  expect(person.faults).toEqual([])
})
