/** Figures for operators: what was done, what the queue waits for, and who changed what it may do. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Simulation, openSimulation, priceUsd } from '../harness/simulation.ts'

let simulation: Simulation
beforeEach(async () => {
  simulation = await openSimulation({ fake: { renderMs: 60_000 } })
})
afterEach(() => simulation[Symbol.asyncDispose]())

const ask = (method: string, path: string, body?: object, key?: string) =>
  simulation.ask(method, path, body, key)
const get = async (path: string): Promise<any> => (await ask('GET', path)).body

async function film(scenes: number, parameters: object = {}): Promise<number> {
  const { job_id } = await simulation.job(
    Array.from({ length: scenes }, (_, index) => index),
    { parameters: { transition: 'cut', ...parameters }, force: true },
  )
  return job_id
}

describe('statistics', () => {
  test('count jobs and scenes by hour, and tell how long each stage took', async () => {
    const done = await film(2)
    await simulation.pass(10 * 60_000)
    await simulation.approve(done)
    expect((await simulation.ended(done)).status).toBe('completed')
    const dropped = await film(1)
    await ask('POST', `/jobs/${dropped}/cancel`)
    await simulation.pass(5000)
    const answer = await get('/statistics')
    expect(answer).toMatchObject({ window: '24h', bucket_seconds: 3600 })
    expect(answer.totals).toEqual({ created: 2, completed: 1, failed: 0, cancelled: 1, scenes: 2 })
    expect(answer.buckets).toHaveLength(24)
    const summed = (name: string) => answer.buckets.reduce((sum: number, one: any) => sum + one[name], 0)
    for (const name of Object.keys(answer.totals))
      expect([name, summed(name)]).toEqual([name, answer.totals[name]])
    expect(answer.stages.approval).toMatchObject({ count: 1, p50_seconds: expect.closeTo(600, -1) })
    expect(answer.stages.rendering).toMatchObject({ count: 2 })
    expect(answer.stages.rendering.p90_seconds).toBeGreaterThanOrEqual(60)
    expect(answer.models).toMatchObject([{ renderer: 'replicate', scenes: 2, failed: 0 }])
    expect((await get('/statistics?window=30d')).totals).toEqual(answer.totals)
    expect((await ask('GET', '/statistics?window=1y')).status).toBe(400)
  })

  test('group failures by reason, with the newest as an example', async () => {
    await simulation[Symbol.asyncDispose]()
    simulation = await openSimulation({ fake: { plan: { 1: 'fails_content' } } })
    const failed = await film(1)
    await simulation.approve(failed)
    expect((await simulation.ended(failed)).status).toBe('failed')
    await simulation.pass(5000)
    const { failures, models, totals } = await get('/statistics?window=7d')
    expect(totals).toMatchObject({ failed: 1 })
    const renders = failures.find((one: any) => one.of === 'render')
    expect(renders).toMatchObject({
      renderer: 'replicate',
      count: expect.any(Number),
      last: { job_id: failed, reason: expect.any(String) },
    })
    expect(failures).toContainEqual(
      expect.objectContaining({ of: 'job', count: 1, last: expect.objectContaining({ job_id: failed }) }),
    )
    expect(models).toMatchObject([{ failed: renders.count }])
  })
})

describe('the queue', () => {
  const reasons = async (): Promise<Record<string, number>> => {
    await simulation.pass(5000)
    const { reasons: found, scenes } = await get('/queue')
    const byCode = found.map(({ code, scenes: n }: any) => [code, n])
    expect(scenes).toBe(byCode.reduce((sum: number, [, n]: any) => sum + n, 0))
    return Object.fromEntries(byCode)
  }

  test('says how many scenes wait for what, and which waits longest', async () => {
    expect(await get('/queue')).toEqual({ scenes: 0, more_jobs: 0, reasons: [] })
    const first = await film(2)
    await film(1)
    expect(await reasons()).toEqual({ approval: 3 })
    const [approval] = (await get('/queue')).reasons
    expect(approval).toMatchObject({ jobs: 2, renderer: null, oldest: { job_id: first } })
    await ask('POST', `/jobs/${first}/reject`, { note: 'darker' })
    expect(await reasons()).toEqual({ approval: 1, rejected: 2 })
  })

  test('names pauses, budgets and slots by the rules that admission decides by', async () => {
    await ask('POST', '/pause', { renderer: 'replicate', reason: 'bill' })
    const one = await film(2)
    await simulation.approve(one)
    expect(await reasons()).toEqual({ renderer_paused: 2 })
    const [wait] = (await get('/queue')).reasons
    expect(wait).toMatchObject({ renderer: 'replicate', oldest: { reason: expect.stringContaining('bill') } })
    const { scenes } = await get(`/jobs/${one}/scenes`)
    expect(scenes.map(({ waiting }: any) => waiting.code)).toEqual(['renderer_paused', 'renderer_paused'])

    await ask('PUT', '/budgets', { total: priceUsd / 2 })
    await ask('POST', '/resume', { renderer: 'replicate' })
    expect(await reasons()).toEqual({ budget_total: 2 })
    await ask('POST', `/jobs/${one}/pause`, { reason: 'holiday' })
    expect(await reasons()).toEqual({ job_paused: 2 })
    await ask('POST', `/jobs/${one}/resume`)
    await ask('PUT', '/limits', { renderers: { replicate: { max_concurrency: 1 } } })
    await ask('PUT', '/budgets', { total: null })
    expect(await reasons()).toEqual({ slots: 1 })
  })
})

describe('a change of what may run or be spent', () => {
  test('is kept with who made it and the value before, beside the setting and in a list', async () => {
    const { secret } = await simulation.life.coordinator.createKey({ name: 'Anna', scopes: ['admin'] })
    await ask('PUT', '/budgets', { day: 20, 'client:acme': 5 }, secret)
    await ask('PUT', '/budgets', { day: 25, 'client:acme': 5 }, secret)
    await ask('PUT', '/limits', { jobs: 3, renderers: { replicate: { max_concurrency: 2 } } })
    const { budgets } = await get('/budgets')
    expect(budgets.map(({ name, changed }: any) => [name, changed.by, changed.from])).toEqual([
      ['client:acme', 'Anna', null],
      ['day', 'Anna', 20],
    ])
    const limits = await get('/limits')
    expect(limits.jobs.changed).toMatchObject({ by: 'local', from: null })
    expect(limits.renderers.replicate.changed).toMatchObject({
      by: 'local',
      name: 'max_concurrency',
      from: null,
    })

    await ask('POST', '/pause', { reason: 'move' }, secret)
    await ask('POST', '/pause', { reason: 'again' })
    await ask('POST', '/resume')
    await ask('POST', '/resume')
    const { changes, next_cursor } = await get('/changes?limit=3')
    expect(changes).toMatchObject([
      { kind: 'pause', name: 'all', old: true, new: false, by: 'local', reason: null },
      { kind: 'pause', name: 'all', old: false, new: true, by: 'Anna', reason: 'move' },
      { kind: 'limit', name: 'replicate.max_concurrency', old: null, new: 2, by: 'local' },
    ])
    const rest = await get(`/changes?cursor=${next_cursor}`)
    expect(rest.changes.map(({ name, old, new: value }: any) => [name, old, value])).toEqual([
      ['jobs', null, 3],
      ['day', 20, 25],
      ['client:acme', null, 5],
      ['day', null, 20],
    ])
    expect(rest.next_cursor).toBeNull()
  })

  test('is forgotten when 2000 others came after it', async () => {
    for (let round = 0; round < 11; round++)
      await simulation.life.coordinator.setBudgets(
        Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`client:${index}`, round + 1])),
      )
    const [row] = await simulation.life.database.all('select count(*) as n, min(id) as first from changes')
    expect(row).toMatchObject({ n: 2000, first: 201 })
  })
})
