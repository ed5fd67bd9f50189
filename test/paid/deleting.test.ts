/** A job that is deleted leaves its books as they are, and nothing behind that somebody would still look for. */
import { expect, test } from 'vitest'
import { type Simulation, openSimulation, priceUsd, requestOf } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'

const remove = (simulation: Simulation, jobId: number, key?: string) =>
  simulation.ask('DELETE', `/jobs/${jobId}`, undefined, key)

test('what it has cost stays in the ledger, the budgets and the sums, and its kept clips serve nobody', async () => {
  await using simulation = await openSimulation()
  const { job_id } = await simulation.job([0, 1])
  await simulation.approve(job_id)
  await simulation.ended(job_id)
  await simulation.ask('PUT', '/budgets', { total: 10 })
  const books = async () => ({
    ledger: await simulation.get(`/ledger?job_id=${job_id}`),
    budgets: await simulation.get('/budgets'),
  })
  const before = await books()
  expect(before.ledger.totals.spent).toBe(2 * priceUsd)
  expect((await remove(simulation, job_id)).status).toBe(200)
  expect(await books()).toEqual(before)
  const again = await simulation.job([0, 1])
  expect(again.to_approve).toBe(2 * priceUsd)
})

test('a render that the provider still ends is waited for', async () => {
  await using simulation = await openSimulation()
  const { job_id } = await simulation.job([0])
  await simulation.approve(job_id)
  await simulation.until(() => simulation.posts().length === 1)
  const { coordinator } = simulation.life
  expect(await coordinator.cancelJob(job_id)).toMatchObject({ status: 'cancelled' })
  await expect(coordinator.deleteJob(job_id)).rejects.toMatchObject({
    message: 'Job cannot be deleted',
    refusal: {
      currentStatus: 'cancelled',
      reason: 'Renders of this job are still being ended or fetched: delete it when its reserved cost is 0',
    },
  })
  await simulation.until(async () => (await simulation.get(`/jobs/${job_id}`)).costs.reserved === 0)
  expect((await remove(simulation, job_id)).status).toBe(200)
})

test('what was paid for with another key is deleted by those who may spend; another client’s job is not there', async () => {
  await using simulation = await openSimulation()
  const { coordinator } = simulation.life
  const keyFor = async (name: string, scopes: readonly string[], client_id?: string) =>
    (await coordinator.createKey({ name, scopes, ...(client_id !== undefined && { client_id }) })).secret
  await coordinator.letClientSee('acme', assetOf(0))
  const [maker, mate] = [await keyFor('maker', ['submit'], 'acme'), await keyFor('mate', ['submit'], 'acme')]
  const stranger = await keyFor('stranger', ['submit', 'approve'], 'other')
  const { body } = await simulation.ask('POST', '/jobs', requestOf([0]), maker)
  await simulation.approve(body.job_id)
  await simulation.ended(body.job_id)
  expect(await remove(simulation, body.job_id, stranger)).toMatchObject({ status: 404 })
  expect(await remove(simulation, body.job_id, mate)).toMatchObject({
    status: 403,
    body: { scope: 'approve' },
  })
  expect((await remove(simulation, body.job_id, maker)).status).toBe(200)
})
