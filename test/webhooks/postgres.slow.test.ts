/** The same rows over PostgreSQL: the statements are written once for both databases. */
import { expect, it } from 'vitest'
import { openWebhookHarness } from '../harness/webhooks.ts'
import { second } from '../harness/harness.ts'
import { until } from '../harness/until.ts'
import { openReceiver } from './receiver.ts'

it('webhooks are told, tried again and found on PostgreSQL too', async () => {
  await using harness = await openWebhookHarness()
  await using receiver = await openReceiver()
  const { endpoint_id } = await harness.endpoint(receiver.url, { event_types: ['jobs:*'] })
  const jobId = await harness.jobToldOfAt(receiver.url, ['job_completed'])
  await until(() => receiver.received.length === 1)
  receiver.answer({ status: 500 })
  await harness.emit('job_completed', jobId)
  const [own] = (await harness.ask('GET', `/webhooks/endpoints?job_id=${jobId}`)).body.endpoints
  for (const id of [endpoint_id, own.endpoint_id])
    await until(async () =>
      (await harness.deliveries(id)).find(({ type, tries }) => type === 'job_completed' && tries === 1),
    )
  receiver.answer({ status: 200 })
  // Each endpoint's wait begins when its failure is noted.
  await until(async () => {
    harness.clock.advance(second)
    return (await harness.deliveries(endpoint_id)).every(({ status }) => status === 'delivered')
  })
  await until(() => {
    harness.clock.advance(second)
    return receiver.received.length === 5
  })
  const [delivery] = await until(async () => {
    const found = await harness.deliveries(own.endpoint_id)
    return found[0]?.status === 'delivered' ? found : undefined
  })
  expect((await harness.delivery(delivery.delivery_id)).log).toMatchObject([{ status: 500 }, { status: 200 }])
  await harness.ask('POST', `/webhooks/deliveries/${delivery.delivery_id}/redeliver`)
  await until(() => receiver.received.length === 6)
  const page = await harness.ask('GET', `/webhooks/endpoints/${endpoint_id}/deliveries?limit=1`)
  const next = await harness.ask(
    'GET',
    `/webhooks/endpoints/${endpoint_id}/deliveries?limit=1&cursor=${page.body.next_cursor}`,
  )
  expect(next.body).toMatchObject({ deliveries: [{ type: 'job_created' }], next_cursor: null })
}, 120_000)

it('an event whose number shows up late is not passed over', async () => {
  await using harness = await openWebhookHarness()
  await using receiver = await openReceiver()
  const { endpoint_id } = await harness.endpoint(receiver.url)
  const insert = (id: number) =>
    harness.database.transaction((tx) =>
      tx.run(
        `insert into events (id, topic, type, job_id, data, inserted_at)
         values ($1, 'jobs:completed', 'job_completed', $1, '{}', $2)`,
        [id, harness.clock.now()],
      ),
    )
  /** Lets time pass, and nothing else happen, until the log is read up to an event. */
  const readTo = (id: number) =>
    until(async () => {
      const state = await harness.database.get('select event_id from webhook_state')
      if (state?.event_id === id) return true
      harness.clock.advance(second / 10)
      return false
    })
  await insert(1)
  await insert(3)
  await harness.ask('PATCH', `/webhooks/endpoints/${endpoint_id}`, {})
  await readTo(1)
  await insert(2)
  await insert(5)
  const began = harness.clock.now()
  await readTo(3)
  expect(harness.clock.now() - began).toBeLessThan(15 * second)
  // The fourth never comes: its transaction was rolled back.
  await readTo(5)
  expect(harness.clock.now() - began).toBeGreaterThanOrEqual(15 * second)
  await until(() => {
    harness.clock.advance(second)
    const told = new Set(receiver.received.map(({ message }) => message.data.id))
    return [1, 2, 3, 5].every((id) => told.has(id))
  })
}, 120_000)
