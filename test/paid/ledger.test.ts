import { describe, expect, test } from 'vitest'
import { isShort } from '../quick.ts'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { type Simulation, openSimulation, sceneOf } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

/** What may go wrong, and how often. */
const troubles: readonly (readonly [string, Partial<Record<Fault, number>>])[] = [
  ['nothing', {}],
  ['transient failures', { fails_transient: 0.3, preempted: 0.2, throttle_header: 0.2 }],
  ['lost answers', { reset_after: 0.2, hang_after: 0.1, reset_before: 0.2, malformed: 0.1, html: 0.1 }],
  ['refusals', { refuse: 0.2, fails_content: 0.2, aborts: 0.2 }],
  ['lost clips', { output_gone: 0.3, output_wrong: 0.3, stalls: 0.2 }],
]

const page = (
  simulation: Simulation,
  query: Readonly<Record<string, string | number>> = {},
): Promise<any> => {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  )
  return simulation.get(`/ledger?${search.toString()}`)
}

/** Every page, one after the other; `between`: what happens in the meantime. */
async function pages(
  simulation: Simulation,
  limit: number,
  between: () => Promise<void> = () => Promise.resolve(),
) {
  const entries: any[] = []
  let cursor: string | null = null
  do {
    const one: any = await page(simulation, { limit, ...(cursor !== null && { cursor }) })
    entries.push(...one.entries)
    cursor = one.next_cursor
    await between()
  } while (cursor !== null)
  return entries
}

async function rendered(
  simulation: Simulation,
  scenes: readonly (number | object)[],
  parameters: object = {},
) {
  const { job_id } = await simulation.job(scenes, { parameters: { transition: 'cut', ...parameters } })
  await simulation.approve(job_id)
  await simulation.ended(job_id)
  return job_id as number
}

const look = (index: number) => sceneOf(index % 8, { prompt: `Look ${index}.` })

describe('the ledger', () => {
  test('is empty at first', async () => {
    await using simulation = await openSimulation()
    expect(await simulation.get('/ledger')).toEqual({
      currency: 'USD',
      totals: { reserved: 0, spent: 0 },
      entries: [],
      next_cursor: null,
      unaccounted: [],
    })
  })

  test('tells of each attempt what is held back, and then what was charged', async () => {
    await using simulation = await openSimulation({ fake: { renderMs: minute } })
    const { job_id } = await simulation.job([0], { parameters: { transition: 'cut', client_id: 'acme' } })
    await simulation.approve(job_id)
    await simulation.until(() => simulation.posts().length === 1)
    await simulation.pass(second)
    const before = await simulation.get('/ledger')
    expect(before.totals).toEqual({ reserved: 0.4, spent: 0 })
    const [scene] = await simulation.scenes(job_id)
    expect(before.entries).toEqual([
      {
        attempt_id: simulation.posts()[0]!.mark!.slice(-36),
        job_id,
        scene_id: scene.id,
        client_id: 'acme',
        model: 'google/veo-3.1-fast',
        status: 'submitted',
        prediction_id: simulation.posts()[0]!.prediction,
        account: 'fake',
        candidates: [],
        reserved: 0.4,
        charged: null,
        failure: null,
        posted_at: '2026-01-01T00:00:00.000Z',
        inserted_at: '2026-01-01T00:00:00.000Z',
        updated_at: '2026-01-01T00:00:00.000Z',
      },
    ])
    await simulation.ended(job_id)
    const after = await simulation.get('/ledger')
    expect(after.totals).toEqual({ reserved: 0, spent: 0.4 })
    expect(after.entries).toMatchObject([{ status: 'succeeded', reserved: 0, charged: 0.4 }])
  })

  test.each(isShort ? troubles.slice(0, 1) : troubles)(
    'agrees to the cent with what the provider billed, with %s',
    async (_name, rates) => {
      await using simulation = await openSimulation({ fake: { rates } })
      const jobs: number[] = []
      for (let index = 0; index < 6; index++) {
        const own = [
          look(2 * index),
          sceneOf(index, { model: 'minimax/hailuo-02', duration: 6 }),
          sceneOf(index, { model: 'google/veo-3.1', duration: 8, audio: true }),
          sceneOf(index, { model: 'minimax/hailuo-2.3', duration: 10 }),
          sceneOf(index, { model: 'kwaivgi/kling-v2.1', duration: 5 }),
        ]
        jobs.push((await simulation.job(own)).job_id)
      }
      for (const jobId of jobs) await simulation.approve(jobId)
      for (const jobId of jobs) await simulation.ended(jobId)
      await simulation.pass(2 * hour)
      const { totals } = await simulation.get('/ledger')
      expect(totals).toEqual({ reserved: 0, spent: simulation.billedUsd() })
      const entries = await pages(simulation, 500)
      const charged = entries.reduce((sum, entry) => sum + Math.round(entry.charged * 1e6), 0) / 1e6
      expect(charged).toBe(simulation.billedUsd())
      let ofJobs = 0
      for (const jobId of jobs)
        ofJobs += Math.round((await simulation.get(`/jobs/${jobId}`)).costs.spent * 1e6)
      expect(ofJobs / 1e6).toBe(simulation.billedUsd())
    },
  )

  test('is read page by page, newest first, each entry once, though others are added meanwhile', async () => {
    await using simulation = await openSimulation({ maxConcurrency: 20 })
    await rendered(
      simulation,
      Array.from({ length: 10 }, (_, index) => look(index)),
    )
    const first = await pages(simulation, 500)
    let added = 100
    const seen = await pages(simulation, 3, async () => {
      await rendered(simulation, [look(added++)])
    })
    expect(seen).toEqual(first)
    expect(new Set(seen.map(({ attempt_id }) => attempt_id)).size).toBe(10)
    const all = await pages(simulation, 4)
    expect(all).toHaveLength(10 + added - 100)
    const times = all.map(({ inserted_at }) => inserted_at)
    expect(times).toEqual(times.toSorted((one, other) => (one < other ? 1 : -1)))
    expect((await page(simulation, { limit: 10 + added - 100 })).next_cursor).toBeNull()
  })

  test('is filtered by job, client and time, and so are its totals', async () => {
    await using simulation = await openSimulation()
    const acme = await rendered(simulation, [0, 1], { client_id: 'acme' })
    await simulation.pass(hour)
    const other = await rendered(simulation, [2], { client_id: 'other & sons' })
    await rendered(simulation, [3])
    const found = async (query: Readonly<Record<string, string | number>>) => {
      const { entries, totals } = await page(simulation, query)
      return { jobs: entries.map(({ job_id }: any) => job_id), spent: totals.spent }
    }
    expect(await found({ job_id: acme })).toEqual({ jobs: [acme, acme], spent: 0.8 })
    expect(await found({ client_id: 'other & sons' })).toEqual({ jobs: [other], spent: 0.4 })
    expect(await found({ client_id: 'nobody' })).toEqual({ jobs: [], spent: 0 })
    expect(await found({ job_id: 99_999 })).toMatchObject({ jobs: [] })
    expect(await found({ to: '2026-01-01T00:30:00Z' })).toEqual({ jobs: [acme, acme], spent: 0.8 })
    expect(await found({ from: '2026-01-01T00:30:00Z' })).toMatchObject({ spent: 0.8 })
    expect(await found({ from: '2026-01-01T00:30:00Z', client_id: 'acme' })).toEqual({ jobs: [], spent: 0 })
    // At or after, and before.
    const at = '2026-01-01T00:00:00.000Z'
    expect((await found({ from: at, job_id: acme })).jobs).toHaveLength(2)
    expect((await found({ to: at, job_id: acme })).jobs).toHaveLength(0)
  })

  test('tells nothing of what costs nothing', async () => {
    await using simulation = await openSimulation()
    await rendered(simulation, [0])
    await rendered(simulation, [0, 0])
    expect((await simulation.get('/ledger')).entries).toHaveLength(1)
  })

  test.each([
    ['cursor=xyz', 'cursor', /next_cursor/],
    ['cursor=', 'cursor', /next_cursor/],
    [`cursor=${Buffer.from('1:2').toString('base64url')}`, 'cursor', /next_cursor/],
    [`cursor=${Buffer.from("0:' or 1=1").toString('base64url')}`, 'cursor', /next_cursor/],
    ['cursor=a&cursor=b', 'cursor', /once/],
    ['limit=0', 'limit', /from 1 to 500/],
    ['limit=501', 'limit', /from 1 to 500/],
    ['limit=all', 'limit', /from 1 to 500/],
    ['from=yesterday', 'from', /must be a time/],
    ['to=2026-13-01', 'to', /must be a time/],
    ['client_id=a&client_id=b', 'client_id', /once/],
    ['job_id=1&job_id=2', 'job_id', /once/],
  ])('refuses %s and says what is wrong', async (query, field, reason) => {
    await using simulation = await openSimulation()
    const { status, body } = await simulation.ask('GET', `/ledger?${query}`)
    expect({ status, field: body.field }).toEqual({ status: 400, field })
    expect(body.reason).toMatch(reason)
  })

  test.each(['job_id=seven', 'job_id=', 'job_id=1.5', 'job_id=-1'])(
    'refuses or finds nothing for %s, and never answers for all jobs',
    async (query) => {
      await using simulation = await openSimulation()
      await rendered(simulation, [0])
      const { status } = await simulation.ask('GET', `/ledger?${query}`)
      expect([400, 404]).toContain(status)
    },
  )

  test('refuses a filter of another name', async () => {
    await using simulation = await openSimulation()
    expect(await simulation.ask('GET', '/ledger?client=acme')).toMatchObject({ status: 400 })
  })
})
