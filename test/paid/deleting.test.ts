/** A job that is deleted leaves its books as they are, and nothing behind that somebody would still look for. */
import { expect, test } from 'vitest'
import { type Till, openTill, priceUsd, requestOf } from './till.ts'
import { assetOf } from './world.ts'

const remove = (till: Till, jobId: number, key?: string) =>
  till.ask('DELETE', `/jobs/${jobId}`, undefined, key)

test('what it has cost stays in the ledger, the budgets and the sums, and its kept clips serve nobody', async () => {
  await using till = await openTill()
  const { job_id } = await till.job([0, 1])
  await till.approve(job_id)
  await till.ended(job_id)
  await till.ask('PUT', '/budgets', { total: 10 })
  const books = async () => ({
    ledger: await till.get(`/ledger?job_id=${job_id}`),
    budgets: await till.get('/budgets'),
  })
  const before = await books()
  expect(before.ledger.totals.spent).toBe(2 * priceUsd)
  expect((await remove(till, job_id)).status).toBe(200)
  expect(await books()).toEqual(before)
  const again = await till.job([0, 1])
  expect(again.to_approve).toBe(2 * priceUsd)
})

test('a render that the provider still ends is waited for', async () => {
  await using till = await openTill()
  const { job_id } = await till.job([0])
  await till.approve(job_id)
  await till.until(() => till.posts().length === 1)
  const { coordinator } = till.world.life!
  const both = [coordinator.cancelJob(job_id), coordinator.deleteJob(job_id)]
  const [cancelled, deleted] = await Promise.allSettled(both)
  expect(cancelled).toMatchObject({ status: 'fulfilled', value: { status: 'cancelled' } })
  expect(deleted).toMatchObject({
    status: 'rejected',
    reason: {
      message: 'Job cannot be deleted',
      refusal: {
        currentStatus: 'cancelled',
        reason: 'Renders of it are still being ended or fetched: delete it once nothing of it is reserved',
      },
    },
  })
  await till.until(async () => (await till.get(`/jobs/${job_id}`)).costs.reserved === 0)
  expect((await remove(till, job_id)).status).toBe(200)
})

test('what was paid for with another key is deleted by those who may spend; another client’s job is not there', async () => {
  await using till = await openTill()
  const { coordinator } = till.world.life!
  const keyFor = async (name: string, scopes: readonly string[], client_id?: string) =>
    (await coordinator.createKey({ name, scopes, ...(client_id !== undefined && { client_id }) })).secret
  await coordinator.letClientSee('acme', assetOf(0))
  const [maker, mate] = [await keyFor('maker', ['submit'], 'acme'), await keyFor('mate', ['submit'], 'acme')]
  const stranger = await keyFor('stranger', ['submit', 'approve'], 'other')
  const { body } = await till.ask('POST', '/jobs', requestOf([0]), maker)
  await till.approve(body.job_id)
  await till.ended(body.job_id)
  expect(await remove(till, body.job_id, stranger)).toMatchObject({ status: 404 })
  expect(await remove(till, body.job_id, mate)).toMatchObject({ status: 403, body: { scope: 'approve' } })
  expect((await remove(till, body.job_id, maker)).status).toBe(200)
})
