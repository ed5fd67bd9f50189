/** Over real sockets from several addresses of this machine: who may hold how many, and who goes first. */
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ListenOptions, type Listening, listen } from '../../src/http/edge/server.ts'
import { isShort } from '../quick.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'

let harness: AppHarness
let server: Listening
beforeAll(async () => {
  harness = await openAppHarness()
})
afterAll(() => harness.close())
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close({ graceMs: 0 })
})

const start = async (
  limits: NonNullable<ListenOptions['limits']>,
  app: Parameters<typeof listen>[0] = harness.app,
) => {
  server = await listen(app, { host: '127.0.0.1', port: 0, limits })
}

/** A connection from 127.0.0.`host`, as soon as the server has it. */
const dial = async (host: number, bytes = ''): Promise<Socket> => {
  const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: `127.0.0.${host}` })
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (bytes) socket.write(bytes)
  return socket
}

const dialMany = async (host: number, count: number, bytes = ''): Promise<Socket[]> => {
  const many = []
  for (let index = 0; index < count; index++) many.push(await dial(host, bytes))
  return many
}

const livez = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n'
const askOnce = `${livez}connection: close\r\n\r\n`

/** The status with which a new client is answered; undefined where it is cut off. */
const ask = async (host: number): Promise<string | undefined> =>
  /^HTTP\/1.1 (\d+)/.exec(await text(await dial(host, askOnce)).catch(() => ''))?.[1]

/** Which of them the server has closed. */
const closedOf = (of: readonly Socket[]): readonly number[] =>
  of.flatMap((socket, index) => (socket.readableEnded || socket.destroyed ? [index] : []))

const closing = async (of: readonly Socket[], expected: readonly number[]): Promise<void> => {
  for (const socket of of) socket.resume()
  await expect.poll(() => closedOf(of)).toEqual(expected)
}

/** An app whose answers wait until they are let go. */
const waiting = () => {
  const go = Promise.withResolvers<void>()
  let begun = 0
  const app = {
    fetch: async () => {
      begun++
      await go.promise
      return new Response('done')
    },
  }
  return { app, go: go.resolve, begun: (count: number) => expect.poll(() => begun).toBe(count) }
}

describe('where there is no room for another connection', () => {
  test('the one that has rested longest of the address with most is closed, and nobody else’s', async () => {
    await start({ connections: 8, connectionsPerAddress: 8 })
    const few = await dialMany(2, 2)
    const many = await dialMany(3, 6)
    await once(await dial(4, `${livez}\r\n`), 'data')
    await closing(many, [0])
    await dial(5)
    await closing(many, [0, 1])
    expect(closedOf(few)).toEqual([])
  })

  test('half a request rests, too, and one that was used comes after one that was not', async () => {
    await start({ connections: 3, connectionsPerAddress: 3 })
    const used = await dial(2)
    const halves = await dialMany(2, 2, livez)
    used.write(`${livez}\r\n`)
    await once(used, 'data')
    await dialMany(3, 2)
    await closing([used, ...halves], [1, 2])
  })

  test('a request that is worked on is not broken off: with nothing at rest the new one is refused, clearly', async () => {
    const { app, go, begun } = waiting()
    await start({ connections: 3, connectionsPerAddress: 3 }, app)
    const busy = await dialMany(2, 3, askOnce)
    await begun(3)
    const answer = await text(await dial(3, askOnce))
    expect(answer).toMatch(/^HTTP\/1.1 503 Service Unavailable\r\n/)
    expect(answer).toContain('"error":"Too many connections"')
    expect(answer.toLowerCase()).toContain('retry-after: 5\r\n')
    go()
    for (const socket of busy) expect(await text(socket)).toContain('done')
    await begun(3)
  })

  test('an answer that its client does not take is closed before a new one is refused', async () => {
    const endless = {
      fetch: async () =>
        new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(1 << 20)) })),
    }
    await start({ connections: 3, connectionsPerAddress: 3, stallMs: 100, checkEveryMs: 20 }, endless)
    const taking = await dialMany(2, 2, askOnce)
    for (const socket of taking) socket.resume()
    const stalled = await dial(2, askOnce)
    stalled.pause()
    await expect
      .poll(async () => {
        const socket = await dial(3, askOnce)
        const [first] = await once(socket, 'data')
        socket.destroy()
        return String(first).slice(0, 12)
      })
      .toBe('HTTP/1.1 200')
    expect(closedOf(taking)).toEqual([])
  })
})

describe('one address', () => {
  test('has no more than its share, and gives up its own for a new one of its own', async () => {
    await start({ connections: 100, connectionsPerAddress: 4 })
    const many = await dialMany(2, 4)
    expect(await ask(2)).toBe('200')
    await closing(many, [0])
  })

  test('with nothing at rest is refused, and no other', async () => {
    const { app, go, begun } = waiting()
    await start({ connections: 100, connectionsPerAddress: 2 }, app)
    await dialMany(2, 2, askOnce)
    await begun(2)
    expect(await ask(2)).toBe('503')
    const other = ask(3)
    await begun(3)
    go()
    expect(await other).toBe('200')
  })

  test('has its room back when its connections have ended', async () => {
    await start({ connections: 100, connectionsPerAddress: 2 })
    for (let round = 0; round < 10; round++) expect(await ask(2)).toBe('200')
    const two = await dialMany(2, 2)
    for (const socket of two) socket.destroy()
    const others = await dialMany(2, 2, `${livez}\r\n`)
    for (const socket of others) await once(socket, 'data')
    expect(closedOf(others)).toEqual([])
  })
})

describe('a body', () => {
  const impatient = { bodyMs: 300, bodyBytes: 1000, checkEveryMs: 20 }
  const upload = (length: number): string =>
    `POST /api/v3/assets HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\ncontent-length: ${length}\r\n\r\n`

  test.each([
    ['of which nothing comes', 0],
    ['that dribbles', 1],
  ])('%s is ended, and told so', async (_name, drop) => {
    await start(impatient)
    const socket = await dial(2, upload(100_000))
    const drops = setInterval(() => socket.write(Buffer.alloc(drop)), 20)
    const answer = await text(socket)
    clearInterval(drops)
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(answer).toContain('The body took too long to arrive')
  })

  test.skipIf(isShort)('that goes on is taken, however long it takes', async () => {
    await start({ ...impatient, requestMs: 60_000 })
    const socket = await dial(2, upload(20_000))
    const answered = once(socket, 'data')
    let sent = 0
    const pieces = setInterval(() => {
      socket.write(Buffer.alloc(500))
      sent += 500
      if (sent === 20_000) clearInterval(pieces)
    }, 40)
    const [answer] = await answered
    expect(sent).toBe(20_000)
    expect(String(answer)).toMatch(/^HTTP\/1.1 422 /)
  })

  test.skipIf(isShort)('that waits for the server is not taken for slow', async () => {
    const go = Promise.withResolvers<void>()
    const app = {
      fetch: async (request: Request) => {
        await go.promise
        return new Response(String((await request.arrayBuffer()).byteLength))
      },
    }
    await start(impatient, app)
    const socket = await dial(2, upload(1 << 20))
    socket.write(Buffer.alloc(1 << 20))
    const answered = once(socket, 'data')
    await new Promise((resolve) => setTimeout(resolve, 1000))
    go.resolve()
    expect(String((await answered)[0])).toContain(String(1 << 20))
  })
})
