/** An installation that dies in the middle of paid renders, and goes on over PostgreSQL after its history was moved. */
import { expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { moveHistory } from '../../src/store/move.ts'
import { installationOf } from '../../src/store/provider.ts'
import { openFile } from '../harness/data.ts'
import { openSimulation, priceUsd, sceneOf } from '../harness/simulation.ts'
import { newPlace } from '../store/open-database.ts'

/** The database that is current; its processes begin anew when it is another. */
function switching(first: Database) {
  let current = first
  const database: Database = {
    get dialect() {
      return current.dialect
    },
    all: (...query) => current.all(...query),
    get: (...query) => current.get(...query),
    transaction: (work) => current.transaction(work),
    snapshot: (work) => current.snapshot(work),
    close: () => current.close(),
  }
  return { database, use: (other: Database) => void (current = other) }
}

it('a moved installation goes on with every job, and pays for nothing twice', async () => {
  const place = await newPlace('postgres')
  let source: Database | undefined
  let switched: ReturnType<typeof switching> | undefined
  await using simulation = await openSimulation({
    async open(folder) {
      source = await openFile(folder)
      await source.transaction((tx) => installationOf(tx, { id: 'abcdef012345', secret: 'ab'.repeat(32) }))
      switched = switching(source)
      return switched.database
    },
  })
  try {
    const { ask, get } = simulation
    const ended = async (jobId: number): Promise<any> => {
      const reached = async () => (await get(`/jobs/${jobId}`)).status === 'completed'
      if (!(await simulation.run(reached, 10 * 60_000))) throw new Error(`job ${jobId} does not end`)
      return get(`/jobs/${jobId}`)
    }
    const done = (await simulation.job([0, 1])).job_id
    await simulation.approve(done)
    await simulation.ended(done)
    const pending = (await simulation.job([sceneOf(2)])).job_id
    const cancelled = (await simulation.job([sceneOf(3)])).job_id
    await ask('POST', `/jobs/${cancelled}/cancel`)
    const running = (await simulation.job([4, 5, 6, 7])).job_id
    await simulation.approve(running)
    const paused = (await simulation.job([sceneOf(1, { prompt: 'Later.' })])).job_id
    await simulation.approve(paused)
    await ask('POST', `/jobs/${paused}/pause`)
    expect((await ask('PUT', '/budgets', { total: 50 })).status).toBe(200)
    const hook = await ask('POST', '/webhooks/endpoints', {
      url: 'https://example.com/hook',
      event_types: ['job_completed'],
    })
    const key = await ask('POST', '/keys', { name: 'ops', scopes: ['admin'] })
    await simulation.until(() => simulation.posts().length >= 4)
    const posts = simulation.posts().length
    expect(simulation.bills().length).toBeLessThan(posts)
    const spendBefore = await get('/spend')

    simulation.life.kill()
    await simulation.settle()
    const target = await place.open()
    const { compared } = await moveHistory({
      source: source!,
      target,
      targetName: 'postgres://db/films',
      moveFiles: async () => [],
    })
    expect(compared.filter((one) => one.source !== one.target)).toEqual([])
    await source!.close()
    switched!.use(target)
    await simulation.start()

    expect(await get('/spend')).toEqual(spendBefore)
    expect((await ended(running)).status).toBe('completed')
    expect((await get(`/jobs/${done}`)).status).toBe('completed')
    expect((await get(`/jobs/${pending}`)).status).toBe('pending')
    expect((await get(`/jobs/${cancelled}`)).status).toBe('cancelled')
    expect((await ask('POST', `/jobs/${paused}/resume`)).status).toBe(200)
    expect((await ended(paused)).status).toBe('completed')
    await simulation.approve(pending)
    expect((await ended(pending)).status).toBe('completed')
    const next = await simulation.job([sceneOf(2, { prompt: 'Another.' })])
    expect(next.job_id).toBeGreaterThan(paused)

    const attempts = (await target.all('select id from attempts')).length
    expect(simulation.posts()).toHaveLength(attempts)
    expect(simulation.bills().filter(({ billed_micros }) => billed_micros > 0).length).toBe(attempts)
    expect(attempts).toBe(8)
    expect(simulation.billedUsd()).toBeCloseTo(8 * priceUsd, 6)
    const { rows } = await get('/spend?group=month')
    expect(rows.reduce((sum: number, { spent }: { spent: number }) => sum + spent, 0)).toBeCloseTo(
      simulation.billedUsd(),
      6,
    )
    expect(await get('/budgets')).toMatchObject({
      budgets: [{ name: 'total', limit: 50, used: { reserved: 0, spent: 3.2 } }],
    })
    expect((await get('/webhooks/endpoints')).endpoints.map((one: any) => one.endpoint_id)).toEqual([
      hook.body.endpoint_id,
    ])
    expect((await get('/keys')).keys.map((one: any) => one.id)).toEqual([key.body.id])
  } finally {
    simulation.life.kill()
    await simulation.settle()
    await place.remove()
  }
}, 120_000)
