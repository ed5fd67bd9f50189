/** The one request that costs money: what each answer, or the lack of one, proves. */
import { describe, expect, it } from 'vitest'
import type { SubmitOutcome } from '../../../src/renderer/provider.ts'
import { answerBytes } from '../../../src/renderer/replicate/api.ts'
import { createReplicate } from '../../../src/renderer/replicate/replicate.ts'
import {
  attemptId,
  catalogue,
  hurriedHost,
  json,
  never,
  prepared,
  renderId,
  replicateAt,
  serve,
  serveRaw,
  serveTls,
  told,
  token,
} from './scripted.ts'

/** A key that protects nothing. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9scVhcKZY1VL+ZWK
B1I3apg6SDjdOvFIhjGIP/lFy42hRANCAAQULQjwZBWauLQTos/gchEEvZxlTVIc
eA5/Q6K699826WppZOvkYXvBSdmvZjYV3s1np43FQA15gSsPbreM8mnu
-----END PRIVATE KEY-----`
const cert = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUYlU+kGRK8Wg6b7eey/7gcKGiKk8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTAxMzMyNFoYDzIxMjYxMTAx
MDEzMzI0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQULQjwZBWauLQTos/gchEEvZxlTVIceA5/Q6K699826WppZOvkYXvB
SdmvZjYV3s1np43FQA15gSsPbreM8mnuo1MwUTAdBgNVHQ4EFgQU7xxDnnE/d3qR
pjunDJKfO9PKfUcwHwYDVR0jBBgwFoAU7xxDnnE/d3qRpjunDJKfO9PKfUcwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiA1OrBqdZobWEWr+O2XmrFr
cAM7xF11t4NjpSfN12H7OQIhAMvx0AQSpyOoE9Blh1/jYlTeVSTOEx8ojTP4SMNW
RlOw
-----END CERTIFICATE-----`

const submitTo = (baseUrl: string): Promise<SubmitOutcome> =>
  replicateAt(baseUrl).submit(prepared, never, () => true)

it('sends nothing if its time is over when the connection is there', async () => {
  let bytes = 0
  let connections = 0
  await using server = await serveRaw((socket) => {
    connections++
    socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
  })
  const asked: number[] = []
  const outcome = await replicateAt(`http://127.0.0.1:${server.port}`).submit(prepared, never, () => {
    asked.push(bytes)
    return false
  })
  expect(outcome).toMatchObject({
    kind: 'refused',
    countsAsTry: false,
    trouble: { code: 'interrupted', retry: true },
  })
  expect({ asked, bytes, connections }).toEqual({ asked: [0], bytes: 0, connections: 1 })
})

/** Answers one POST, and says how many came. */
async function answeredWith(
  status: number,
  body: string,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<{ outcome: SubmitOutcome; posts: number }> {
  await using server = await serve((response) => response.writeHead(status, headers).end(body))
  const outcome = await submitTo(server.url)
  return { outcome, posts: server.received.length }
}

const throttled = (waitMs: number) => ({
  kind: 'refused',
  trouble: { code: 'throttled', retry: true },
  waitMs,
  countsAsTry: false,
})
const unreachable = {
  kind: 'refused',
  trouble: { code: 'unreachable', retry: true },
  waitMs: null,
  isSilent: true,
  countsAsTry: false,
}

describe('an order', () => {
  it('is sent once, with the token, a limit and where to report', async () => {
    await using server = await serve((response) => json(response, 201, told({ status: 'starting' })))
    const replicate = replicateAt(`${server.url}/`, {
      cancelAfterMs: 90_000,
      webhookUrl: (id) => `https://ours.example/hook/${id}`,
    })
    expect(await replicate.submit(prepared, never, () => true)).toEqual({ kind: 'accepted', renderId })
    expect(server.received).toMatchObject([
      {
        method: 'POST',
        path: '/v1/models/acme/film/predictions',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'cancel-after': '90s',
        },
      },
    ])
    expect(JSON.parse(server.received[0]!.body)).toEqual({
      input: prepared.input,
      webhook: `https://ours.example/hook/${attemptId}`,
      webhook_events_filter: ['start', 'completed'],
    })
  })

  it('names the version of a community model, and asks for no webhook where there is none', async () => {
    await using server = await serve((response) => json(response, 202, told()))
    await replicateAt(server.url).submit({ ...prepared, model: 'someone/community' }, never, () => true)
    expect(server.received[0]).toMatchObject({
      path: '/v1/predictions',
      headers: { 'cancel-after': '1800s' },
    })
    expect(JSON.parse(server.received[0]!.body)).toEqual({ version: '5c7d5dc6', input: prepared.input })
  })

  it('is accepted as soon as its id can be read, whatever else is odd', async () => {
    const { outcome } = await answeredWith(201, JSON.stringify({ id: renderId, status: 7, created_at: null }))
    expect(outcome).toEqual({ kind: 'accepted', renderId })
  })

  it('meets no connection that an earlier request left', async () => {
    await using server = await serve((response) => json(response, 201, told()))
    const replicate = replicateAt(server.url)
    await replicate.read(renderId, never)
    await replicate.submit(prepared, never, () => true)
    expect(server.received.map(({ headers }) => headers.connection)).toEqual(['close', 'close'])
  })

  it('of a model that is gone from the catalogue is refused without a request', async () => {
    await using server = await serve((response) => json(response, 201, told()))
    const outcome = await replicateAt(server.url).submit(
      { ...prepared, model: 'acme/gone' },
      never,
      () => true,
    )
    expect(outcome).toMatchObject({ kind: 'refused', trouble: { code: 'bad_input', retry: false } })
    expect(server.received).toEqual([])
  })

  it('that is stopped before it is sent is refused, and nobody waits for that', async () => {
    await using server = await serve((response) => json(response, 201, told()))
    const outcome = await replicateAt(server.url).submit(prepared, AbortSignal.abort(), () => true)
    expect(outcome).toMatchObject({ kind: 'refused', waitMs: null, countsAsTry: false })
    expect(server.received).toEqual([])
  })
})

describe('refused is an order', () => {
  it('whose host has no address', async () => {
    expect(await submitTo('http://replicate.invalid')).toMatchObject(unreachable)
  })

  it('whose connection is refused', async () => {
    let port: number
    {
      await using server = await serveRaw(() => undefined)
      port = server.port
    }
    expect(await submitTo(`http://127.0.0.1:${port}`)).toMatchObject(unreachable)
    expect(await submitTo(`http://localhost:${port}`)).toMatchObject(unreachable)
  })

  it('whose server shows a certificate that is not trusted', async () => {
    await using server = await serveTls({ key, cert })
    expect(await submitTo(`https://127.0.0.1:${server.port}`)).toMatchObject({
      ...unreachable,
      trouble: { reason: expect.stringContaining('self-signed certificate') },
    })
  })

  it('whose server has no certificate, speaks no TLS, or hangs up in the handshake', async () => {
    await using noCertificate = await serveTls({})
    expect(await submitTo(`https://127.0.0.1:${noCertificate.port}`)).toMatchObject(unreachable)
    await using plain = await serve((response) => json(response, 201, told()))
    expect(await submitTo(plain.url.replace('http:', 'https:'))).toMatchObject(unreachable)
    await using rude = await serveRaw((socket) => socket.once('data', () => socket.end()))
    expect(await submitTo(`https://127.0.0.1:${rude.port}`)).toMatchObject(unreachable)
  })

  it.each([
    ['connect', unreachable],
    ['read', { kind: 'unknown' }],
  ])('where %s finds no route to the host, only if nothing was sent', async (syscall, expected) => {
    const cause = Object.assign(new Error(`${syscall} EHOSTUNREACH`), { code: 'EHOSTUNREACH', syscall })
    const fetch = () => Promise.reject(new TypeError('fetch failed', { cause }))
    expect(
      await replicateAt('http://127.0.0.1', { fetch }).submit(prepared, never, () => true),
    ).toMatchObject(expected)
  })

  it.each([
    ['Retry-After in seconds', { 'retry-after': '2' }, {}, 2000],
    ['no time at all', {}, { detail: 'Request was throttled.' }, 10_000],
    ['seconds in words', {}, { detail: 'Request was throttled. Your rate limit resets in ~30s.' }, 30_000],
    ['minutes in words', {}, { detail: 'Your rate limit resets in ~1m30s.' }, 90_000],
    ['a second in words', {}, { detail: 'Request was throttled. Expected available in 1 second.' }, 1000],
    ['whole words', {}, { detail: 'Request was throttled. Expected available in 42 seconds.' }, 42_000],
    ['minutes in whole words', {}, { detail: 'Expected available in 1 minute and 5 seconds' }, 65_000],
    ['a header and words', { 'retry-after': '7' }, { detail: 'resets in ~30s' }, 7000],
    ['a header nobody understands', { 'retry-after': 'soon' }, { detail: 'resets in ~30s' }, 30_000],
    ['less than a second', { 'retry-after': '0' }, {}, 1000],
    ['a day', { 'retry-after': '86400' }, {}, 600_000],
  ])('that is throttled with %s', async (_name, headers, body, waitMs) => {
    const { outcome, posts } = await answeredWith(429, JSON.stringify(body), headers)
    expect(outcome).toMatchObject(throttled(waitMs))
    expect(posts).toBe(1)
  })

  it('that is throttled until a date', async () => {
    const { outcome } = await answeredWith(429, '', {
      'retry-after': new Date(Date.now() + 60_000).toUTCString(),
    })
    expect(outcome).toMatchObject(throttled(expect.any(Number) as number))
    const waitMs = outcome.kind === 'refused' ? outcome.waitMs! : 0
    expect(waitMs).toBeGreaterThan(50_000)
    expect(waitMs).toBeLessThanOrEqual(60_000)
  })

  it.each([
    [402, 'no_credit'],
    [401, 'not_allowed'],
    [403, 'not_allowed'],
  ])('that meets %i, until a person has done something about it', async (status, code) => {
    const { outcome, posts } = await answeredWith(status, '{"title":"Not now","detail":"In their words"}')
    expect(outcome).toEqual({
      kind: 'refused',
      trouble: { code, reason: 'In their words', retry: true },
      waitMs: 60_000,
      countsAsTry: false,
    })
    expect(posts).toBe(1)
  })

  it.each([400, 404, 405, 413, 421, 422, 451])('that is answered %i, once and for all', async (status) => {
    const { outcome, posts } = await answeredWith(status, '{"title":"Input validation failed"}')
    expect(outcome).toEqual({
      kind: 'refused',
      trouble: { code: 'bad_input', reason: 'Input validation failed', retry: false },
      waitMs: null,
      countsAsTry: true,
    })
    expect(posts).toBe(1)
  })

  it.each([301, 302, 303, 307, 308])(
    'that is sent elsewhere with %i, and it does not go there',
    async (status) => {
      await using elsewhere = await serve((response) => json(response, 201, told()))
      await using server = await serve((response) =>
        response.writeHead(status, { location: elsewhere.url }).end(),
      )
      expect(await submitTo(server.url)).toMatchObject({
        kind: 'refused',
        trouble: { code: 'not_allowed', retry: true },
        countsAsTry: false,
      })
      expect([server.received.length, elsewhere.received.length]).toEqual([1, 0])
    },
  )

  it('by its status alone, where the words are a page, too long or cut off', async () => {
    const page = await answeredWith(422, '<html>no</html>', { 'content-type': 'text/html' })
    expect(page.outcome).toMatchObject({ trouble: { code: 'bad_input', reason: 'HTTP 422' } })
    const long = await answeredWith(422, `{"detail":"${'x'.repeat(answerBytes)}"}`)
    expect(long.outcome).toMatchObject({ trouble: { code: 'bad_input', reason: 'HTTP 422' } })
    await using server = await serveRaw((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 422 No\r\ncontent-length: 99\r\n\r\n{"detail":"so')),
    )
    expect(await submitTo(`http://127.0.0.1:${server.port}`)).toMatchObject({
      kind: 'refused',
      trouble: { reason: 'HTTP 422' },
    })
  })

  it('in words that are short, plain and without the token', async () => {
    const detail = `Token ${token}\u0000\u001b[31m is\nwrong ${'x'.repeat(600)}`
    const { outcome } = await answeredWith(401, JSON.stringify({ detail }))
    const { reason } = outcome.kind === 'refused' ? outcome.trouble : { reason: '' }
    expect(reason).toMatch(/^Token \[token\] \[31m is wrong x+$/)
    expect(reason).toHaveLength(500)
  })
})

describe('nobody knows of an order', () => {
  it.each([408, 409, 425, 499, 500, 502, 503, 504, 529])('that is answered %i', async (status) => {
    const { outcome, posts } = await answeredWith(status, '{"detail":"Perhaps"}', { 'retry-after': '1' })
    expect(outcome).toEqual({ kind: 'unknown', reason: 'Perhaps' })
    expect(posts).toBe(1)
  })

  it.each([
    ['a page', '<!doctype html><title>Welcome</title>'],
    ['nothing', ''],
    ['half an answer', '{"id":"gm3qorzdhgbfurvj'],
    ['no id', '{"status":"starting"}'],
    ['an id that is none', '{"id":"../../account"}'],
    ['a list', '[]'],
    ['more than it may', JSON.stringify(told({ logs: 'x'.repeat(answerBytes) }))],
  ])('that is answered 2xx with %s', async (_name, body) => {
    const { outcome, posts } = await answeredWith(201, body)
    expect(outcome).toMatchObject({ kind: 'unknown' })
    expect(posts).toBe(1)
  })

  /** Plays `act` on the first bytes of the request, and counts the requests. */
  async function cutBy(
    act: (socket: import('node:net').Socket) => void,
  ): Promise<{ outcome: SubmitOutcome; posts: number }> {
    let posts = 0
    await using server = await serveRaw((socket) =>
      socket.once('data', () => {
        posts++
        act(socket)
      }),
    )
    const outcome = await submitTo(`http://127.0.0.1:${server.port}`)
    // Time for a second POST, if there were to be one.
    await new Promise((resolve) => setTimeout(resolve, 20))
    return { outcome, posts }
  }

  it.each([
    ['reset before an answer', (socket) => socket.resetAndDestroy()],
    ['closed before an answer', (socket) => socket.end()],
    [
      'reset within the answer',
      (socket) =>
        socket.write('HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{"id":', () =>
          socket.resetAndDestroy(),
        ),
    ],
    [
      'closed within the answer',
      (socket) => socket.end('HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{"id":'),
    ],
    ['answered with what is not HTTP', (socket) => socket.end('SMTP ready\r\n')],
  ] as [string, (socket: import('node:net').Socket) => void][])(
    'whose connection is %s',
    async (_name, act) => {
      const { outcome, posts } = await cutBy(act)
      expect(outcome).toMatchObject({ kind: 'unknown' })
      expect(posts).toBe(1)
    },
  )

  it('whose answer does not come, or not to its end, within a minute', async () => {
    for (const begun of ['', 'HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{"id":']) {
      await using server = await serveRaw((socket) => socket.once('data', () => socket.write(begun)))
      const replicate = replicateAt(`http://127.0.0.1:${server.port}`, { host: hurriedHost(400) })
      const outcome = await replicate.submit(prepared, never, () => true)
      expect(outcome).toMatchObject({
        kind: 'unknown',
        reason: expect.stringContaining('no end within 60 s'),
      })
    }
  })

  it('that its caller gives up after it was sent', async () => {
    const stop = new AbortController()
    await using server = await serveRaw((socket) => socket.once('data', () => stop.abort()))
    const outcome = await replicateAt(`http://127.0.0.1:${server.port}`).submit(
      prepared,
      stop.signal,
      () => true,
    )
    expect(outcome).toMatchObject({ kind: 'unknown' })
  })
})

describe('createReplicate', () => {
  it('offers the models that are rendered there', () => {
    const { models } = replicateAt('http://127.0.0.1')
    expect(models).toContain('acme/film')
    expect(models).not.toContain('acme/elsewhere')
  })

  it('refuses an address or a token that could never work, and does not show the token', () => {
    const wrong = (options: { baseUrl?: string; token: string }) => () =>
      createReplicate({
        maxConcurrency: 1,
        startDelayMs: 0,
        catalogue,
        inputUrl: undefined,
        webhookUrl: undefined,
        host: hurriedHost(1),
        fetchOutside: fetch,
        ...options,
      })
    expect(wrong({ baseUrl: 'ftp://replicate.example', token })).toThrow('http://')
    expect(wrong({ baseUrl: 'replicate', token })).toThrow('Invalid URL')
    expect(wrong({ token: `${token}\n` })).toThrow(/^Replicate's token has invalid characters$/)
  })
})
