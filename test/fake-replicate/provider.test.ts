// The fake must be as strict, as slow to tell and as unreliable as what it stands for: tests of the product rely on it.
import { createHmac } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { faults } from '../../src/fake-replicate/fault.ts'
import { createFetch } from './fetch.ts'
import type { EndedEntry, Entry, PostEntry } from '../../src/fake-replicate/ledger.ts'
import { type FakeOptions, createFakeProvider } from '../../src/fake-replicate/provider.ts'
import { type Webhook, webhookSecret } from '../../src/fake-replicate/webhook.ts'
import { createClock } from '../clock.ts'

const api = 'https://api.replicate.test/v1'
const veo = `${api}/models/google/veo-3.1/predictions`
const mark = 'wc-0123456789ab-00000000-0000-4000-8000-000000000001'
const clip = Buffer.alloc(200_000, 'a clip ')

/** Starts after 1 s, renders for 10. */
function setUp(
  options: FakeOptions = {},
  {
    deliver,
    makeClip,
  }: { deliver?: (webhook: Webhook) => Promise<number>; makeClip?: () => Promise<Buffer> } = {},
) {
  const clock = createClock()
  const entries: Entry[] = []
  const provider = createFakeProvider({
    host: clock,
    options: { startMs: 1000, renderMs: 10_000, ...options },
    record: (entry) => entries.push(entry),
    clip: makeClip ?? (() => Promise.resolve(clip)),
    ...(deliver && { deliver }),
  })
  const send = createFetch(provider)
  const call = async (method: string, url: string, body?: object, headers: object = {}) => {
    const response = await send(url, {
      method,
      headers: { authorization: 'Bearer r8_fake', ...headers },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  }
  return {
    clock,
    entries,
    provider,
    send,
    call,
    create: (input: object = {}, more: object = {}, headers: object = {}) =>
      call('POST', veo, { input: { prompt: 'a room', duration: 4, ...input }, ...more }, headers),
    get: async (id: string) => (await call('GET', `${api}/predictions/${id}`)).body,
    noted: <What extends Entry['what']>(what: What) =>
      entries.filter((entry): entry is Extract<Entry, { what: What }> => entry.what === what),
    /** Lets time pass, and everything happen that is due in it. */
    pass: async (ms: number) => {
      const end = clock.now() + ms
      while (clock.now() < end) {
        clock.advance(Math.min(250, end - clock.now()))
        await setImmediate()
      }
    },
  }
}

/** Null for what isn't JSON. */
function parse(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const failure = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  )

describe('a prediction', () => {
  it('starts, renders and gives a clip', async () => {
    const { create, get, pass, send, entries, clock } = setUp()
    const began = clock.now()
    const created = await create({ image: `https://product.test/${mark}/1.jpg` })
    expect(created.status).toBe(201)
    const { id } = created.body
    expect(id).toMatch(/^[a-z0-9]{26}$/)
    expect(created.body).toEqual({
      id,
      model: 'google/veo-3.1',
      version: 'hidden',
      input: { prompt: 'a room', duration: 4, image: `https://product.test/${mark}/1.jpg` },
      logs: '',
      output: null,
      data_removed: false,
      error: null,
      source: 'api',
      status: 'starting',
      created_at: '2026-01-01T00:00:00.000000Z',
      urls: {
        get: `${api}/predictions/${id}`,
        cancel: `${api}/predictions/${id}/cancel`,
        web: `https://api.replicate.test/p/${id}`,
      },
    })
    await pass(5000)
    const running = await get(id)
    expect(running).toMatchObject({ status: 'processing', started_at: '2026-01-01T00:00:01.000000Z' })
    expect(running.logs).toMatch(/ 40%\|#### +\| 4\/10\n$/)
    await pass(6000)
    const { output, ...ended } = await get(id)
    expect(ended).toMatchObject({
      status: 'succeeded',
      completed_at: '2026-01-01T00:00:11.000000Z',
      metrics: { predict_time: 10, total_time: 11 },
    })
    expect(await (await send(output)).bytes()).toEqual(new Uint8Array(clip))
    expect(entries).toEqual([
      {
        at: began,
        what: 'post',
        n: 1,
        mark,
        model: 'google/veo-3.1',
        created: true,
        prediction: id,
        fault: null,
      },
      {
        at: began + 11_000,
        what: 'ended',
        prediction: id,
        mark,
        status: 'succeeded',
        billed_micros: 1_600_000,
        seconds: 4,
      },
      { at: began + 11_000, what: 'fetched', prediction: id },
    ])
  })

  it('has the same history where the clock jumps', async () => {
    const { create, get, clock } = setUp()
    const { body } = await create()
    clock.advance(60_000)
    await setImmediate()
    expect(await get(body.id)).toMatchObject({
      status: 'succeeded',
      completed_at: '2026-01-01T00:00:11.000000Z',
    })
  })

  it('is of a version where no model is named', async () => {
    const { call, noted } = setUp()
    const post = (version?: string) => call('POST', `${api}/predictions`, { version, input: {} })
    expect((await post('somebody/model:0123')).body).toMatchObject({
      model: 'somebody/model',
      version: '0123',
    })
    expect((await post('somebody/model')).body).toMatchObject({ model: 'somebody/model', version: 'hidden' })
    expect((await post('0123')).body).toMatchObject({ version: '0123' })
    expect((await post()).status).toBe(422)
    expect(noted('post').map(({ n, created }) => [n, created])).toEqual([
      [1, true],
      [2, true],
      [3, true],
      [4, false],
    ])
  })

  it('fails where its clip can not be made', async () => {
    const { create, get, pass, noted } = setUp(
      {},
      { makeClip: () => Promise.reject(new Error('no picture')) },
    )
    const { body } = await create()
    await pass(11_000)
    expect(await get(body.id)).toMatchObject({ status: 'failed', error: 'no picture', output: null })
    expect(noted('ended')).toMatchObject([{ status: 'failed', billed_micros: 0 }])
  })

  it('ends with its deadline, however long its clip takes', async () => {
    const { create, get, pass } = setUp({}, { makeClip: () => new Promise(() => {}) })
    const { body } = await create({}, {}, { 'cancel-after': '30s' })
    await pass(29_000)
    expect((await get(body.id)).status).toBe('processing')
    await pass(1000)
    expect((await get(body.id)).status).toBe('canceled')
  })

  it('loses its input, its output and its logs after an hour', async () => {
    const { create, get, pass, send, call } = setUp()
    const { body } = await create()
    await pass(11_000)
    const { output } = await get(body.id)
    await pass(3_599_750)
    expect((await send(output, { method: 'HEAD' })).status).toBe(200)
    await pass(250)
    const removed = { status: 'succeeded', input: {}, output: null, logs: '', data_removed: true }
    expect(await get(body.id)).toMatchObject(removed)
    expect((await call('GET', `${api}/predictions`)).body.results).toMatchObject([removed])
    expect((await send(output)).status).toBe(404)
  })
})

describe('an end before its time', () => {
  it.each([
    ['0h5s', 3000, 'canceled', 1_600_000, 5000],
    ['7', 3000, 'canceled', 1_600_000, 7000],
    ['1h30m5s', 3000, 'succeeded', 1_600_000, 13_000],
    ['90s', 100_000, 'aborted', 0, 90_000],
  ])(
    'comes by Cancel-After: %s, started after %i ms: %s',
    async (after, startMs, status, billed, endedMs) => {
      const { create, get, pass, noted, clock } = setUp({ startMs })
      const began = clock.now()
      const { body } = await create({}, {}, { 'cancel-after': after })
      await pass(120_000)
      expect((await get(body.id)).status).toBe(status)
      expect(noted('ended')).toMatchObject([{ status, billed_micros: billed, at: began + endedMs }])
    },
  )

  it('is refused where it is malformed or too soon', async () => {
    const { create } = setUp()
    for (const after of ['4s', '5 s', 'soon', '-5m', '1m1h', 's', '5.5s'])
      expect((await create({}, {}, { 'cancel-after': after })).status).toBe(422)
  })

  it.each([
    ['before the start', 0, 'aborted', 0],
    ['while it runs', 2000, 'canceled', 1_600_000],
    ['after the end', 20_000, 'succeeded', 1_600_000],
  ])('comes by cancelling %s', async (_when, afterMs, status, billed) => {
    const { create, get, pass, noted, call } = setUp()
    const { body } = await create()
    await pass(afterMs)
    const cancelled = await call('POST', body.urls.cancel)
    expect(cancelled).toMatchObject({ status: 200, body: { status } })
    await pass(20_000)
    expect((await get(body.id)).status).toBe(status)
    expect(noted('ended')).toMatchObject([{ status, billed_micros: billed }])
  })
})

describe('what is refused', () => {
  it('is a request without the token, or for what is not there', async () => {
    const { call } = setUp()
    expect(
      await call('GET', `${api}/predictions`, undefined, { authorization: 'Bearer other' }),
    ).toMatchObject({
      status: 401,
      body: { title: 'Unauthenticated', status: 401 },
    })
    for (const [method, path] of [
      ['GET', 'predictions/nothing'],
      ['POST', 'predictions/nothing/cancel'],
      ['GET', 'files/nothing'],
      ['GET', 'nothing'],
    ] as const)
      expect(await call(method, `${api}/${path}`)).toMatchObject({ status: 404, body: { status: 404 } })
  })

  it('is what the model does not take', async () => {
    const { create, call, noted } = setUp()
    expect((await create({ duration: 5 })).body).toMatchObject({
      title: 'Input validation failed',
      detail: '- input.duration: duration must be one of the following: 4, 6, 8\n',
      invalid_fields: [{ type: 'enum', field: 'input.duration' }],
    })
    expect((await create({ prompt: undefined })).body.detail).toBe('- input: prompt is required\n')
    expect((await create({}, { webhook: 'nowhere' })).status).toBe(422)
    expect((await create({}, { webhook: 'https://a.test', webhook_events_filter: ['end'] })).status).toBe(422)
    expect((await call('POST', veo, { input: 'text' })).status).toBe(422)
    expect((await call('POST', veo)).status).toBe(400)
    expect(noted('post').every(({ created }) => !created)).toBe(true)
  })

  it('is more than may run at once', async () => {
    const { create, pass } = setUp({ maxConcurrency: 2 })
    await create()
    await create()
    expect(await create()).toMatchObject({ status: 429, body: { status: 429 } })
    await pass(11_000)
    expect((await create()).status).toBe(201)
  })

  it('fails in the model where the schema lets it pass', async () => {
    const { call, get, pass, noted } = setUp()
    const { body } = await call('POST', `${api}/models/minimax/hailuo-02/predictions`, {
      input: { prompt: 'a room', resolution: '1080p', duration: 10 },
    })
    await pass(20_000)
    expect(await get(body.id)).toMatchObject({ status: 'failed', error: expect.stringContaining('6-second') })
    expect(noted('ended')).toMatchObject([{ billed_micros: 0 }])
  })
})

describe('the list', () => {
  it('has pages of 100, the newest first', async () => {
    const { create, call, pass } = setUp()
    const ids: string[] = []
    for (let index = 0; index < 205; index++) {
      ids.unshift((await create()).body.id)
      if (index % 10 === 9) await pass(1000)
    }
    const found: string[] = []
    const sizes: number[] = []
    for (let url = `${api}/predictions`; url !== null;) {
      const { body } = await call('GET', url)
      sizes.push(body.results.length)
      found.push(...body.results.map(({ id }: { id: string }) => id))
      url = body.next
    }
    expect(sizes).toEqual([100, 100, 5])
    expect(found).toEqual(ids)
  })

  it('keeps to the times asked for, on all pages', async () => {
    const { create, call, pass, clock } = setUp()
    const ids: string[] = []
    for (let index = 0; index < 300; index++) {
      ids.push((await create()).body.id)
      await pass(1000)
    }
    const from = clock.now() - 300_000
    const time = (index: number) => encodeURIComponent(new Date(from + index * 1000).toISOString())
    const first = await call(
      'GET',
      `${api}/predictions?created_after=${time(100)}&created_before=${time(250)}`,
    )
    const second = await call('GET', first.body.next)
    expect(second.body.next).toBeNull()
    expect([...first.body.results, ...second.body.results].map(({ id }) => id).toReversed()).toEqual(
      ids.slice(100, 250),
    )
    expect((await call('GET', `${api}/predictions?created_after=2026-01-01T00:00:00+00:00`)).status).toBe(422)
  })

  it('may learn of a prediction late', async () => {
    const { create, call, get, pass } = setUp({ listLagMs: [30_000, 60_000] })
    const { body } = await create()
    const listed = async () => (await call('GET', `${api}/predictions`)).body.results.length
    expect((await get(body.id)).id).toBe(body.id)
    await pass(29_000)
    expect(await listed()).toBe(0)
    await pass(31_000)
    expect(await listed()).toBe(1)
  })
})

describe('files', () => {
  it('are stored, and mark the predictions that point to them by their names', async () => {
    const { call, create, send, provider, noted, clock } = setUp()
    const form = new FormData()
    form.append('content', new Blob(['bytes'], { type: 'image/jpeg' }), `${mark}.jpg`)
    const headers = { authorization: 'Bearer r8_fake' }
    const response = await send(`${api}/files`, { method: 'POST', headers, body: form })
    expect(response.status).toBe(201)
    const file = (await response.json()) as any
    expect(file).toMatchObject({ name: `${mark}.jpg`, content_type: 'image/jpeg', size: 5 })
    expect((await call('GET', file.urls.get)).body).toEqual(file)
    expect(Buffer.from(provider.fileBytes(file.urls.get)!).toString()).toBe('bytes')
    await create({ image: file.urls.get })
    await create({ image: 'https://product.test/other.jpg' })
    expect(noted('post').map((post) => post.mark)).toEqual([mark, null])
    clock.advance(24 * 3_600_000)
    expect((await call('GET', file.urls.get)).status).toBe(404)
  })

  it('are refused where the form holds none', async () => {
    const { call } = setUp()
    expect((await call('POST', `${api}/files`, { content: 'text' })).status).toBe(400)
  })
})

describe('the clip', () => {
  const fetched = async (options: FakeOptions = {}) => {
    const { send, create, get, pass, ...rest } = setUp(options)
    const { body } = await create()
    await pass(11_000)
    const { output } = await get(body.id)
    return {
      ...rest,
      pass,
      output,
      load: (headers = {}, method = 'GET') => send(output, { method, headers }),
    }
  }

  it('is served in parts, so that a fetch that broke off can go on', async () => {
    const { load, noted } = await fetched()
    const head = await load({}, 'HEAD')
    expect(head.headers.get('content-length')).toBe('200000')
    const etag = head.headers.get('etag')!
    const part = await load({ range: 'bytes=10-19' })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/200000'])
    expect(await part.bytes()).toEqual(new Uint8Array(clip.subarray(10, 20)))
    expect(noted('fetched')).toHaveLength(0)
    const rest = await load({ range: 'bytes=150000-', 'if-range': etag })
    expect(await rest.bytes()).toEqual(new Uint8Array(clip.subarray(150_000)))
    expect(noted('fetched')).toHaveLength(1)
    expect(await (await load({ range: 'bytes=-5' })).bytes()).toHaveLength(5)
    expect((await load({ range: 'bytes=5-', 'if-range': '"other"' })).status).toBe(200)
    expect((await load({ range: 'bytes=200000-' })).status).toBe(416)
  })

  it('may come truncated, cut off, as a page or not at all; then whole', async () => {
    const once = (fault: (typeof faults.output)[number]) => fetched({ plan: { 1: fault } })
    const truncated = await once('output_truncated')
    const short = await truncated.load()
    expect(short.headers.get('content-length')).toBe('200000')
    expect(await short.bytes()).toHaveLength(100_000)
    expect(truncated.noted('fetched')).toHaveLength(0)
    expect(await (await truncated.load()).bytes()).toHaveLength(200_000)
    const cut = await (await once('output_cut')).load()
    expect(await failure(cut.bytes())).toMatchObject({ message: 'terminated', cause: { code: 'ECONNRESET' } })
    expect(await (await (await once('output_wrong')).load()).text()).toContain('<html>')
    expect((await (await once('output_error')).load()).status).toBe(503)
    const absent = await once('output_absent')
    expect((await absent.load()).status).toBe(404)
    expect(await (await absent.load()).bytes()).toHaveLength(200_000)
    const gone = await once('output_gone')
    expect((await gone.load()).status).toBe(404)
    expect((await gone.load()).status).toBe(404)
  })

  it('may drip', async () => {
    const { load, pass } = await fetched({ plan: { 1: 'output_slow' } })
    let bytes: Uint8Array | null = null
    const loading = (await load()).bytes().then((all) => (bytes = all))
    await pass(7000)
    expect(bytes).toBeNull()
    await pass(1000)
    expect(await loading).toHaveLength(200_000)
  })
})

describe('webhooks', () => {
  const told = async (options: FakeOptions = {}, events: readonly string[] | null = null, status = 200) => {
    const got: (Webhook & { at: number; event: any })[] = []
    const deliver = (webhook: Webhook): Promise<number> => {
      got.push({ ...webhook, at: clock.now(), event: JSON.parse(webhook.body) })
      return Promise.resolve(status)
    }
    const { clock, create, pass, call, noted } = setUp(options, { deliver })
    const url = 'https://product.test/hook'
    await create({}, { webhook: url, ...(events && { webhook_events_filter: events }) })
    await pass(120_000)
    return { got, call, noted }
  }
  const isSigned = ({ headers, body }: Webhook, secret: string): boolean => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    return headers['webhook-signature'] === `v1,${createHmac('sha256', key).update(content).digest('base64')}`
  }
  const statuses = (got: readonly { event: any }[]) => got.map(({ event }) => event.status)

  it('tell the events asked for, signed with the secret that the API gives', async () => {
    const { got, call, noted } = await told({}, ['start', 'output', 'logs', 'completed'])
    expect(statuses(got)).toEqual([...Array.from({ length: 11 }, () => 'processing'), 'succeeded'])
    expect(noted('webhook').map(({ event, status }) => [event, status])).toEqual([
      ['start', 200],
      ...Array.from({ length: 9 }, () => ['logs', 200]),
      ['output', 200],
      ['completed', 200],
    ])
    const { body } = await call('GET', `${api}/webhooks/default/secret`)
    expect(body).toEqual({ key: webhookSecret })
    for (const webhook of got) expect(isSigned(webhook, body.key)).toBe(true)
    expect(got.at(-1)!.event).not.toHaveProperty('webhook')
    expect(statuses((await told()).got)).toEqual(['processing', 'succeeded'])
    expect(statuses((await told({}, ['completed'])).got)).toEqual(['succeeded'])
    expect(statuses((await told({ renderMs: 1000 }, ['logs'])).got)).toEqual(['processing'])
  })

  it('are retried for a minute where it is the last that was not taken', async () => {
    const { got } = await told({}, ['start', 'completed'], 500)
    const [, ...tries] = got
    expect(tries.map(({ at }) => (at - tries[0]!.at) / 1000)).toEqual([0, 2, 6, 14, 30, 60])
    expect(new Set(tries.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    for (const webhook of tries) expect(isSigned(webhook, webhookSecret)).toBe(true)
  })

  it('may be lost, doubled, late or forged', async () => {
    const one = async (fault: (typeof faults.webhook)[number], events = ['completed']) =>
      told({ plan: { 1: fault } }, events)
    const lost = await one('webhook_lost')
    expect(lost.got).toEqual([])
    expect(lost.noted('webhook')).toMatchObject([{ status: null, fault: 'webhook_lost' }])
    const { got: doubled } = await one('webhook_doubled')
    expect(doubled.map(({ headers }) => headers['webhook-id'])).toEqual([
      doubled[0]!.headers['webhook-id'],
      doubled[0]!.headers['webhook-id'],
    ])
    const { got: late } = await one('webhook_late')
    expect(late[0]!.at).toBeGreaterThan(Date.parse(late[0]!.event.completed_at))
    const { got: forged } = await one('webhook_forged')
    expect(forged.map((webhook) => isSigned(webhook, webhookSecret))).toEqual([false, true])
    expect(statuses(forged)).toEqual(['failed', 'succeeded'])
  })
})

describe('faults', () => {
  it.each([
    ['throttle_header', 429, false],
    ['throttle_body', 429, false],
    ['error_before', 500, false],
    ['error_after', 502, true],
    ['malformed', 201, true],
    ['html', 200, true],
    ['refuse', 422, false],
    ['no_credit', 402, false],
  ] as const)('of a POST: %s', async (fault, status, created) => {
    const { create, noted, pass } = setUp({ plan: { 2: fault } })
    expect((await create()).status).toBe(201)
    const answer = await create()
    expect(answer.status).toBe(status)
    expect(answer.body === null || typeof answer.body.title === 'string').toBe(true)
    expect(answer.headers.has('retry-after')).toBe(fault === 'throttle_header')
    if (status === 429) expect(answer.body.detail).toContain('resets in ~30s')
    expect((await create()).status).toBe(201)
    expect(noted('post')[1]).toMatchObject({ n: 2, fault, created })
    expect(noted('post')[1]!.prediction !== null).toBe(created)
    await pass(11_000)
    expect(noted('ended')).toHaveLength(created ? 3 : 2)
  })

  it.each([
    ['reset_before', false],
    ['reset_after', true],
    ['hang_before', false],
    ['hang_after', true],
  ] as const)('of a POST without any answer: %s', async (fault, created) => {
    const { send, noted, pass } = setUp({ plan: { 1: fault } })
    const patience = new AbortController()
    const posting = failure(
      send(veo, {
        method: 'POST',
        headers: { authorization: 'Bearer r8_fake' },
        body: JSON.stringify({ input: { prompt: 'a room' } }),
        signal: patience.signal,
      }),
    )
    await pass(60_000)
    patience.abort(new Error('no patience'))
    expect(await posting).toMatchObject(
      fault.startsWith('reset')
        ? { name: 'TypeError', message: 'fetch failed', cause: { code: 'ECONNRESET' } }
        : { message: 'no patience' },
    )
    expect(noted('post')).toMatchObject([{ created, fault }])
  })

  it.each([
    ['fails_transient', 'failed', /E6716/, 0, 1000],
    ['preempted', 'failed', /code: PA/, 0, 6000],
    ['fails_content', 'failed', /sensitive.*E005/, 0, 6000],
    ['fails_input', 'failed', /Invalid input/, 0, 6000],
    ['aborts', 'aborted', null, 0, 1000],
    ['cancels_queued', 'canceled', null, 0, 1000],
    ['output_late', 'succeeded', null, 1_600_000, 11_000],
    ['stalls', 'canceled', null, 1_600_000, 60_000],
  ] as const)('of a prediction: %s', async (fault, status, error, billed, endedMs) => {
    const { create, get, pass, noted, clock } = setUp({ plan: { 1: fault } })
    const began = clock.now()
    const { body } = await create({}, {}, { 'cancel-after': '1m' })
    await pass(120_000)
    const ended = await get(body.id)
    expect(ended.status).toBe(status)
    expect(ended.error).toEqual(error && expect.stringMatching(error))
    expect(noted('post')).toMatchObject([{ fault }])
    expect(noted('ended')).toMatchObject([{ status, billed_micros: billed, at: began + endedMs }])
  })

  it('of a success: the output shows later than it', async () => {
    const { create, get, pass } = setUp({ plan: { 1: 'output_late' } })
    const { body } = await create()
    await pass(12_000)
    expect(await get(body.id)).toMatchObject({ status: 'succeeded', output: null, data_removed: false })
    await pass(300_000)
    expect((await get(body.id)).output).toMatch(/output\.mp4$/)
  })

  it('of a success: one answer is behind, and the next is not', async () => {
    for (const [fault, behind] of [
      ['read_stale', { status: 'starting', output: null }],
      ['read_absent', { title: 'Not found' }],
    ] as const) {
      const { create, get, pass } = setUp({ plan: { 1: fault } })
      const { body } = await create()
      await pass(2000)
      expect((await get(body.id)).status).toBe('processing')
      await pass(10_000)
      const stale = await get(body.id)
      expect(stale).toMatchObject(behind)
      expect(stale).not.toHaveProperty('started_at')
      expect((await get(body.id)).status).toBe('succeeded')
    }
  })

  it('of a cancellation: it is refused by status from then on, and the render goes on', async () => {
    for (const [fault, status] of [
      ['cancel_conflict', 409],
      ['cancel_invalid', 422],
      ['cancel_absent', 404],
    ] as const) {
      const { create, call, get, pass } = setUp({ plan: { 1: fault } })
      const { body } = await create()
      for (let time = 0; time < 2; time++) expect((await call('POST', body.urls.cancel)).status).toBe(status)
      await pass(12_000)
      expect((await get(body.id)).status).toBe('succeeded')
      expect((await call('POST', body.urls.cancel)).status).toBe(status)
    }
  })

  it('of a read: strike once, and may lose the answer to a cancellation that counts', async () => {
    const started = async (fault: (typeof faults.read)[number]) => {
      const all = setUp({ plan: { 1: fault } })
      const { body } = await all.create()
      return { ...all, id: body.id, cancel: () => all.call('POST', body.urls.cancel) }
    }
    for (const [fault, status, text] of [
      ['read_error', 500, /Internal/],
      ['read_throttle', 429, /throttled/],
      ['read_malformed', 200, /^{[^}]+$/],
    ] as const) {
      const { cancel, get, id } = await started(fault)
      const answer = await cancel()
      expect([answer.status, text.test(answer.text)]).toEqual([status, true])
      expect((await get(id)).status).toBe(fault === 'read_malformed' ? 'aborted' : 'starting')
    }
    const lost = await started('read_reset')
    expect(await failure(lost.cancel())).toMatchObject({ cause: { code: 'ECONNRESET' } })
    expect((await lost.get(lost.id)).status).toBe('aborted')
    const closed = await started('read_closed')
    expect(await failure(closed.cancel())).toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } })
    const { send, id } = await started('read_hang')
    const patience = new AbortController()
    const headers = { authorization: 'Bearer r8_fake' }
    const hanging = failure(send(`${api}/predictions/${id}`, { headers, signal: patience.signal }))
    await setImmediate()
    patience.abort(new Error('no patience'))
    expect(await hanging).toMatchObject({ message: 'no patience' })
  })

  it('strike by chance as often as told, and the same ones for the same seed', async () => {
    const run = async (seed: number) => {
      const { create, noted } = setUp({ seed, rates: { error_after: 0.2, refuse: 0.1, preempted: 0.5 } })
      for (let index = 0; index < 300; index++) await create()
      return noted('post').map(({ fault }) => fault)
    }
    const struck = await run(1)
    const share = (fault: PostEntry['fault']) =>
      struck.filter((each) => each === fault).length / struck.length
    expect(share('error_after')).toBeCloseTo(0.2, 1)
    expect(share('refuse')).toBeCloseTo(0.1, 1)
    // Half of those that nothing struck before.
    expect(share('preempted')).toBeCloseTo(0.35, 1)
    expect(await run(1)).toEqual(struck)
    expect(await run(2)).not.toEqual(struck)
  })

  it('can be set while it runs, but not misspelt', async () => {
    const { provider, create } = setUp()
    provider.set({ rates: { no_credit: 1 } })
    expect((await create()).status).toBe(402)
    provider.set({ rates: {}, maxConcurrency: 0 })
    expect((await create()).status).toBe(429)
    expect(() => provider.set({ rates: { no_creidt: 1 } as object })).toThrow('no_creidt')
  })
})

describe('the bill', () => {
  const ended = async (model: string, input: object, options: FakeOptions = {}): Promise<EndedEntry> => {
    const { call, pass, noted } = setUp(options)
    await call('POST', `${api}/models/${model}/predictions`, { input: { prompt: 'a room', ...input } })
    await pass(11_000)
    return noted('ended')[0]!
  }

  it.each([
    ['google/veo-3.1', {}, 8, 3.2],
    ['google/veo-3.1', { duration: 6, generate_audio: false }, 6, 1.2],
    ['google/veo-3.1-fast', { duration: 4 }, 4, 0.6],
    ['google/veo-3.1-fast', { duration: 4, generate_audio: false }, 4, 0.4],
    ['minimax/hailuo-02', { resolution: '512p' }, 6, 0.15],
    ['minimax/hailuo-02', { resolution: '768p', duration: 10 }, 10, 0.45],
    ['minimax/hailuo-02', {}, 6, 0.48],
    ['minimax/hailuo-2.3', {}, 6, 0.28],
    ['minimax/hailuo-2.3', { duration: 10 }, 10, 0.56],
    ['minimax/hailuo-2.3', { resolution: '1080p' }, 6, 0.49],
    ['kwaivgi/kling-v2.1', { start_image: 'https://a.test/a.jpg' }, 5, 0.25],
    ['kwaivgi/kling-v2.1', { start_image: 'https://a.test/a.jpg', mode: 'pro', duration: 10 }, 10, 0.9],
    ['somebody/model', { duration: 3 }, 3, 0.15],
  ])('of %s for %o: %i s, $%d', async (model, input, seconds, dollars) => {
    expect(await ended(model, input)).toMatchObject({
      status: 'succeeded',
      seconds,
      billed_micros: Math.round(dollars * 1_000_000),
    })
  })

  it('follows a price that a test sets', async () => {
    const options = { priceMicros: { 'google/veo-3.1': 7 } }
    expect((await ended('google/veo-3.1', { duration: 4 }, options)).billed_micros).toBe(28)
  })
})
