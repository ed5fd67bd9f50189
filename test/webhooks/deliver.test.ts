import { describe, expect, it } from 'vitest'
import { Webhook } from 'standardwebhooks'
import { retryWaitsMs } from '../../src/job/webhook.ts'
import { eventBounds, listEvents } from '../../src/store/events.ts'
import { type WebhookHarness, openWebhookHarness } from '../harness/webhooks.ts'
import { day, hour, minute, second } from '../harness/harness.ts'
import { until } from '../harness/until.ts'
import { type Received, type Receiver, openReceiver } from './receiver.ts'

/** The newest delivery, once it is as it should be. */
const newest = (
  harness: WebhookHarness,
  endpointId: string,
  isSo: (delivery: any) => boolean,
): Promise<any> =>
  until(async () => {
    const [delivery] = await harness.deliveries(endpointId)
    return delivery && isSo(delivery) ? delivery : undefined
  })

const types = ({ received }: Receiver): string[] => received.map(({ message }) => message.type)

/** The reference library looks at the real time, which the harness's clock is not. */
function verified({ headers, raw }: Received, secret: string): boolean {
  const key = new Webhook(secret)
  const at = new Date(Number(headers['webhook-timestamp']) * 1000)
  const signature = key.sign(String(headers['webhook-id']), at, raw)
  return String(headers['webhook-signature']).split(' ').includes(signature)
}

describe('a webhook', () => {
  it('tells an event as it happened, signed as Standard Webhooks says', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const { secret, endpoint_id } = await harness.endpoint(`${receiver.url}/hooks?token=x`)
    await harness.emit('job_completed', 7, { film: 'f' })
    const received = await until(() => receiver.received[0])
    const delivery = await newest(harness, endpoint_id, ({ status }) => status === 'delivered')
    const [event] = await listEvents(harness.database, 0, 1)
    expect(received.path).toBe('/hooks?token=x')
    expect(received.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': delivery.message_id,
      'webhook-timestamp': String(harness.clock.now() / 1000),
    })
    expect(received.message).toEqual({
      type: 'job_completed',
      timestamp: '2026-01-01T00:00:00.000Z',
      data: {
        id: event!.id,
        type: 'job_completed',
        topic: 'jobs:completed',
        job_id: 7,
        data: { film: 'f' },
        inserted_at: '2026-01-01T00:00:00.000Z',
      },
    })
    expect(verified(received, secret)).toBe(true)
    expect(verified(received, `whsec_${Buffer.from('another').toString('base64')}`)).toBe(false)
  })

  it('is accepted by the reference library, which refuses it when a byte is changed', async () => {
    await using receiver = await openReceiver()
    await using harness = await openWebhookHarness()
    const { secret } = await harness.endpoint(receiver.url)
    // To the present, which the library compares the timestamp with.
    harness.clock.advance(Date.now() - harness.clock.now())
    await harness.emit('job_failed', 7, { reason: 'größer 映画 ✓' })
    const { headers, raw } = await until(() => receiver.received[0])
    const library = new Webhook(secret)
    expect(library.verify(raw, headers as Record<string, string>)).toMatchObject({ type: 'job_failed' })
    expect(() => library.verify(raw.replace('7', '8'), headers as Record<string, string>)).toThrow(
      'No matching signature',
    )
  })

  it('is signed with the old secret too for a day after a rotation', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const { endpoint_id, secret: first } = await harness.endpoint(receiver.url)
    const rotated = await harness.ask('POST', `/webhooks/endpoints/${endpoint_id}/rotate`)
    const { secret: other } = rotated.body
    expect(rotated.body.previous).toEqual([{ secret: first, valid_until: '2026-01-02T00:00:00.000Z' }])
    expect(other).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)

    await harness.emit('job_created', 1)
    const during = await until(() => receiver.received[0])
    expect(during.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/)
    expect([verified(during, first), verified(during, other)]).toEqual([true, true])

    harness.clock.advance(day + 1)
    await harness.emit('job_created', 2)
    const after = await until(() => receiver.received[1])
    expect([verified(after, first), verified(after, other)]).toEqual([false, true])
    const read = await harness.ask('GET', `/webhooks/endpoints/${endpoint_id}/secret`)
    expect(read.body).toEqual({ secret: other, previous: [] })
  })

  it('goes to whom its type, its topic or its family was asked for, and only from then on', async () => {
    await using harness = await openWebhookHarness()
    await using byType = await openReceiver()
    await using byTopic = await openReceiver()
    await using byFamily = await openReceiver()
    await using all = await openReceiver()
    await harness.emit('job_created', 1)
    await harness.endpoint(byType.url, { event_types: ['job_completed', 'job_failed'] })
    await harness.endpoint(byTopic.url, { event_types: ['jobs:progress'] })
    await harness.endpoint(byFamily.url, { event_types: ['scenes:*'] })
    await harness.endpoint(all.url)
    const told = ['job_approved', 'scene_completed', 'job_progress', 'job_completed'] as const
    for (const type of told) await harness.emit(type, 1)
    await until(() => all.received.length === told.length && byType.received.length === 1)
    await until(() => byTopic.received.length === 1 && byFamily.received.length === 1)
    expect(types(all)).toEqual([...told])
    expect(types(byType)).toEqual(['job_completed'])
    expect(types(byTopic)).toEqual(['job_progress'])
    expect(types(byFamily)).toEqual(['scene_completed'])
  })

  it('tells of one job in the order of its events, also where one of them fails', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    await harness.endpoint(receiver.url)
    receiver.answer((response, { message }) =>
      response.writeHead(message.data.data.n === 3 ? 500 : 200).end(),
    )
    for (let n = 0; n < 40; n++) await harness.emit('job_progress', 1 + (n % 2), { n })
    await until(() => receiver.received.length === 40)
    for (const jobId of [1, 2]) {
      const seen = receiver.received
        .map(({ message }) => message.data)
        .filter(({ job_id }) => job_id === jobId)
      expect(seen.map(({ data }) => data.n)).toEqual(Array.from({ length: 20 }, (_, n) => 2 * n + jobId - 1))
    }
  })

  it('costs nothing while nobody is told, and then leaves out what went by', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    for (let n = 0; n < 5; n++) await harness.emit('job_progress', 1, { n })
    const place = () => harness.database.get('select event_id from webhook_state')
    expect(await place()).toEqual({ event_id: 0 })
    const { endpoint_id } = await harness.endpoint(receiver.url)
    expect(await place()).toEqual({ event_id: (await eventBounds(harness.database)).latest })
    await harness.ask('PATCH', `/webhooks/endpoints/${endpoint_id}`, { status: 'disabled' })
    await harness.emit('job_progress', 1, { n: 5 })
    await harness.ask('PATCH', `/webhooks/endpoints/${endpoint_id}`, { status: 'enabled' })
    await harness.emit('job_progress', 1, { n: 6 })
    await until(() => receiver.received.length > 0)
    expect(receiver.received.map(({ message }) => message.data.data.n)).toEqual([6])
  })
})

describe('a webhook that fails', () => {
  it('is tried for three days with growing waits, always as the same message, and then given up', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 503 })
    const { endpoint_id, secret } = await harness.endpoint(`${receiver.url}/hook?secret=1`)
    const began = harness.clock.now()
    await harness.emit('job_completed', 7)
    const waits: number[] = []
    for (let tries = 1; tries <= retryWaitsMs.length; tries++) {
      const delivery = await newest(harness, endpoint_id, (one) => one.tries === tries)
      expect(delivery).toMatchObject({ status: 'pending', last_status: 503, last_error: 'It answered 503' })
      const waitMs = Date.parse(delivery.next_try_at) - harness.clock.now()
      waits.push(waitMs)
      await until(() => harness.clock.nextWakeAt() !== undefined)
      harness.clock.advance(waitMs - 1)
      expect(receiver.received).toHaveLength(tries)
      harness.clock.advance(1)
    }
    const delivery = await newest(harness, endpoint_id, ({ status }) => status === 'failed')
    for (const [index, waitMs] of waits.entries()) {
      expect(waitMs).toBeGreaterThanOrEqual(retryWaitsMs[index]! * 0.8)
      expect(waitMs).toBeLessThanOrEqual(retryWaitsMs[index]! * 1.2)
    }
    expect(new Set(waits.map((waitMs, index) => waitMs / retryWaitsMs[index]!)).size).toBe(waits.length)
    expect(retryWaitsMs.reduce((sum, ms) => sum + ms)).toBeGreaterThan(3 * day)
    expect(harness.clock.now() - began).toBeGreaterThan(3 * day * 0.8)
    expect(delivery).toMatchObject({ tries: 10, next_try_at: null })
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(10)
    expect(new Set(receiver.received.map(({ raw }) => raw)).size).toBe(1)
    expect(receiver.received.every((one) => verified(one, secret))).toBe(true)
    const { log } = await harness.delivery(delivery.delivery_id)
    expect(log).toHaveLength(10)
    expect(harness.lines.filter((line) => line.includes('is given up'))).toHaveLength(1)
    expect(harness.lines.join('\n')).not.toMatch(/secret=1|whsec_/)
  })

  it('waits as long as a 429 asks for, within a day', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 429, headers: { 'retry-after': '3600' } })
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_completed', 1)
    const waitAfter = async (tries: number): Promise<number> => {
      const delivery = await newest(harness, endpoint_id, (one) => one.tries === tries)
      return Date.parse(delivery.next_try_at) - harness.clock.now()
    }
    expect(await waitAfter(1)).toBe(hour)
    receiver.answer({ status: 503, headers: { 'retry-after': '99999999' } })
    harness.clock.advance(hour)
    expect(await waitAfter(2)).toBe(day)
  })

  it.each(['while it runs', 'over a restart'])(
    'waits no longer where the clock is put back %s',
    async (when) => {
      const first = await openWebhookHarness()
      await using receiver = await openReceiver()
      await first.coordinator.start()
      receiver.answer({ status: 429, headers: { 'retry-after': '3600' } })
      const { endpoint_id } = await first.endpoint(receiver.url)
      await first.emit('job_completed', 1)
      await newest(first, endpoint_id, ({ tries }) => tries === 1)
      first.clock.putBack(2 * day)
      if (when === 'over a restart') await first.coordinator.stop()
      await using harness = when === 'over a restart' ? await first.reopen() : first
      if (when === 'over a restart') await harness.coordinator.start()
      receiver.answer({ status: 200 })
      await until(async () => {
        harness.clock.advance(10 * second)
        const [delivery] = await harness.deliveries(endpoint_id)
        return delivery.next_try_at === null || Date.parse(delivery.next_try_at) <= harness.clock.now() + hour
      })
      harness.clock.advance(hour)
      await newest(harness, endpoint_id, ({ status }) => status === 'delivered')
      await harness.coordinator.stop()
    },
  )

  it('ends all that is told where it is answered 410, and says so', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 410 })
    const { endpoint_id } = await harness.endpoint(`${receiver.url}/gone?token=x`)
    // All before the first answer.
    await Promise.all(Array.from({ length: 20 }, (_, jobId) => harness.emit('job_completed', jobId)))
    const endpoint = await until(async () => {
      const { body } = await harness.ask('GET', `/webhooks/endpoints/${endpoint_id}`)
      return body.status === 'disabled' && body
    })
    expect(endpoint.reason).toBe('The endpoint answered 410 Gone')
    const sent = await until(async () => {
      const found = await harness.deliveries(endpoint_id)
      return found.every(({ status }) => status === 'failed') ? found : undefined
    })
    expect(sent.map(({ last_error }) => last_error)).toContain('The endpoint was disabled')
    expect(harness.lines.join('\n')).toContain(
      `Webhook endpoint ${endpoint_id} at ${receiver.url}/gone is disabled: The endpoint answered 410 Gone`,
    )
    const count = receiver.received.length
    await harness.emit('job_completed', 99)
    await using other = await openReceiver()
    await harness.endpoint(other.url)
    await harness.emit('job_completed', 100)
    await until(() => other.received.length === 1)
    expect(receiver.received).toHaveLength(count)
  })

  it('ends all that is told where nothing was taken for five days, and not before', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 500 })
    const { endpoint_id } = await harness.endpoint(receiver.url)
    const endpoint = async () => (await harness.ask('GET', `/webhooks/endpoints/${endpoint_id}`)).body
    for (let n = 0; n < 5; n++) {
      await harness.emit('job_progress', n)
      await newest(harness, endpoint_id, ({ tries }) => tries > 0)
      expect(await endpoint()).toMatchObject({
        status: 'enabled',
        failing_since: '2026-01-01T00:00:00.000Z',
        last_error: 'It answered 500',
      })
      harness.clock.advance(day)
    }
    const disabled = await until(async () => {
      const found = await endpoint()
      return found.status === 'disabled' && found
    })
    // The clock's days may pass while a try is under way.
    expect(disabled.reason).toMatch(
      /^Every try failed for 5 days; last error: (?:It answered 500|No answer within 15 s)$/,
    )
  })

  it('is given up before it is sent where 5,000 of its job wait already, and the others are sent', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 500 })
    const jobId = await harness.jobToldOfAt(receiver.url)
    const [endpoint] = (await harness.ask('GET', `/webhooks/endpoints?job_id=${jobId}`)).body.endpoints
    await newest(harness, endpoint.endpoint_id, ({ tries }) => tries === 1)
    await harness.database.transaction((tx) =>
      tx.run(
        `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 4998)
         insert into webhook_deliveries (id, endpoint_id, origin, event_id, job_id, type, body, status, tries, failures,
           next_at, inserted_at)
         select 'd' || n, endpoint_id, origin, event_id + 1000000 + n, job_id, type, body, 'pending', 0, 0, $2, 0
         from numbers, webhook_deliveries where endpoint_id = $1`,
        [endpoint.endpoint_id, harness.clock.now() + day],
      ),
    )
    await harness.emit('job_progress', jobId)
    await harness.emit('job_paused', jobId)
    await newest(harness, endpoint.endpoint_id, ({ type }) => type === 'job_paused')
    const sent = await harness.deliveries(endpoint.endpoint_id)
    expect(sent.find(({ type }) => type === 'job_progress')).not.toMatchObject({ status: 'failed' })
    expect(sent.find(({ type }) => type === 'job_paused')).toMatchObject({
      status: 'failed',
      tries: 0,
      last_error: '5000 deliveries are pending at the endpoint, which is the limit',
    })
  })

  it('is forgiven by one that is taken', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 500 })
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_created', 1)
    await newest(harness, endpoint_id, ({ tries }) => tries === 1)
    receiver.answer({ status: 200 })
    harness.clock.advance(6 * second)
    await newest(harness, endpoint_id, ({ status }) => status === 'delivered')
    const { body } = await harness.ask('GET', `/webhooks/endpoints/${endpoint_id}`)
    expect(body).toMatchObject({ status: 'enabled', failing_since: null, last_error: null })
  })
})

describe('receivers', () => {
  it('do not wait for one that never answers, which is given fifteen seconds', async () => {
    await using harness = await openWebhookHarness()
    await using slow = await openReceiver()
    await using quick = await openReceiver()
    slow.answer(() => undefined)
    const { endpoint_id } = await harness.endpoint(slow.url)
    await harness.endpoint(quick.url)
    for (let n = 0; n < 90; n++) await harness.emit('job_progress', n + 1)
    await until(() => quick.received.length === 90)
    // The clock has stood all the while: nothing waited for the slow one.
    expect(slow.received).toHaveLength(1)
    harness.clock.advance(15 * second)
    const tried = await until(async () => {
      const found = (await harness.deliveries(endpoint_id)).filter(({ tries }) => tries > 0)
      return found.length > 0 ? found : undefined
    })
    expect(tried).toMatchObject([{ last_error: 'No answer within 15 s', last_status: null }])
    await until(() => slow.received.length === 2)
    await harness.emit('job_progress', 91)
    await until(() => quick.received.length === 91)
    expect(slow.received).toHaveLength(2)
  })

  it('do not wait for eighty that never answer either', async () => {
    await using harness = await openWebhookHarness()
    const slow = await Promise.all(Array.from({ length: 80 }, () => openReceiver()))
    for (const receiver of slow) receiver.answer(() => undefined)
    await using quick = await openReceiver()
    for (const receiver of slow) await harness.endpoint(receiver.url)
    for (let n = 0; n < 5; n++) await harness.emit('job_progress', n + 1)
    const got = () => slow.reduce((sum, { received }) => sum + received.length, 0)
    await until(() => got() === 64)
    const { endpoint_id } = await harness.endpoint(quick.url)
    const isTold = async (events: number) =>
      (await harness.deliveries(endpoint_id)).filter(({ status }) => status === 'delivered').length === events
    await harness.emit('job_progress', 6)
    // Nobody knew them: each had a place, and the sixty-fifth waits until they are through with them.
    harness.clock.advance(15 * second)
    await until(() => isTold(1))
    for (let events = 2; events < 10; events++) {
      await harness.emit('job_progress', 5 + events)
      await until(() => isTold(events))
      if (events % 4 === 0) harness.clock.advance(15 * second)
    }
    await harness.stop()
    for (const receiver of slow) await receiver.close()
  })
})

describe('after an end', () => {
  it('a message that was sent, and not noted, is sent again with the same id', async () => {
    let isKilled = false
    const never = new Promise<never>(() => undefined)
    await using first = await openWebhookHarness({
      around: (outbound) => ({
        ...outbound,
        async post(outgoing, signal) {
          const outcome = await outbound.post(outgoing, signal)
          // The process dies here: the receiver has it, and nobody will write that down.
          if (!isKilled) await Promise.race([never, aborted(signal)])
          return isKilled ? outcome : { kind: 'cut_off' }
        },
      }),
    })
    await using receiver = await openReceiver()
    const { endpoint_id } = await first.endpoint(receiver.url)
    await first.emit('job_completed', 7)
    await until(() => receiver.received.length === 1)
    await first.database.transaction((tx) =>
      tx.run(`update webhook_deliveries set next_at = next_at + 1 where status = 'sending'`),
    )
    isKilled = true
    await using harness = await first.reopen()
    expect((await harness.deliveries(endpoint_id))[0]).toMatchObject({ status: 'sending', tries: 0 })
    harness.clock.advance(2 * minute + 1)
    await newest(harness, endpoint_id, ({ status }) => status === 'delivered')
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(ids).toEqual([ids[0], ids[0]])
  })

  it('what was cut off by a stop is sent at the next start, and counts for no try', async () => {
    await using first = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer(() => undefined)
    const { endpoint_id } = await first.endpoint(receiver.url)
    await first.emit('job_completed', 7)
    await until(() => receiver.received.length === 1)
    await first.stop()
    receiver.answer({ status: 200 })
    await using harness = await first.reopen()
    const delivery = await newest(harness, endpoint_id, ({ status }) => status === 'delivered')
    expect(delivery.tries).toBe(1)
  })

  it('a sender that was stopped for longer than its lease sends nothing, and the next lease does', async () => {
    const stopped = Promise.withResolvers<void>()
    let posts = 0
    await using harness = await openWebhookHarness({
      around: (outbound) => ({
        ...outbound,
        async post(outgoing, signal) {
          if (posts++ === 0) await stopped.promise
          const sent = receiver.received.length
          const outcome = await outbound.post(outgoing, signal)
          if (posts === 1) expect([outcome.kind, receiver.received.length]).toEqual(['cut_off', sent])
          return outcome
        },
      }),
    })
    await using receiver = await openReceiver()
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_completed', 7)
    await until(() => posts === 1)
    harness.clock.advance(16 * second)
    stopped.resolve()
    const delivery = await newest(harness, endpoint_id, ({ status }) => status === 'delivered')
    expect([posts, receiver.received.length, delivery.tries]).toEqual([2, 1, 1])
  })

  it('events that were told while nothing was sent are read from the log', async () => {
    await using first = await openWebhookHarness()
    await using receiver = await openReceiver()
    await first.endpoint(receiver.url)
    await first.emit('job_created', 1)
    await until(() => receiver.received.length === 1)
    receiver.answer(() => undefined)
    await first.emit('job_approved', 1)
    await until(() => receiver.received.length === 2)
    await first.emit('job_completed', 1)
    await first.stop()
    receiver.answer({ status: 200 })
    await using harness = await first.reopen()
    await until(() => receiver.received.length === 4)
    expect(types(receiver)).toEqual(['job_created', 'job_approved', 'job_approved', 'job_completed'])
    await harness.stop()
  })
})

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

describe('the webhook_url of a job', () => {
  it('is told of that job alone, from its first event on, signed with the secret that all jobs share', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const { body } = await harness.ask('GET', '/webhooks/secret')
    const jobId = await harness.jobToldOfAt(receiver.url)
    await harness.emit('job_approved', jobId + 1)
    await harness.emit('job_completed', jobId)
    await until(() => receiver.received.length === 2)
    expect(types(receiver)).toEqual(['job_created', 'job_completed'])
    expect(receiver.received.every((one) => verified(one, body.secret))).toBe(true)

    const rotated = await harness.ask('POST', '/webhooks/secret/rotate')
    await harness.emit('job_retried', jobId)
    const last = await until(() => receiver.received[2])
    expect(verified(last, rotated.body.secret) && verified(last, body.secret)).toBe(true)
    const [endpoint] = (await harness.ask('GET', `/webhooks/endpoints?job_id=${jobId}`)).body.endpoints
    expect(endpoint).toMatchObject({ job_id: jobId, url: receiver.url, event_types: [], status: 'enabled' })
    expect(await harness.deliveries(endpoint.endpoint_id)).toHaveLength(3)
    expect((await harness.ask('GET', '/webhooks/endpoints')).body.endpoints).toEqual([])
  })

  it('is told of the types it asked for', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const jobId = await harness.jobToldOfAt(receiver.url, ['job_completed'])
    await harness.emit('job_approved', jobId)
    await harness.emit('job_completed', jobId)
    await until(() => receiver.received.length === 1)
    expect(types(receiver)).toEqual(['job_completed'])
  })

  it('keeps its job from being deleted until it was told everything, or is disabled', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 500 })
    const jobId = await harness.jobToldOfAt(receiver.url)
    const remove = () => harness.ask('DELETE', `/jobs/${jobId}`)
    const [endpoint] = (await harness.ask('GET', `/webhooks/endpoints?job_id=${jobId}`)).body.endpoints
    const address = `/webhooks/endpoints/${endpoint.endpoint_id}`
    const refusal = {
      status: 422,
      body: {
        error: 'Job cannot be deleted',
        current_status: 'cancelled',
        reason: `Webhook deliveries of this job are pending: wait for them, or drop them with PATCH /api/v3${address} {"status":"disabled"}`,
      },
    }
    // The log was not read yet for what has just happened.
    await harness.coordinator.cancelJob(jobId)
    expect(await remove()).toMatchObject(refusal)
    await until(async () => (await harness.deliveries(endpoint.endpoint_id)).length === 3)
    await until(() => receiver.received.length > 0)
    expect(await remove()).toMatchObject(refusal)
    expect((await harness.ask('PATCH', address, { status: 'disabled' })).status).toBe(200)
    expect((await remove()).status).toBe(200)
  })

  it('has a job that is deleted once all of it was taken, and is not told of that', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const jobId = await harness.jobToldOfAt(receiver.url)
    await harness.coordinator.cancelJob(jobId)
    await until(async () => (await harness.ask('DELETE', `/jobs/${jobId}`)).status === 200)
    expect(types(receiver)).toEqual(['job_created', 'job_cancelled', 'scene_cancelled'])
    for (const name of ['job_deleted', 'jobs:deleted'])
      await expect(harness.jobToldOfAt(receiver.url, [name])).rejects.toMatchObject({
        refusal: { problems: [{ field: 'webhook_events[0]', reason: expect.stringContaining('deleted') }] },
      })
  })
})
