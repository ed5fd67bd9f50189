import { describe, expect, test } from 'vitest'
import { ApiError, type JobAnswer, type JobEvent, createClient } from '../../src/client/client.ts'

interface Sent {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body: unknown
}

type Answer = Response | Error | ((sent: Sent, signal: AbortSignal) => Promise<Response>)

/** A server that gives these answers, one after the other; the last one again and again. */
function server(...answers: Answer[]) {
  const sent: Sent[] = []
  const fetch: typeof globalThis.fetch = async (address, init) => {
    const { pathname, search } = new URL(address)
    const { method, headers, body, signal } = init!
    const one = { method: method!, path: pathname + search, headers: new Headers(headers), body }
    sent.push(one)
    const answer = answers[Math.min(sent.length, answers.length) - 1]!
    if (answer instanceof Error) throw answer
    return typeof answer === 'function' ? answer(one, signal!) : answer.clone()
  }
  return {
    sent,
    fetch,
    client: createClient({ url: 'http://films.example', key: 'wck_1', fetch, timeoutMs: 200 }),
  }
}

const json = (body: unknown, init?: ResponseInit): Response => Response.json(body, init)
const lost = new TypeError('fetch failed')
const request = {
  type: 'property_photos' as const,
  parameters: { photos: [{ asset_id: 'a'.repeat(64) }] },
}

describe.concurrent('a request', () => {
  test('carries the key, and what it is about', async () => {
    const { client, sent } = server(json({ jobs: [], next_cursor: null }))
    await client.listJobs({ campaign_id: 'a b', limit: 5, status: undefined! })
    expect(sent[0]).toMatchObject({ method: 'GET', path: '/api/v3/jobs?campaign_id=a+b&limit=5' })
    expect(sent[0]!.headers.get('authorization')).toBe('Bearer wck_1')
    expect(sent[0]!.headers.has('idempotency-key')).toBe(false)
  })

  test.each([
    ['http://films.example', '/api/v3/jobs'],
    ['http://films.example/', '/api/v3/jobs'],
    ['http://films.example/studio', '/studio/api/v3/jobs'],
    ['http://films.example/a/b%20c/?x=1#y', '/a/b%20c/api/v3/jobs'],
  ])('to %s keeps its path', async (url, path) => {
    const { fetch, sent } = server(json({ jobs: [], next_cursor: null }))
    await createClient({ url, fetch }).listJobs()
    expect(sent[0]!.path).toBe(path)
  })

  test('that is refused is an error in the words of the server', async () => {
    const body = { error: 'Job cannot be approved', reason: 'Job must be pending', job_id: 1 }
    const { client, sent } = server(json(body, { status: 422 }))
    const error = await client.approveJob(1).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 422, body, message: 'Job cannot be approved: Job must be pending' })
    expect(sent).toHaveLength(1)
  })

  test('to approve a job as it was read names its revision and its sum', async () => {
    const { client, sent } = server(json({ message: 'Job approved successfully' }))
    const costs = { approved: 0.8, reserved: 0.1, spent: 0.2, to_pay: 0.6 }
    const job = { job_id: 7, revision: 3, costs } as JobAnswer
    await client.approveJob(job)
    await client.approveJob({ ...job, costs: { ...job.costs, approved: 5 } })
    await client.approveJob({ ...job, costs: { ...job.costs, to_pay: null } }, { accept_unknown_cost: true })
    await client.approveJob(7)
    expect(sent.map(({ path, body }) => [path, JSON.parse(String(body))])).toEqual([
      ['/api/v3/jobs/7/approve', { revision: 3, max_cost: 0.9 }],
      ['/api/v3/jobs/7/approve', { revision: 3, max_cost: 5 }],
      ['/api/v3/jobs/7/approve', { revision: 3, accept_unknown_cost: true }],
      ['/api/v3/jobs/7/approve', {}],
    ])
  })

  test('that a proxy answers is an error, too', async () => {
    const { client } = server(
      new Response('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway' }),
    )
    await expect(client.readJob(1)).rejects.toMatchObject({ status: 502, body: { error: 'Bad Gateway' } })
  })

  test('has a deadline, and ends when its caller wants no more of it', async () => {
    const never = (_: Sent, signal: AbortSignal) =>
      new Promise<Response>((_resolve, reject) => {
        if (signal.aborted) reject(signal.reason as Error)
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    const { client, sent } = server(never)
    await expect(client.readJob(1)).rejects.toMatchObject({ name: 'TimeoutError' })
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(client.readJob(1, { signal })).rejects.toThrow('enough')
    expect(sent.length).toBeLessThanOrEqual(2)
  })
})

describe.concurrent('an upload', () => {
  const piecesOf = (sent: Sent): ReadableStreamDefaultReader<Uint8Array> =>
    (sent.body as ReadableStream<Uint8Array>).getReader()
  const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  test('takes longer than an answer may, while its bytes flow', async () => {
    const photograph = crypto.getRandomValues(new Uint8Array(60_000))
    const bytes = new Blob(Array.from({ length: 8 }, () => photograph))
    const { client, sent } = server(async (one) => {
      const reader = piecesOf(one)
      const taken: Uint8Array<ArrayBuffer>[] = []
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        taken.push(read.value as Uint8Array<ArrayBuffer>)
        await rest(60)
      }
      expect(await new Blob(taken).bytes()).toEqual(await bytes.bytes())
      return json({ id: 'x' }, { status: 201 })
    })
    expect(await client.uploadAsset(bytes)).toEqual({ id: 'x' })
    expect(sent[0]!.headers.get('content-length')).toBe('480000')
  })

  const never = (signal: AbortSignal) =>
    new Promise<Response>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })

  test('ends where nothing takes its bytes, and where nobody answers to them', async () => {
    const taken = server((_one, signal) => never(signal))
    await expect(taken.client.uploadAsset(new Uint8Array(100))).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    const unanswered = server(async (one, signal) => {
      const reader = piecesOf(one)
      while (!(await reader.read()).done);
      return never(signal)
    })
    await expect(unanswered.client.uploadAsset(new Uint8Array(100))).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })

  test('whose connection is lost is sent again from its first byte', async () => {
    const sizes: number[] = []
    const { client } = server(async (one) => {
      const { value } = await piecesOf(one).read()
      sizes.push(value!.length)
      if (sizes.length === 1) throw lost
      return json({ id: 'x' }, { status: 201 })
    })
    expect(await client.uploadAsset(new Uint8Array(100))).toEqual({ id: 'x' })
    expect(sizes).toEqual([100, 100])
  })
})

describe.concurrent('a request whose answer is lost', () => {
  test('is sent again, under the same key where it changes something', async () => {
    const { client, sent } = server(lost, json({ job_id: 7 }, { status: 201 }))
    expect(await client.createJob(request)).toEqual({ job_id: 7 })
    const keys = sent.map(({ headers }) => headers.get('idempotency-key'))
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(keys[1]).toBe(keys[0])
    expect(sent[1]!.body).toBe(sent[0]!.body)
  })

  test('waits for the first one where that is still worked on', async () => {
    const running = json(
      { error: 'Request is being worked on' },
      { status: 409, headers: { 'retry-after': '1' } },
    )
    const { client, sent } = server(lost, running, json({ job_id: 7 }, { status: 201 }))
    expect(await client.createJob(request)).toEqual({ job_id: 7 })
    expect(sent).toHaveLength(3)
  })

  test('is sent again under the same key whatever its method', async () => {
    for (const ask of ['setBudgets', 'deleteScene'] as const) {
      const { client, sent } = server(lost, json({}))
      await (ask === 'setBudgets' ? client.setBudgets({ day: 1 }) : client.deleteScene(1, 'x'))
      const keys = sent.map(({ headers }) => headers.get('idempotency-key'))
      expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
      expect(keys[1]).toBe(keys[0])
    }
  })

  test('has another key than every other', async () => {
    const { client, sent } = server(json({}))
    await client.cancelJob(1)
    await client.cancelJob(1)
    expect(new Set(sent.map(({ headers }) => headers.get('idempotency-key'))).size).toBe(2)
  })
})

describe.concurrent('waiting for a job', () => {
  const job = (status: string) => json({ job_id: 1, status, error: null })
  const bad = () => json({ error: 'Unavailable' }, { status: 503 })

  test('goes on while the server is out of reach, and without events', async () => {
    const reads = [job('processing'), bad(), job('completed')]
    const { client } = server((sent) =>
      Promise.resolve(
        sent.path.includes('/events?') ? stream([written(event(3, 'job_failed'))]) : reads.shift()!,
      ),
    )
    expect(await client.waitFor(1)).toMatchObject({ status: 'completed' })
    expect(reads).toEqual([])
  })

  test('is refused where its first look is, and where a later one is for good', async () => {
    await expect(server(bad()).client.waitFor(1)).rejects.toMatchObject({ status: 503 })
    const gone = json({ error: 'Job not found' }, { status: 404 })
    const reads = [job('processing'), gone]
    const { client } = server((sent) =>
      Promise.resolve(
        sent.path.includes('/events?') ? stream([written(event(3, 'job_failed'))]) : reads.shift()!,
      ),
    )
    await expect(client.waitFor(1)).rejects.toMatchObject({ status: 404 })
  })
})

const event = (id: number, type = 'job_progress'): JobEvent =>
  ({ id, type, topic: 'jobs:progress', job_id: 1, data: {}, inserted_at: '2026-01-01T00:00:00Z' }) as JobEvent
const written = (one: JobEvent): string =>
  `id: ${one.id}\nevent: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`

/** A stream of these chunks, that ends, or breaks off, after them. */
const stream = (chunks: readonly string[], end: 'ends' | 'breaks' = 'ends'): Response => {
  let next = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks[next++]
      if (chunk !== undefined) controller.enqueue(new TextEncoder().encode(chunk))
      else if (end === 'ends') controller.close()
      else controller.error(new TypeError('terminated'))
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}
const streaming = (chunks: readonly string[], end?: 'ends' | 'breaks') => () =>
  Promise.resolve(stream(chunks, end))

describe.concurrent('events', () => {
  test('come one by one, however the stream is cut into pieces', async () => {
    const text = `retry: 2000\nid: 0\n\n: ping\n\n${written(event(1))}${written(event(2))}`
    for (const size of [1, 7, 64]) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
        text.slice(index * size, (index + 1) * size),
      )
      const { client } = server(streaming(chunks))
      const ids: number[] = []
      for await (const { id } of client.events({ after: 0 })) {
        ids.push(id)
        if (ids.length === 2) break
      }
      expect(ids).toEqual([1, 2])
    }
  })

  test('go on where they were when the connection was lost', async () => {
    const { client, sent } = server(
      streaming(['id: 4\n\n', written(event(5))], 'breaks'),
      streaming([written(event(6))]),
    )
    const ids: number[] = []
    for await (const { id } of client.events({ types: ['job_progress'] })) {
      ids.push(id)
      if (id === 6) break
    }
    expect(ids).toEqual([5, 6])
    expect(sent.map(({ path }) => path)).toEqual(Array(2).fill('/api/v3/events?type=job_progress'))
    expect(sent.map(({ headers }) => headers.get('last-event-id'))).toEqual([null, '5'])
  })

  test('end with an error where they are refused, and when nobody wants them any more', async () => {
    const { client, sent } = server(json({ error: 'Job not found' }, { status: 404 }))
    await expect(client.watchJob(1).next()).rejects.toMatchObject({ status: 404 })
    expect(sent).toHaveLength(1)
    const controller = new AbortController()
    const open = server(streaming([written(event(1))]))
    const events = open.client.events({ signal: controller.signal })
    await events.next()
    controller.abort(new Error('enough'))
    await expect(events.next()).rejects.toThrow('enough')
  })

  test('tell where some may be missing', async () => {
    const { client } = server(
      streaming(['id: 9\nevent: reset\ndata: {"oldest":8,"latest":9}\n\n', written(event(10))]),
    )
    const resets: unknown[] = []
    const events = client.events({ after: 1, onReset: (reset) => resets.push(reset) })
    expect((await events.next()).value).toMatchObject({ id: 10 })
    expect(resets).toEqual([{ oldest: 8, latest: 9 }])
    await events.return()
  })

  test('of a job end with it, and not with an end that was taken back', async () => {
    const states = ['processing', 'completed']
    const { client } = server((sent) =>
      Promise.resolve(
        sent.path.endsWith('/events')
          ? stream([written(event(1, 'job_failed')), written(event(2)), written(event(3, 'job_completed'))])
          : json({ status: states.shift() }),
      ),
    )
    const ids: number[] = []
    for await (const { id } of client.watchJob(1)) ids.push(id)
    expect(ids).toEqual([1, 2, 3])
  })
})
