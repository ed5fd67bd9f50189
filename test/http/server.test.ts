/** Over a real socket: what clients do to one, and how closing ends. */
import { once } from 'node:events'
import { type ClientRequest, Agent, request as httpRequest } from 'node:http'
import { type Socket, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { sha256 } from '../harness/ask.ts'

let harness: AppHarness
let server: Listening
beforeAll(async () => {
  harness = await openAppHarness()
  server = await listen(harness.app, { host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await harness.close()
})

const dial = (): Socket => connect({ port: server.port, host: '127.0.0.1' })

/** Sends bytes as they are and reads until the server closes. */
async function exchange(bytes: string): Promise<string> {
  const socket = dial()
  socket.write(bytes)
  return text(socket)
}

test('the app is served where it says', async () => {
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
  const response = await fetch(`${server.url}/livez`)
  expect(await response.json()).toEqual({ status: 'alive' })
})

test('a client that dribbles, or says nothing, is cut off', async () => {
  const impatient = await listen(harness.app, {
    host: '127.0.0.1',
    port: 0,
    limits: { headersMs: 100, checkEveryMs: 20, silenceMs: 300 },
  })
  const dribbling = connect({ port: impatient.port, host: '127.0.0.1' })
  dribbling.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n')
  const drops = setInterval(() => dribbling.write('x: y\r\n'), 20)
  const answer = await text(dribbling)
  clearInterval(drops)
  expect(answer).toMatch(/^HTTP\/1.1 408 /)
  expect(answer).toContain('took too long to arrive')
  const silent = connect({ port: impatient.port, host: '127.0.0.1' })
  await once(silent.resume(), 'close')
  await impatient.close({ graceMs: 0 })
})

test('a port that is taken is an error and not a silence', async () => {
  await expect(listen(harness.app, { host: '127.0.0.1', port: server.port })).rejects.toMatchObject({
    code: 'EADDRINUSE',
    message: `Another program listens at 127.0.0.1:${server.port}: stop it, or set another PORT`,
  })
})

test('a probe by HTTP/1.0 names no host', async () => {
  expect(await exchange('GET /livez HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /)
})

describe('what is not HTTP is answered and closed', () => {
  test.each([
    ['nonsense', 'nonsense\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['no host', 'GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
    ['a host that is none', 'GET /livez HTTP/1.1\r\nhost: a b/c\r\nconnection: close\r\n\r\n', 400],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx',
      400,
    ],
    ['a foreign host', 'GET /api/v3/jobs HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n', 421],
  ])('%s', async (_name, bytes, status) => {
    const answer = await exchange(bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    if (answer.includes('content-length: 0')) return
    expect(answer).toContain('"error":')
    expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff\r\n')
  })
})

const post = (path: string, headers: Record<string, string | number>): ClientRequest =>
  httpRequest(`${server.url}${path}`, { method: 'POST', headers, agent: new Agent({ keepAlive: true }) })

const answerOf = async (sent: ClientRequest) => {
  const [response] = await once(sent, 'response')
  return { status: response.statusCode, answer: JSON.parse(await text(response)) }
}

describe('a body over the limit', () => {
  test('by its length is refused before it is sent', async () => {
    const sent = post('/api/v3/assets', { 'content-type': 'image/jpeg', 'content-length': 200 << 20 })
    sent.on('error', () => {})
    sent.flushHeaders()
    const { status, answer } = await answerOf(sent)
    expect(status).toBe(413)
    expect(answer.limit_bytes).toBe(100 << 20)
    sent.destroy()
  })

  test('without a length is refused, and the connection ends', async () => {
    const sent = post('/api/v3/jobs', { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
    const failed = new Promise<void>((resolve) => sent.on('error', () => resolve()))
    const closed = new Promise<void>((resolve) => sent.on('close', () => resolve()))
    const piece = Buffer.alloc(256 << 10, 0x20)
    const going = setInterval(() => sent.write(piece), 1)
    const { status } = await answerOf(sent)
    expect(status).toBe(413)
    // Whoever goes on sending is cut off rather than listened to for ever.
    await Promise.race([failed, closed])
    clearInterval(going)
    sent.destroy()
  })
})

test('a refused upload is read to its end, so that the client sees why, and the connection serves on', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ports = new Set<number | undefined>()
  for (let round = 0; round < 3; round++) {
    const sent = httpRequest(`${server.url}/api/v3/assets`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      agent,
    })
    sent.end(Buffer.alloc(5 << 20, 1))
    const [response] = await once(sent, 'response')
    ports.add(response.socket.localPort)
    expect(response.statusCode).toBe(422)
    await text(response)
  }
  expect(ports.size).toBe(1)
  agent.destroy()
})

test('a download that breaks off closes its file', async () => {
  const film = new Uint8Array(20 << 20).fill(7)
  const { job_id } = await harness.job()
  await harness.finish(job_id, film)
  let closed!: () => void
  const closing = new Promise<void>((resolve) => (closed = resolve))
  let read = 0
  const app = harness.appWith({
    artifacts: {
      ...harness.artifacts,
      read: async (...asked) => {
        const bytes = await harness.artifacts.read(...asked)
        return (async function* () {
          try {
            for await (const chunk of bytes) {
              read += chunk.length
              yield chunk
            }
          } finally {
            closed()
          }
        })()
      },
    },
  })
  const other = await listen(app, { host: '127.0.0.1', port: 0 })
  const address = `${other.url}/api/v3/videos/${job_id}/combined`
  const socket = connect({ port: other.port, host: '127.0.0.1' })
  socket.write(`GET ${new URL(address).pathname} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  await once(socket, 'data')
  socket.pause()
  socket.destroy()
  await closing
  expect(read).toBeLessThan(film.length)
  const whole = await fetch(address)
  expect(sha256(new Uint8Array(await whole.arrayBuffer()))).toBe(sha256(film))
  await other.close({ graceMs: 0 })
})

/** An app whose answer waits until it is let go. */
const slow = () => {
  const begun = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const app = {
    fetch: async () => {
      begun.resolve()
      await go.promise
      return new Response('done')
    },
  }
  return { app, begun: begun.promise, go: go.resolve }
}

describe('closing', () => {
  test('ends idle connections at once', async () => {
    const other = await listen(harness.app, { host: '127.0.0.1', port: 0 })
    const agent = new Agent({ keepAlive: true })
    const sent = httpRequest(`${other.url}/livez`, { agent }).end()
    const [response] = await once(sent, 'response')
    await text(response)
    const idle = connect({ port: other.port, host: '127.0.0.1' })
    await once(idle, 'connect')
    const began = performance.now()
    await other.close({ graceMs: 60_000 })
    expect(performance.now() - began).toBeLessThan(5000)
    agent.destroy()
  })

  test('lets a request that runs come to its answer, and then ends its connection', async () => {
    const { app, begun, go } = slow()
    const other = await listen(app, { host: '127.0.0.1', port: 0 })
    const agent = new Agent({ keepAlive: true })
    const sent = httpRequest(other.url, { agent }).end()
    await begun
    const closed = other.close({ graceMs: 60_000 })
    go()
    const [response] = await once(sent, 'response')
    expect(await text(response)).toBe('done')
    await closed
    agent.destroy()
  })

  test('cuts off what takes longer than the grace time', async () => {
    const { app, begun } = slow()
    const other = await listen(app, { host: '127.0.0.1', port: 0 })
    const sent = httpRequest(other.url).end()
    const failed = once(sent, 'error')
    await begun
    await other.close({ graceMs: 20 })
    expect(await failed).toMatchObject([{ message: 'socket hang up' }])
  })
})
