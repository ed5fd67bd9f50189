/** The same rows over PostgreSQL: the statements are written once for both databases. */
import { expect, it } from 'vitest'
import { appendEvent, lastCommitted } from '../../src/store/events.ts'
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

it('an event of a transaction that commits late is not passed over, and comes in its place', async () => {
  await using harness = await openWebhookHarness()
  await using receiver = await openReceiver()
  const { endpoint_id } = await harness.endpoint(receiver.url)
  const { database } = harness
  const appended = Promise.withResolvers<void>()
  const mayEnd = Promise.withResolvers<void>()
  const older = database.transaction(async (tx) => {
    await appendEvent(tx, { type: 'job_progress', jobId: 7, data: { n: 1 } }, harness.clock.now())
    appended.resolve()
    await mayEnd.promise
  })
  await appended.promise
  const newer = harness.emit('job_progress', 7, { n: 2 })
  await until(async () => (await lastCommitted(database)) > 0)
  // A test message makes the sender look.
  await harness.ask('POST', `/webhooks/endpoints/${endpoint_id}/test`)
  await until(() => receiver.received.some(({ message }) => message.type === 'ping'))
  mayEnd.resolve()
  await Promise.all([older, newer])
  const told = () => receiver.received.flatMap(({ message }) => message.data.data?.n ?? [])
  await until(() => told().length === 2)
  expect(told()).toEqual([1, 2])
}, 120_000)
