import { describe, expect, it } from 'vitest'
import { maxEndpoints } from '../../src/job/webhook.ts'
import { listEvents } from '../../src/store/events.ts'
import { type WebhookHarness, openWebhookHarness } from '../harness/webhooks.ts'
import { day, hour, second } from '../harness/harness.ts'
import { until } from '../harness/until.ts'
import { openReceiver } from './receiver.ts'

const nobody = '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f'
const url = 'https://example.com/hooks?token=hush'

/** A delivery of an endpoint that has ended in this way. */
const ended = (harness: WebhookHarness, endpointId: string, status: string): Promise<any> =>
  until(async () => (await harness.deliveries(endpointId)).find((one) => one.status === status))

describe('an endpoint', () => {
  it('is added, read, changed and removed, and shows its secret once and where it is asked for', async () => {
    await using harness = await openWebhookHarness()
    const added = await harness.ask('POST', '/webhooks/endpoints', {
      url,
      event_types: ['job_completed', 'scenes:*'],
      description: 'The shop',
    })
    const { secret, ...endpoint } = added.body
    expect(added.status).toBe(201)
    expect(endpoint).toEqual({
      endpoint_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      job_id: null,
      url,
      event_types: ['job_completed', 'scenes:*'],
      description: 'The shop',
      status: 'enabled',
      reason: null,
      failing_since: null,
      last_error: null,
      inserted_at: '2026-01-01T00:00:00.000Z',
      updated_at: '2026-01-01T00:00:00.000Z',
    })
    const path = `/webhooks/endpoints/${endpoint.endpoint_id}`
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect((await harness.ask('GET', path)).body).toEqual(endpoint)
    expect((await harness.ask('GET', '/webhooks/endpoints')).body).toEqual({ endpoints: [endpoint] })
    expect((await harness.ask('GET', `${path}/secret`)).body).toEqual({ secret, previous: [] })

    harness.clock.advance(second)
    const change = { event_types: [], status: 'disabled' }
    expect(await harness.ask('PATCH', path, change)).toEqual({
      status: 200,
      body: {
        ...endpoint,
        event_types: [],
        status: 'disabled',
        reason: 'Disabled on request',
        updated_at: '2026-01-01T00:00:01.000Z',
      },
    })
    expect((await harness.ask('PATCH', path, { status: 'enabled' })).body).toMatchObject({
      status: 'enabled',
      reason: null,
    })
    expect(await harness.ask('DELETE', path)).toEqual({ status: 204, body: null })
    expect(await harness.ask('DELETE', path)).toEqual({
      status: 404,
      body: { error: 'Webhook endpoint not found', endpoint_id: endpoint.endpoint_id },
    })
    expect(harness.lines.join('\n')).not.toMatch(/whsec_|hush/)
  })

  it.each([
    [{}, 'url', 'must be an address'],
    [{ url: 7 }, 'url', 'must be an address'],
    [{ url: 'example.com' }, 'url', 'must be a complete address'],
    [{ url: 'ftp://example.com' }, 'url', 'must begin with https:// or http://'],
    [{ url: 'http://169.254.169.254/latest' }, 'url', '169.254.169.254 is not'],
    [{ url: 'http://[::ffff:10.0.0.1]/' }, 'url', 'must be on the public internet'],
    [{ url: 'https://user:pass@example.com/' }, 'url', 'must not contain a user name'],
    [{ url: `https://example.com/${'x'.repeat(2048)}` }, 'url', 'at most 2048 characters'],
    [{ url, event_types: 'job_completed' }, 'event_types', 'must be a list'],
    [{ url, event_types: ['job_done'] }, 'event_types[0]', 'must be a type of event (job_created'],
    [{ url, event_types: ['jobs:*', null] }, 'event_types[1]', 'must be a type of event'],
    [{ url, description: 'x'.repeat(201) }, 'description', 'at most 200 characters'],
    [{ url, description: 'a\u0000b' }, 'description', 'must not contain control characters'],
    [{ url, secret: 'mine' }, '', 'unknown member "secret"'],
    [[], '', ''],
  ])('is refused with the reason: %j', async (request, field, reason) => {
    await using harness = await openWebhookHarness()
    const answer = await harness.ask('POST', '/webhooks/endpoints', request)
    expect(answer).toMatchObject({ status: 422, body: { error: 'Invalid request', field } })
    expect(answer.body.reason).toContain(reason)
    expect((await harness.ask('GET', '/webhooks/endpoints')).body.endpoints).toEqual([])
  })

  it('can not be changed to one that would have been refused', async () => {
    await using harness = await openWebhookHarness()
    const { endpoint_id } = await harness.endpoint(url)
    const path = `/webhooks/endpoints/${endpoint_id}`
    for (const change of [{ url: 'http://10.0.0.1/' }, { status: 'paused' }, { secret: 'whsec_eA==' }])
      expect(await harness.ask('PATCH', path, change)).toMatchObject({ status: 422 })
    expect((await harness.ask('GET', path)).body.url).toBe(url)
  })

  it('is one of a hundred at most', async () => {
    await using harness = await openWebhookHarness()
    for (let n = 0; n < maxEndpoints; n++) await harness.endpoint(`${url}${n}`)
    expect(await harness.ask('POST', '/webhooks/endpoints', { url })).toEqual({
      status: 422,
      body: {
        error: 'Endpoint cannot be added',
        reason: 'The limit of 100 endpoints is reached: remove one first',
      },
    })
  })

  it.each([
    ['GET', `/webhooks/endpoints/${nobody}`, 404],
    ['PATCH', `/webhooks/endpoints/${nobody}`, 404],
    ['GET', `/webhooks/endpoints/${nobody}/secret`, 404],
    ['POST', `/webhooks/endpoints/${nobody}/rotate`, 404],
    ['POST', `/webhooks/endpoints/${nobody}/test`, 404],
    ['GET', `/webhooks/endpoints/${nobody}/deliveries`, 404],
    ['GET', `/webhooks/deliveries/${nobody}`, 404],
    ['POST', `/webhooks/deliveries/${nobody}/redeliver`, 404],
    ['GET', '/webhooks/endpoints/7', 400],
    ['GET', `/webhooks/endpoints?job_id=x`, 400],
    ['GET', `/webhooks/endpoints/${nobody}/deliveries?status=lost`, 400],
    ['GET', `/webhooks/endpoints/${nobody}/deliveries?limit=501`, 400],
    ['GET', `/webhooks/endpoints/${nobody}/deliveries?cursor=abc`, 400],
    ['GET', `/webhooks/endpoints/${nobody}/deliveries?page=2`, 400],
    ['PUT', `/webhooks/endpoints/${nobody}`, 405],
  ])('that is not there, or badly asked for: %s %s is %i', async (method, path, status) => {
    await using harness = await openWebhookHarness()
    const answer = await harness.ask(method, path, method === 'PATCH' ? {} : undefined)
    expect(answer.status).toBe(status)
    expect(answer.body.error).toEqual(expect.any(String))
  })

  it('is tested with a ping, which also one that hears of nothing else gets', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const { endpoint_id } = await harness.endpoint(receiver.url, { event_types: ['job_failed'] })
    const tested = await harness.ask('POST', `/webhooks/endpoints/${endpoint_id}/test`)
    expect(tested).toMatchObject({
      status: 202,
      body: { type: 'ping', event_id: null, job_id: null, tries: 0 },
    })
    await ended(harness, endpoint_id, 'delivered')
    expect(receiver.received[0]?.message).toEqual({
      type: 'ping',
      timestamp: '2026-01-01T00:00:00.000Z',
      data: { endpoint_id },
    })
    await harness.ask('PATCH', `/webhooks/endpoints/${endpoint_id}`, { status: 'disabled' })
    expect(await harness.ask('POST', `/webhooks/endpoints/${endpoint_id}/test`)).toEqual({
      status: 422,
      body: {
        error: 'Endpoint cannot be tested',
        reason: 'The endpoint is disabled (Disabled on request): enable it first',
      },
    })
  })

  it('that moves takes along what waits for it', async () => {
    await using harness = await openWebhookHarness()
    await using old = await openReceiver()
    await using other = await openReceiver()
    old.answer({ status: 500 })
    const { endpoint_id } = await harness.endpoint(old.url)
    await harness.emit('job_completed', 1)
    await until(async () => (await harness.deliveries(endpoint_id))[0]?.tries === 1)
    await harness.ask('PATCH', `/webhooks/endpoints/${endpoint_id}`, { url: other.url })
    harness.clock.advance(6 * second)
    await ended(harness, endpoint_id, 'delivered')
    expect([old.received.length, other.received.length]).toEqual([1, 1])
  })

  it('that is removed is told nothing more', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    await using other = await openReceiver()
    receiver.answer({ status: 500 })
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.endpoint(other.url)
    await harness.emit('job_completed', 1)
    await until(async () => (await harness.deliveries(endpoint_id))[0]?.tries === 1)
    await harness.ask('DELETE', `/webhooks/endpoints/${endpoint_id}`)
    harness.clock.advance(hour)
    await harness.emit('job_completed', 2)
    await until(() => other.received.length === 2)
    expect(receiver.received).toHaveLength(1)
  })

  it('of a job has the secret of all jobs, which is rotated for all', async () => {
    await using harness = await openWebhookHarness()
    const jobId = await harness.jobToldOfAt(url)
    const [{ endpoint_id }] = (await harness.ask('GET', `/webhooks/endpoints?job_id=${jobId}`)).body.endpoints
    const shared = (await harness.ask('GET', '/webhooks/secret')).body
    expect((await harness.ask('GET', `/webhooks/endpoints/${endpoint_id}/secret`)).body).toEqual(shared)
    expect(await harness.ask('POST', `/webhooks/endpoints/${endpoint_id}/rotate`)).toEqual({
      status: 422,
      body: {
        error: 'Secret cannot be rotated',
        reason: 'The webhooks of jobs share one secret: rotate it with POST /api/v3/webhooks/secret/rotate',
      },
    })
    await harness.ask('POST', '/webhooks/secret/rotate')
    harness.clock.advance(hour)
    const { previous } = (await harness.ask('POST', '/webhooks/secret/rotate')).body
    expect(previous).toEqual([
      { secret: expect.any(String), valid_until: '2026-01-02T01:00:00.000Z' },
      { secret: shared.secret, valid_until: '2026-01-02T00:00:00.000Z' },
    ])
  })
})

describe('a delivery', () => {
  it('shows what was sent, and each try', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer({ status: 302, headers: { location: '/login' } })
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_completed', 7, { film: 'f' })
    await until(async () => (await harness.deliveries(endpoint_id))[0]?.tries === 1)
    receiver.answer({ status: 200 })
    harness.clock.advance(6 * second)
    const { delivery_id } = await ended(harness, endpoint_id, 'delivered')
    const [event] = await listEvents(harness.database, 0, 1)
    expect(await harness.delivery(delivery_id)).toEqual({
      delivery_id,
      message_id: `msg_${delivery_id}`,
      endpoint_id,
      event_id: event!.id,
      job_id: 7,
      type: 'job_completed',
      status: 'delivered',
      tries: 2,
      next_try_at: null,
      last_status: 200,
      last_error: null,
      inserted_at: '2026-01-01T00:00:00.000Z',
      ended_at: '2026-01-01T00:00:06.000Z',
      url: receiver.url,
      payload: receiver.received[0]?.message,
      log: [
        {
          number: 1,
          at: '2026-01-01T00:00:00.000Z',
          duration_ms: 0,
          status: 302,
          error: 'It answered 302: of redirects only 307 and 308 repeat what is sent',
        },
        { number: 2, at: '2026-01-01T00:00:06.000Z', duration_ms: 0, status: 200, error: null },
      ],
    })
  })

  it('to a name that turns out to be private is refused when it is sent, and tried again', async () => {
    await using harness = await openWebhookHarness({ resolve: () => Promise.resolve(['10.0.0.7']) })
    const { endpoint_id } = await harness.endpoint('https://inside.example.com/hook')
    await harness.emit('job_completed', 1)
    const delivery = await until(async () => {
      const [one] = await harness.deliveries(endpoint_id)
      return one?.tries === 1 ? one : undefined
    })
    expect(delivery).toMatchObject({
      status: 'pending',
      last_status: null,
      last_error:
        'inside.example.com resolves to an address that is not on the public internet: the operator may allow it with WEBHOOK_ALLOWED_NETWORKS',
    })
  })

  it('is sent again on request with its old id, whether it was taken or given up', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_completed', 1)
    const { delivery_id } = await ended(harness, endpoint_id, 'delivered')
    receiver.answer({ status: 500 })
    const again = await harness.ask('POST', `/webhooks/deliveries/${delivery_id}/redeliver`)
    expect(again).toMatchObject({ status: 202, body: { status: 'pending', tries: 1, ended_at: null } })
    await until(async () => (await harness.delivery(delivery_id)).tries === 2)
    // What waits is sent at once.
    receiver.answer({ status: 200 })
    expect((await harness.ask('POST', `/webhooks/deliveries/${delivery_id}/redeliver`)).status).toBe(202)
    await until(async () => (await harness.delivery(delivery_id)).tries === 3)
    expect((await harness.delivery(delivery_id)).status).toBe('delivered')
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([`msg_${delivery_id}`]),
    )
    await harness.ask('PATCH', `/webhooks/endpoints/${endpoint_id}`, { status: 'disabled' })
    expect((await harness.ask('POST', `/webhooks/deliveries/${delivery_id}/redeliver`)).body.error).toBe(
      'Delivery cannot be repeated',
    )
  })

  it('is not sent twice at once', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer(() => undefined)
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_completed', 1)
    await until(() => receiver.received.length === 1)
    const [{ delivery_id, status }] = await harness.deliveries(endpoint_id)
    expect(status).toBe('sending')
    expect(await harness.ask('POST', `/webhooks/deliveries/${delivery_id}/redeliver`)).toEqual({
      status: 422,
      body: { error: 'Delivery cannot be repeated', reason: 'The delivery is being sent' },
    })
  })

  it('is found in pages, newest first, and by how it ended', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    receiver.answer((response, { message }) => response.writeHead(message.data.job_id % 3 ? 200 : 500).end())
    const { endpoint_id } = await harness.endpoint(receiver.url)
    for (let jobId = 1; jobId <= 7; jobId++) {
      await harness.emit('job_completed', jobId)
      await until(() => receiver.received.length >= jobId)
      harness.clock.advance(1)
    }
    const path = `/webhooks/endpoints/${endpoint_id}/deliveries`
    await until(
      async () => (await harness.ask('GET', `${path}?status=delivered`)).body.deliveries.length === 5,
    )
    const seen: number[] = []
    let cursor = ''
    do {
      const { body } = await harness.ask('GET', `${path}?limit=3${cursor}`)
      expect(body.deliveries.length).toBeLessThanOrEqual(3)
      seen.push(...body.deliveries.map(({ job_id }: { job_id: number }) => job_id))
      cursor = body.next_cursor === null ? '' : `&cursor=${body.next_cursor}`
    } while (cursor !== '')
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1])
    const { deliveries } = (await harness.ask('GET', `${path}?status=pending`)).body
    expect(deliveries.map(({ job_id }: { job_id: number }) => job_id)).toEqual([6, 3])
  })

  it('is forgotten a month after its end, with its tries', async () => {
    await using harness = await openWebhookHarness()
    await using receiver = await openReceiver()
    const { endpoint_id } = await harness.endpoint(receiver.url)
    await harness.emit('job_completed', 1)
    await ended(harness, endpoint_id, 'delivered')
    harness.clock.advance(29 * day)
    await harness.emit('job_completed', 2)
    // Received is not yet written down.
    await until(async () => {
      const deliveries = await harness.deliveries(endpoint_id)
      return deliveries.length === 2 && deliveries.every(({ status }) => status === 'delivered')
    })
    harness.clock.advance(2 * day)
    await until(async () => (await harness.deliveries(endpoint_id)).length === 1)
    expect(await harness.database.get('select count(*) as n from webhook_tries')).toMatchObject({ n: 1 })
  })
})
