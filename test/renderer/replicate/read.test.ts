/** What is read, ended and listed: a lie here would lead to a second bill. */
import { describe, expect, it } from 'vitest'
import { isQuick } from '../../quick.ts'
import type { ProviderRender, Recognise } from '../../../src/renderer/provider.ts'
import { createClock } from '../../clock.ts'
import { longestBlock } from '../../longest-block.ts'
import {
  catalogue,
  hurriedHost,
  json,
  never,
  order,
  renderId,
  replicateAt,
  serve,
  serveRaw,
  told,
  token,
} from './scripted.ts'

async function readOf(members: Record<string, unknown>): Promise<ProviderRender | string> {
  await using server = await serve((response) => json(response, 200, told(members)))
  const outcome = await replicateAt(server.url).read(renderId, never)
  return outcome.kind === 'found' ? outcome.render : outcome.kind
}

/** HTTP tells the date in whole seconds: `closeTo` within 5,000 ms. */
const secondsApart = -4

describe('a render', () => {
  it('is read as it stands', async () => {
    expect(await readOf({})).toEqual({
      id: renderId,
      createdAt: expect.closeTo(Date.UTC(2026, 10, 25, 10, 0, 0, 123), secondsApart) as number,
      state: 'running',
      model: 'acme/film',
      prompt: 'A slow walk',
      inputText: expect.stringContaining(order.mark) as string,
      outputUrl: null,
      otherUrls: [],
      isRemoved: false,
      trouble: null,
    })
  })

  it.each([
    ['starting', 'running'],
    ['processing', 'running'],
    ['succeeded', 'succeeded'],
    ['failed', 'failed'],
    ['aborted', 'aborted'],
    ['a status of tomorrow', 'running'],
  ])('that is %s is %s', async (status, state) => {
    expect(await readOf({ status })).toMatchObject({ state })
  })

  it.each([
    ['had a start', { started_at: '2026-11-25T10:00:01.5Z' }, 'cancelled'],
    ['ran for a while', { started_at: null, metrics: { predict_time: 1.5 } }, 'cancelled'],
    ['has no start', { started_at: null }, 'aborted'],
    ['has nothing but a wait', { metrics: { total_time: 3 } }, 'aborted'],
    ['has a time of nothing', { metrics: { predict_time: 0 } }, 'aborted'],
    ['has a start that is none', { started_at: 7, metrics: 'none' }, 'aborted'],
  ])('that was canceled and %s is told apart from one that cost nothing', async (_name, members, state) => {
    expect(await readOf({ status: 'canceled', ...members })).toMatchObject({ state })
  })

  it.each([
    [true, true],
    [false, false],
    [null, false],
  ])('is removed where the provider says so alone (%s)', async (data_removed, isRemoved) => {
    expect(await readOf({ status: 'succeeded', data_removed })).toMatchObject({ isRemoved, outputUrl: null })
  })

  const cdn = 'https://replicate.delivery/x'
  const url = `${cdn}/clip.mp4`
  it.each([
    ['an address', url, url],
    ['a list of addresses', [url, 'https://replicate.delivery/x/2.mp4'], url],
    ['an object', { url }, url],
    ['a list of objects', [{ name: 'clip', url }], url],
    ['nothing', null, null],
    ['an object of any member', { video: url }, url],
    ['an object within others', { result: { files: [{ link: url }] } }, url],
    ['a list that begins with a thumbnail', ['https://replicate.delivery/x/thumb.jpg', url], url],
    ['an object with a preview first', { preview: `${url}?small`, video: url }, url],
    [
      'a list of pictures, sound and a clip',
      [`${cdn}/a.png`, `${cdn}/a.mp3`, `${cdn}/a.webm?sig=1`],
      `${cdn}/a.webm?sig=1`,
    ],
    ['a picture and what has no name', [`${cdn}/a.png`, `${cdn}/a`], `${cdn}/a`],
    ['a GIF alone', { image: `${cdn}/a.gif` }, `${cdn}/a.gif`],
    ['a picture alone', `${cdn}/a.png`, `${cdn}/a.png`],
    ['text', 'Here is your film', null],
    ['a file of ours', 'file:///etc/passwd', null],
    ['the bytes themselves', 'data:video/mp4;base64,AAAA', null],
    ['a number', 7, null],
  ])('has its clip where %s says so', async (_name, output, expected) => {
    expect(await readOf({ status: 'succeeded', output })).toMatchObject({ outputUrl: expected })
  })

  it('tells what else may be the clip, where no name says that it is one', async () => {
    const read = async (output: unknown) => await readOf({ status: 'succeeded', output })
    expect(await read([`${cdn}/a.png`, `${cdn}/a`, `${cdn}/b`])).toMatchObject({
      outputUrl: `${cdn}/a`,
      otherUrls: [`${cdn}/b`, `${cdn}/a.png`],
    })
    expect(await read([`${cdn}/a.png`, url])).toMatchObject({ outputUrl: url, otherUrls: [] })
  })

  it.each([
    ['is told', { input: { prompt: 'x' } }, '{"prompt":"x"}'],
    ['is told to be empty', { input: {}, data_removed: false }, '{}'],
    ['was removed', { input: {}, data_removed: true }, null],
    ['was removed in part', { input: { prompt: 'x' }, data_removed: true }, null],
    ['was removed, says nobody', { input: {}, data_removed: undefined }, null],
    ['is missing', { input: null }, null],
  ])('has no input to look into unless it is there: it %s', async (_name, members, inputText) => {
    expect(await readOf(members)).toMatchObject({ inputText })
  })

  it.each([
    ['Director: unexpected error handling prediction (E6716)', 'provider_error', true],
    ['Prediction interrupted; please retry (code: PA)', 'provider_error', true],
    ['Internal server error', 'provider_error', true],
    ['Service is temporarily unavailable', 'provider_error', true],
    ['The queue is full. Please try again later.', 'provider_error', true],
    [
      'The input or output was flagged as sensitive. Please try again with different inputs. (E005)',
      'content_refused',
      false,
    ],
    ['Your prompt violates our content policy', 'content_refused', false],
    ['NSFW content detected', 'content_refused', false],
    ['Invalid input: image has the wrong shape', 'bad_input', false],
    ['Unsupported duration', 'bad_input', false],
    ['names are case-sensitive', 'render_failed', true],
    ['CUDA out of memory', 'render_failed', true],
  ])('fails for a reason that is classed: %s', async (error, code, retry) => {
    const trouble = { code, retry, reason: error }
    expect(await readOf({ status: 'failed', error })).toMatchObject({ trouble })
  })

  it('fails for no reason, for one that is no text, and for one that is too long', async () => {
    const reason = async (error: unknown) => {
      const render = await readOf({ status: 'failed', error })
      return typeof render === 'string' ? render : render.trouble?.reason
    }
    expect(await reason(null)).toBe('Replicate reports a failure without a reason')
    expect(await reason({ code: 7 })).toBe('{"code":7}')
    expect(await reason(`a\u0007b${token}${'🙂'.repeat(400)}`)).toBe(`a b[token]${'🙂'.repeat(245)}`)
  })

  it('is read, though its input is nested deeper than can be written', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const answer = JSON.stringify(told({ input: 'deep' })).replace('"deep"', deep)
    await using server = await serve((response) => response.end(answer))
    const outcome = await replicateAt(server.url).read(renderId, never)
    expect(outcome).toMatchObject({ kind: 'found', render: { inputText: null } })
  })

  it.each([
    ['another id', { id: 'anotheridaltogether' }],
    ['no time', { created_at: 'yesterday' }],
    ['no status', { status: null }],
  ])('is not read out of an answer with %s', async (_name, members) => {
    expect(await readOf(members)).toBe('failed')
  })

  it.each(['input', 'output', 'error'])('is read where it has no %s yet', async (member) => {
    expect(await readOf({ status: 'starting', [member]: undefined })).toMatchObject({ state: 'running' })
  })

  it('is absent only where the API says so itself', async () => {
    await using server = await serve((response, { path }) => {
      if (path.endsWith('proxy')) response.writeHead(404).end('<html>Not found</html>')
      else json(response, 404, { detail: 'The requested resource could not be found.', status: 404 })
    })
    const replicate = replicateAt(server.url)
    expect(await replicate.read(renderId, never)).toEqual({ kind: 'absent' })
    expect(await replicate.read('behindaproxy', never)).toMatchObject({ kind: 'failed' })
    // Never asked for: the id would name another path.
    expect(await replicate.read('../account', never)).toEqual({ kind: 'absent' })
    expect(server.received.map(({ path }) => path)).toEqual([
      `/v1/predictions/${renderId}`,
      '/v1/predictions/behindaproxy',
    ])
  })

  it('is not learnt of where nobody answers well, and asked for later where patience is asked for', async () => {
    const failed = async (status: number, body: string, headers = {}) => {
      await using server = await serve((response) => response.writeHead(status, headers).end(body))
      return await replicateAt(server.url).read(renderId, never)
    }
    expect(await failed(429, '', { 'retry-after': '3' })).toMatchObject({ kind: 'failed', waitMs: 3000 })
    expect(await failed(500, '')).toEqual({ kind: 'failed', reason: 'HTTP 500', waitMs: null })
    expect(await failed(401, '{"detail":"no"}')).toEqual({ kind: 'failed', reason: 'no', waitMs: null })
    expect(await failed(200, '<html>')).toMatchObject({ kind: 'failed' })
    expect(await failed(302, '', { location: 'http://127.0.0.1:9/' })).toMatchObject({ kind: 'failed' })
    expect(await replicateAt('http://replicate.invalid').read(renderId, never)).toMatchObject({
      kind: 'failed',
    })
    await using mute = await serveRaw(() => undefined)
    const impatient = replicateAt(`http://127.0.0.1:${mute.port}`, { host: hurriedHost(400) })
    expect(await impatient.read(renderId, never)).toMatchObject({
      kind: 'failed',
      reason: 'no end within 30 s',
    })
    expect(await impatient.read(renderId, AbortSignal.abort())).toMatchObject({ kind: 'failed' })
  })

  it('is ended on request, and tells how it stands', async () => {
    await using server = await serve((response) =>
      json(response, 200, told({ status: 'canceled', started_at: '2026-11-25T10:00:01Z' })),
    )
    const outcome = await replicateAt(server.url).cancel(renderId, never)
    expect(outcome).toMatchObject({ kind: 'found', render: { state: 'cancelled', trouble: null } })
    expect(server.received).toMatchObject([{ method: 'POST', path: `/v1/predictions/${renderId}/cancel` }])
  })
})

describe('a list', () => {
  const after = Date.UTC(2026, 10, 25, 10)
  const ids = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc']
  const recognise: Recognise = {
    markIn: (text) => (text.includes(order.mark) ? order.mark : undefined),
  }

  it('is all pages, of the window that was asked for', async () => {
    await using server = await serve((response, { path, headers }) => {
      const page = Number(new URL(path, 'http://x').searchParams.get('cursor') ?? 0)
      const next = page < 2 ? `http://${headers.host}/v1/predictions?cursor=${page + 1}` : null
      json(response, 200, { previous: null, next, results: [told({ id: ids[page] })] })
    })
    const outcome = await replicateAt(server.url).list({ after, before: after + 60_000 }, recognise, never)
    expect(outcome.kind === 'listed' && outcome.renders.map(({ id }) => id)).toEqual(ids)
    // The first page is asked for once more when the provider's clock is known.
    expect(server.received.slice(2).map(({ path }) => path)).toEqual([
      '/v1/predictions?cursor=1',
      '/v1/predictions?cursor=2',
    ])
    const { searchParams } = new URL(server.received[1]!.path, server.url)
    expect(Date.parse(searchParams.get('created_after')!)).toBeCloseTo(after, secondsApart)
    expect(Date.parse(searchParams.get('created_before')!)).toBeCloseTo(after + 60_000, secondsApart)
  })

  it('is asked for by the provider’s clock and told by ours, however far they are apart', async () => {
    const aheadMs = 3 * 3_600_000
    const theirNow = new Date(Date.now() + aheadMs)
    await using server = await serve((response) => {
      response.setHeader('date', theirNow.toUTCString())
      json(response, 200, { next: null, results: [told({ created_at: theirNow.toISOString() })] })
    })
    const outcome = await replicateAt(server.url).list({ after: Date.now() }, recognise, never)
    const [, second] = server.received.map(({ path }) => new URL(path, server.url).searchParams)
    expect(Date.parse(second!.get('created_after')!)).toBeCloseTo(theirNow.getTime(), secondsApart)
    const createdAt = outcome.kind === 'listed' ? outcome.renders[0]!.createdAt : 0
    expect(createdAt).toBeCloseTo(Date.now(), secondsApart)
  })

  it('proves nothing where the provider doesn’t tell its time', async () => {
    await using server = await serve((response) => {
      response.sendDate = false
      json(response, 200, { next: null, results: [] })
    })
    expect(await replicateAt(server.url).list({ after }, recognise, never)).toMatchObject({ kind: 'failed' })
  })

  it('shows a render that has neither an output nor an error yet', async () => {
    const queued = told({ status: 'starting', output: undefined, error: undefined })
    await using server = await serve((response) => json(response, 200, { next: null, results: [queued] }))
    expect(await replicateAt(server.url).list({ after }, recognise, never)).toMatchObject({
      kind: 'listed',
      renders: [{ id: renderId, mark: order.mark, state: 'running' }],
    })
  })

  it('is empty where there is nothing', async () => {
    await using server = await serve((response) => json(response, 200, { next: null, results: [] }))
    expect(await replicateAt(server.url).list({ after }, recognise, never)).toEqual({
      kind: 'listed',
      renders: [],
    })
  })

  it('is read as it comes, whatever pictures were sent along', async () => {
    const picture = Buffer.alloc(1 << 20, 'A').toString()
    const results = 100
    await using server = await serve((response) => {
      response.write('{"results":[')
      const send = (n: number): void => {
        if (n === results) return void response.end('],"next":null}')
        const text = JSON.stringify(
          told({ id: `other${n}`, input: { image: picture, prompt: `It is ${n}` } }),
        )
        response.write(`${n === 0 ? '' : ','}${text}`, () => send(n + 1))
      }
      send(0)
    })
    const { result, blockedMs } = await longestBlock(() =>
      replicateAt(server.url).list(
        { after },
        { ...recognise, resembles: ({ prompt }) => prompt === 'It is 88' },
        never,
      ),
    )
    if (result.kind === 'failed') throw new Error(result.reason)
    expect(result.renders).toHaveLength(results)
    expect(result.renders.filter(({ resembles }) => resembles).map(({ id }) => id)).toEqual(['other88'])
    expect(blockedMs).toBeLessThan(1000)
  })

  it('that comes slowly is waited for as long as it comes, and no longer', async () => {
    const host = hurriedHost(60)
    const page = JSON.stringify({ next: null, results: [told()] })
    await using slow = await serve((response, { path }) => {
      const each = path.includes('stops') ? 60 : page.length
      const send = (at: number): void => {
        if (at < each) setTimeout(() => response.write(page.slice(at, at + 30), () => send(at + 30)), 60)
        else if (at >= page.length) response.end()
      }
      send(0)
    })
    expect(await replicateAt(slow.url, { host }).list({ after }, recognise, never)).toMatchObject({
      kind: 'listed',
    })
    expect(await replicateAt(`${slow.url}/stops`, { host }).list({ after }, recognise, never)).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/no end within 30 s/),
    })
  })

  it.skipIf(isQuick)('keeps of pages full of pictures no more than the marks in them', async () => {
    const picture = (start: string): string => `data:image/jpeg;${start};base64,${'A'.repeat(250_000)}`
    const results = [
      told({ id: ids[0], input: { image: picture(`attempt=${order.mark}`), last_frame: picture('n=2') } }),
      told({ id: ids[1], input: { image: picture('attempt=wc-of-somebody-else') } }),
      told({ id: ids[2], input: {}, data_removed: true }),
      ...Array.from({ length: 97 }, (_, n) =>
        told({ id: `other${n}`, input: { image: picture('x'), end: picture('y') } }),
      ),
    ]
    await using server = await serve((response) => json(response, 200, { next: null, results }))
    const outcome = await replicateAt(server.url).list({ after }, recognise, never)
    if (outcome.kind === 'failed') throw new Error(outcome.reason)
    expect(outcome.renders).toHaveLength(100)
    expect(outcome.renders.slice(0, 3)).toMatchObject([
      { id: ids[0], mark: order.mark, hasInput: true },
      { id: ids[1], mark: null, hasInput: true },
      { id: ids[2], mark: null, hasInput: false },
    ])
    expect(JSON.stringify(outcome).length).toBeLessThan(20_000)
  })

  it.each([
    [
      'too many values',
      `{"next":null,"results":[{"logs":[${'0,'.repeat(500_000)}0]}]}`,
      'must hold at most 500000 values',
    ],
    [
      'too many texts',
      `{"next":null,"results":[{"logs":[${`"${'x'.repeat(8000)}",`.repeat(1100)}0]}]}`,
      'must have at most 8388608 bytes without its long strings',
    ],
    [
      'too many predictions',
      `{"next":null,"results":[${'{},'.repeat(10_000)}{}]}`,
      'must list at most 10000 items',
    ],
    [
      'something else than predictions',
      `{"next":null,"results":[0,1]}`,
      'A page of the list has an unexpected form',
    ],
    ['a member too much', `{"results":[{}],"next":null}`, 'A page of the list has an unexpected form'],
  ])('is none where a page has %s', async (_name, page, reason) => {
    await using server = await serve((response) => response.end(page))
    const outcome = await replicateAt(server.url).list({ after }, recognise, never)
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining(reason) })
  })

  it('is none where one page is missing, unreadable or not known to be the last', async () => {
    const pages: [number, unknown][] = [
      [500, {}],
      [200, { next: null, results: [told({ id: 'NOT AN ID' })] }],
      [200, { results: [] }],
      [200, 'a page'],
    ]
    for (const [status, second] of pages) {
      await using server = await serve((response, { path }) =>
        path.includes('cursor')
          ? json(response, status, second)
          : json(response, 200, { next: '/v1/predictions?cursor=1', results: [told()] }),
      )
      expect(await replicateAt(server.url).list({ after }, recognise, never)).toMatchObject({
        kind: 'failed',
      })
      expect(server.received.filter(({ path }) => path.includes('cursor'))).toHaveLength(1)
    }
  })

  it.each([
    ['spaces', `resets in${' '.repeat(200_000)}x`],
    ['digits', `resets in ${'1'.repeat(200_000)}`],
    ['amounts', `resets in ${'1m '.repeat(70_000)}x`],
    ['beginnings', 'resets in ~'.repeat(20_000)],
    ['control characters', `resets in${'\u0000'.repeat(50_000)}`],
  ])('holds nobody up when a refusal is words of many %s', async (_name, detail) => {
    await using server = await serve((response) => json(response, 429, { detail }))
    const { result, blockedMs } = await longestBlock(() =>
      replicateAt(server.url).list({ after }, recognise, never),
    )
    expect(result).toMatchObject({ kind: 'failed' })
    expect(result.kind === 'failed' && result.reason.length).toBeLessThanOrEqual(500)
    expect(blockedMs).toBeLessThan(500)
  })

  it('asks for patience when it is throttled', async () => {
    await using server = await serve((response) => json(response, 429, { detail: 'resets in ~4s' }))
    expect(await replicateAt(server.url).list({ after }, recognise, never)).toMatchObject({
      kind: 'failed',
      waitMs: 4000,
    })
  })

  it('does not go on at somebody else, who would get the token', async () => {
    await using stranger = await serve((response) => json(response, 200, { next: null, results: [] }))
    await using server = await serve((response) =>
      json(response, 200, { next: `${stranger.url}/v1/predictions?cursor=1`, results: [] }),
    )
    expect(await replicateAt(server.url).list({ after }, recognise, never)).toMatchObject({ kind: 'failed' })
    expect(stranger.received).toEqual([])
  })

  it('ends, though its pages do not', async () => {
    await using server = await serve((response) =>
      json(response, 200, { next: '?cursor=again', results: [] }),
    )
    expect(await replicateAt(server.url).list({ after }, recognise, never)).toMatchObject({ kind: 'failed' })
    expect(server.received).toHaveLength(100)
  })
})

describe("the webhooks' secret", () => {
  it('is asked for once, and again at most once a minute', async () => {
    let keys = 0
    await using server = await serve((response) => json(response, 200, { key: `whsec_KEY${++keys}` }))
    const clock = createClock()
    const { webhookSecrets } = replicateAt(server.url, { host: clock, catalogue })
    expect(await Promise.all([webhookSecrets(), webhookSecrets()])).toEqual([['whsec_KEY1'], ['whsec_KEY1']])
    expect(await webhookSecrets({ fresh: true })).toEqual(['whsec_KEY1'])
    clock.advance(60_000)
    expect(await webhookSecrets()).toEqual(['whsec_KEY1'])
    expect(await webhookSecrets({ fresh: true })).toEqual(['whsec_KEY2'])
    expect(server.received.map(({ path }) => path)).toEqual(Array(2).fill('/v1/webhooks/default/secret'))
  })

  it('is none while it cannot be read, and the last one after that', async () => {
    const answers = [{ status: 500 }, { key: 'whsec_KEY' }, { key: 'not a key' }]
    await using server = await serve((response) => json(response, 200, answers.shift()))
    const clock = createClock()
    const { webhookSecrets } = replicateAt(server.url, { host: clock })
    expect(await webhookSecrets()).toEqual([])
    expect(await webhookSecrets()).toEqual([])
    clock.advance(60_000)
    expect(await webhookSecrets()).toEqual(['whsec_KEY'])
    clock.advance(60_000)
    expect(await webhookSecrets({ fresh: true })).toEqual(['whsec_KEY'])
  })
})
