/** The real server, while thousands of connections from other clients do nothing, or nearly so. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { type Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { openSecrets } from '../../src/wire.ts'
import { silentLog } from '../harness/harness.ts'
import { type ServerProcess, startServer } from './process.ts'

let dataDir: string
let server: ServerProcess
let port: number
/** Two keys, each as the header that carries it. */
let keys: readonly string[]
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'connections-'))
  const secrets = await openSecrets(readConfig({ DATA_DIR: dataDir }), { log: silentLog })
  keys = await Promise.all(
    ['one', 'two'].map(async (name) => {
      const { secret } = await secrets.keys.createKey({ name, scopes: ['submit', 'read'] })
      return `Bearer ${secret}`
    }),
  )
  await secrets.close()
  server = await startServer(dataDir, { REQUIRE_KEYS: 'true' })
  port = Number(new URL(server.url).port)
})
afterAll(async () => {
  await server.kill('SIGKILL')
  rmSync(dataDir, { recursive: true, force: true })
})
const sockets = new Set<Socket>()
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
})

/** Connections from 127.0.0.`host` that have sent `bytes`. Some at a time: the kernel's queue is short. */
const hold = async (host: number, count: number, bytes = ''): Promise<Socket[]> => {
  const held: Socket[] = []
  while (held.length < count) {
    const some = Array.from({ length: Math.min(100, count - held.length) }, () => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${host}` })
      sockets.add(socket)
      return socket.on('error', () => {}).resume()
    })
    await Promise.all(some.map((socket) => once(socket, 'connect')))
    if (bytes !== '') for (const socket of some) socket.write(bytes)
    held.push(...some)
  }
  return held
}

/** How a client that has no connection yet is answered, and after how many milliseconds. */
const ask = async (host: number, key: string): Promise<{ status: number | undefined; ms: number }> => {
  const began = performance.now()
  const agent = new Agent({ maxSockets: 1 })
  const sent = request(`${server.url}/api/v3/jobs`, {
    agent,
    localAddress: `127.0.0.${host}`,
    headers: { authorization: key },
  }).end()
  const [response] = await once(sent, 'response')
  await text(response)
  return { status: response.statusCode, ms: performance.now() - began }
}

/** Each time; and within a second, as soon as the server has read what all the others have sent at once. */
const expectAnswered = async (host: number, key: string): Promise<void> => {
  const answered = async (): Promise<number> => {
    const { status, ms } = await ask(host, key)
    expect(status).toBe(200)
    return ms
  }
  await expect.poll(answered, { timeout: 60_000 }).toBeLessThan(1000)
}

const open = (of: readonly Socket[]): number => of.filter((socket) => !socket.closed).length

const follow = (key: string): string =>
  `GET /api/v3/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nauthorization: ${key}\r\n\r\n`

it.each([
  ['say nothing', ''],
  ['have sent half a request', 'GET /api/v3/jobs HTTP/1.1\r\nhost: localhost\r\nx: '],
  ['have had an answer without a key', 'GET /api/v3/jobs HTTP/1.1\r\nhost: localhost\r\n\r\n'],
])('a new client is answered while 2,500 that %s hold all connections', async (_name, bytes) => {
  const mine = await hold(4, 1, follow(keys[0]!))
  const many = await hold(2, 2000, bytes)
  await hold(3, 500, bytes)
  for (const host of [6, 2, 3]) await expectAnswered(host, keys[0]!)
  expect(open(mine)).toBe(1)
  expect(open(many)).toBeLessThan(1800)
})

it('a new client is answered while another address sends as many uploads at once as it can, and never ends them', async () => {
  const upload = `POST /api/v3/assets HTTP/1.1\r\nhost: localhost\r\nauthorization: ${keys[0]}\r\ncontent-type: image/jpeg\r\ncontent-length: 1000000\r\n\r\n`
  await hold(2, 2000, upload)
  await expectAnswered(3, keys[1]!)
  await expectAnswered(2, keys[1]!)
})

it('the events of one key, followed 50 times and 1,000 times over, stop no other key', async () => {
  const fifty = await hold(2, 50, follow(keys[0]!))
  const other = await hold(2, 1, follow(keys[1]!))
  expect(String((await once(other[0]!, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /)
  const many = await hold(2, 1200, follow(keys[0]!))
  const another = await hold(2, 1, follow(keys[1]!))
  expect(String((await once(another[0]!, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /)
  await expectAnswered(3, keys[1]!)
  await expectAnswered(2, keys[1]!)
  expect(open([...fifty, ...other, ...another])).toBe(52)
  for (const socket of [...many, ...fifty]) socket.destroy()
})
