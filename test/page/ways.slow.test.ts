/** Ways of people that cross the parts of the page. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import type { FakeReplicate } from '../fake-replicate/start.ts'
import { hasChromium } from '../server/chromium.ts'
import { mainPages, settled } from './looks.ts'
import { type PageSite, openPageSite } from './open-page.ts'
import { openSeedProvider, uploadSample } from './seed.ts'

const patience = { timeout: 60_000 }
let site: PageSite | undefined
let fake: FakeReplicate | undefined
afterEach(async () => {
  await site?.close()
  await fake?.kill()
  site = fake = undefined
})

describe.skipIf(!hasChromium)('a person', () => {
  it('retries a failed job, and sees its film', async () => {
    const provider = await openSeedProvider()
    fake = provider.fake
    await fake.set({ plan: { 1: 'fails_content' } })
    site = await openPageSite(provider.serverEnv)
    const asset_id = await uploadSample(site.client, 'garden.jpg')
    const { job_id } = await site.client.createJob({
      type: 'property_photos',
      video_name: 'Villa',
      parameters: { photos: [{ asset_id }], model: 'google/veo-3.1-fast', clip_duration: 4 },
    })
    await site.client.approveJob(await site.client.readJob(job_id))
    const { page, faults, go } = await site.person()
    await go(`/jobs/${job_id}`)
    await page
      .getByText(/flagged as sensitive/)
      .first()
      .waitFor(patience)
    await page
      .getByRole('button', { name: /^retry/i })
      .first()
      .click(patience)
    await page.locator('video[aria-label^="Film"]').waitFor(patience)
    expect((await site.client.readJob(job_id)).status).toBe('completed')
    expect(faults).toEqual([])
  })

  it('finds a finished film folded until its scenes are to be changed, and is told when the job is removed', async () => {
    site = await openPageSite()
    const asset_id = await uploadSample(site.client, 'garden.jpg')
    const { job_id } = await site.client.createJob({
      type: 'property_photos',
      parameters: { photos: [{ asset_id, room: 'Garden' }], clip_duration: 1, resolution: '360p' },
    })
    await site.client.approveJob(await site.client.readJob(job_id))
    await site.client.waitFor(job_id)
    const { page, faults, go } = await site.person()
    await go(`/jobs/${job_id}`)
    await page.getByRole('link', { name: 'Download' }).first().waitFor(patience)
    expect(await page.getByLabel('Prompt').count()).toBe(0)
    await page.getByRole('button', { name: 'Change scenes' }).click()
    await page.getByLabel('Prompt').waitFor(patience)
    await site.client.deleteJob(job_id)
    await page.getByText('There is no such thing here').waitFor(patience)
    expect(await page.getByRole('button', { name: 'Change scenes' }).count()).toBe(0)
    expect(faults).toEqual([])
  })

  it('whose key may not read is not led to the overview', async () => {
    site = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1' })
    const { secret } = await site.workflow.coordinator.createKey({ name: 'maker', scopes: ['submit'] })
    const { page, go } = await site.person()
    await go('/overview')
    await page.getByLabel('Access key').fill(secret)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('it lacks the scope read').waitFor(patience)
    expect(await page.getByRole('link', { name: 'Overview' }).count()).toBe(0)
    expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0)
  })

  it('with a key of one client sees nothing of the others, on no page', async () => {
    site = await openPageSite({ REQUIRE_KEYS: 'true', HOST: '127.0.0.1' })
    const { coordinator } = site.workflow
    const { secret } = await coordinator.createKey({ name: 'lodge', scopes: ['read'], client_id: 'lodge' })
    const admin = await coordinator.createKey({ name: 'chief', scopes: ['admin'] })
    const client = createClient({ url: site.url, key: admin.secret })
    const asset_id = await uploadSample(client, 'garden.jpg')
    const [own, other] = await Promise.all(
      [
        ['Lodge in the woods', 'lodge'],
        ['Palace', 'secret-client'],
      ].map(([name, client_id]) =>
        client.createJob({
          type: 'property_photos',
          video_name: name!,
          parameters: { photos: [{ asset_id }], client_id },
        }),
      ),
    )
    await client.setBudgets({ 'client:secret-client': 12 })
    await client.addWebhookEndpoint({ url: 'https://secret-client.example/films' })
    const { page, go } = await site.person()
    await go('/')
    await page.getByLabel('Access key').fill(secret)
    await page.getByRole('button', { name: 'Sign in' }).click()
    for (const path of [...mainPages, `/jobs/${other!.job_id}`]) {
      await go(path)
      await settled(page)
      expect(await textOf(page), path).not.toMatch(/Palace|secret-client/)
    }
    await go(`/jobs/${own!.job_id}`)
    await page.getByRole('heading', { name: 'Lodge in the woods' }).waitFor(patience)
  })

  it('sees names that are markup, turn text around or have no end as text, and the page keeps its shape', async () => {
    site = await openPageSite()
    const asset_id = await uploadSample(site.client, 'garden.jpg')
    const names = [
      '<img src=x onerror="document.body.innerHTML=1"><script>alert(1)</script>',
      'invoice \u202egnp.exe',
      'W'.repeat(200),
      '👩‍👩‍👧‍👦🏳️‍🌈 Ünïcødé 日本語 العربية',
      'javascript:alert(1)',
    ]
    const created: number[] = []
    for (const name of names) {
      const parameters = { photos: [{ asset_id, room: name.slice(0, 60) }], client_id: name.slice(0, 100) }
      const job = await site.client
        .createJob({ type: 'property_photos', video_name: name, parameters })
        .catch(() => undefined)
      if (job) created.push(job.job_id)
    }
    expect(created.length).toBeGreaterThan(2)
    for (const viewport of [
      { width: 1440, height: 900 },
      { width: 390, height: 844 },
    ]) {
      const { page, faults, go } = await site.person({ viewport })
      page.on('dialog', () => expect.unreachable('a name was run'))
      for (const path of ['/', '/jobs', '/overview', ...created.map((id) => `/jobs/${id}`)]) {
        await go(path)
        await settled(page)
        const excess = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
        expect(await page.evaluate<number>(excess), `${path} is wider than the screen`).toBeLessThanOrEqual(0)
        expect(await page.locator('main img[src="x"], main script').count()).toBe(0)
      }
      await go('/jobs')
      await page.getByText(names[0]!).first().waitFor(patience)
      expect(faults).toEqual([])
    }
  })
})

const textOf = (page: Page): Promise<string> =>
  page.evaluate<string>('document.documentElement.innerText + document.title')
