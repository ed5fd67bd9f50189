/** Three nodes and one provider: what limits its renders holds over all of them, at each moment. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Entry } from '../../src/fake-replicate/ledger.ts'
import { type FakeProvider, createFakeProvider } from '../../src/fake-replicate/provider.ts'
import { type Served, serveFake } from '../../src/fake-replicate/serve.ts'
import { systemHost } from '../../src/host.ts'
import { until } from '../harness/until.ts'
import { microsPerClip, model, models, token } from '../nodes/cluster.ts'
import { makeClip } from '../rounds/clip.ts'
import { endOf, orderFilm } from './films.ts'
import { type Node, type Site, newSite } from './nodes.ts'

const startDelayMs = 300
const cap = 2

let clip: Uint8Array
beforeAll(async () => {
  clip = await makeClip()
})

let ledger: Entry[]
let fake: FakeProvider
let served: Served
let site: Site
let nodes: readonly [Node, Node, Node]
beforeEach(async () => {
  ledger = []
  fake = createFakeProvider({
    host: systemHost,
    options: { token, startMs: [50, 100], renderMs: [300, 900], priceMicros: { [model]: microsPerClip } },
    record: (entry) => ledger.push(entry),
    clip: () => Promise.resolve(clip),
  })
  served = await serveFake(fake.handle, 0)
  const { url } = served
  site = await newSite({
    REPLICATE_API_TOKEN: token,
    REPLICATE_BASE_URL: url,
    REPLICATE_MAX_CONCURRENCY: String(cap),
    REPLICATE_START_DELAY_MS: String(startDelayMs),
  })
  await writeFile(join(site.folder, 'models.json'), JSON.stringify(models))
  const open = (name: string): Promise<Node> =>
    site.open(name, { env: { MODELS_FILE: join(site.folder, 'models.json') } })
  nodes = [await open('one'), await open('two'), await open('three')]
})
afterEach(async () => {
  await site.remove()
  await served.close()
})

const order = (node: Node, hue: number, scenes = 3): Promise<number> =>
  orderFilm(node, { scenes, hue, parameters: { model, prompt: `hue ${hue}` }, members: { force: true } })

const posts = () => ledger.filter((entry) => entry.what === 'post')

/** By the provider's own times. */
function busiest(): number {
  const changes = ledger.flatMap((entry) => {
    if (entry.what === 'post' && entry.created) return [{ at: entry.at, by: 1 }]
    return entry.what === 'ended' ? [{ at: entry.at, by: -1 }] : []
  })
  let now = 0
  let most = 0
  for (const { by } of changes.toSorted((a, b) => a.at - b.at || a.by - b.by))
    most = Math.max(most, (now += by))
  return most
}

const postTimes = async (): Promise<number[]> =>
  (
    await site.rows.query<{ at: string }>(
      'select posted_at as at from attempts where posted_at is not null order by posted_at',
    )
  ).rows.map(({ at }) => Number(at))

it('never renders more at once than the cap, nor starts sooner than the delay, nor spends more than the budget', async () => {
  const [one, two, three] = nodes
  await one.ask('PUT', '/budgets', { day: (5 * microsPerClip) / 1e6 })
  const jobs = await Promise.all([order(one, 0), order(two, 120), order(three, 240)])
  await until(() => posts().length === 5)
  const waiting = async () => {
    const all = await Promise.all(jobs.map((jobId) => two.ask('GET', `/jobs/${jobId}`)))
    return all.filter(({ body }) => body.waiting?.code === 'budget_day').length
  }
  await until(async () => (await waiting()) > 0)
  expect(posts()).toHaveLength(5)
  // Lifted at another node.
  await three.ask('PUT', '/budgets', { day: null })
  for (const jobId of jobs) expect((await endOf(one, jobId)).status).toBe('completed')

  expect(posts()).toHaveLength(9)
  expect(busiest()).toBeLessThanOrEqual(cap)
  const times = await postTimes()
  const gaps = times.slice(1).map((at, index) => at - times[index]!)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(startDelayMs)
  const { body } = await two.ask('GET', '/ledger?limit=1')
  expect(body.totals).toMatchObject({ spent: (9 * microsPerClip) / 1e6, reserved: 0 })
})

it('pauses on all nodes when the provider throttles one of them', async () => {
  const [one, two, three] = nodes
  // With a wait of ten seconds.
  fake.set({ plan: { 1: 'throttle_header' } })
  const first = await order(one, 0, 1)
  await until(() => posts().length === 1)
  const pauseOf = async (node: Node) =>
    (await node.ask('GET', '/limits')).body.renderers.replicate.provider_pause
  const pause = await until(() => pauseOf(two))
  expect(await pauseOf(three)).toEqual(pause)
  const second = await order(two, 120, 1)
  for (const jobId of [first, second]) expect((await endOf(three, jobId)).status).toBe('completed')
  expect(posts()).toHaveLength(3)
  const [refused, ...others] = posts()
  expect(refused!.created).toBe(false)
  expect(Math.min(...others.map(({ at }) => at))).toBeGreaterThanOrEqual(Date.parse(pause.until))
})
