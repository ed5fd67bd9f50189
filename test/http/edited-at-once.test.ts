/** Two people edit one storyboard: a change that names the revision it was made for overwrites nothing that its sender has not seen. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

let harness: AppHarness
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())

const ask = async (method: string, path: string, body?: unknown) =>
  harness.app.request(`/api/v3${path}`, {
    method,
    ...(body !== undefined && {
      headers: {
        'content-type': 'application/json',
        'content-length': String(JSON.stringify(body).length),
      },
      body: JSON.stringify(body),
    }),
  })

const photographs = () => Promise.all([1, 2, 3].map((shade) => harness.picture(shade)))

async function edited() {
  const photos = (await photographs()).map((asset_id) => ({ asset_id }))
  const job = await jsonOf(ask('POST', '/jobs', { type: 'property_photos', parameters: { photos } }))
  const { scenes } = await jsonOf(ask('GET', `/jobs/${job.job_id}/scenes`))
  const at = `/jobs/${job.job_id}/scenes`
  await ask('PUT', `${at}/${scenes[0].id}`, { title: 'Somebody was here' })
  return { at, ids: scenes.map(({ id }: { id: string }) => id), seen: job.revision as number }
}

const count = async (at: string): Promise<number> => (await jsonOf(ask('GET', at))).total_scenes

test('no change of a storyboard is made for a revision that is no longer the newest', async () => {
  const { at, ids, seen } = await edited()
  const [asset] = await photographs()
  const stale = [
    ask('PUT', `${at}/${ids[1]}`, { title: 'Mine', revision: seen }),
    ask('PUT', `${at}/${ids[1]}`, { position: 0, revision: seen }),
    ask('POST', at, { asset_ids: [asset], revision: seen }),
    ask('DELETE', `${at}/${ids[1]}?revision=${seen}`),
  ]
  for (const response of await Promise.all(stale)) {
    expect(response.status).toBe(422)
    expect(await response.json()).toMatchObject({ error: 'Storyboard has changed', revision: seen + 1 })
  }
  expect(await count(at)).toBe(3)
})

test('a removal for the newest revision is made, and answers the next one', async () => {
  const { at, ids, seen } = await edited()
  const deleted = await jsonOf(ask('DELETE', `${at}/${ids[1]}?revision=${seen + 1}`))
  expect(deleted).toMatchObject({ revision: seen + 2, to_approve: 0 })
  expect(await count(at)).toBe(2)
  expect((await ask('DELETE', `${at}/${ids[2]}?revision=zero`)).status).toBe(400)
})

test('a scene is rendered again only for the newest revision', async () => {
  const { job_id } = await harness.job()
  await harness.finish(job_id)
  const [scene] = await harness.coordinator.scenes(job_id)
  const path = `/jobs/${job_id}/scenes/${scene!.id}/regenerate`
  expect((await ask('POST', path, { revision: 7 })).status).toBe(422)
  expect((await ask('POST', path, { revision: 1 })).status).toBe(200)
})
