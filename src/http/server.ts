/** The app on a port: everything a client can hold on to has a limit or a deadline, and closing ends. */
import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse, createServer } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { type Http2Bindings, type HttpBindings, getRequestListener } from '@hono/node-server'
import { type Host, systemHost } from '../host.ts'
import { dataPolicy, securityHeaders } from './headers.ts'
import { HttpProblem, type ProblemStatus, problemBody } from './problem.ts'

export interface Listening {
  /** Where the server is reached, such as `http://127.0.0.1:4000`. */
  readonly url: string
  readonly port: number
  /** Takes no more requests, gives those that run `graceMs` to end, then cuts them off. */
  close(options: { readonly graceMs: number }): Promise<void>
}

export interface ListenOptions {
  /** An address or a name of this machine. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly time?: Host
  readonly limits?: Partial<typeof standardLimits>
}

const standardLimits = {
  /** A client that dribbles its headers must not keep a socket (slow loris). */
  headersMs: 10_000,
  /** 100 MB in this time is 2.7 Mbit/s. */
  requestMs: 300_000,
  keepAliveMs: 10_000,
  /** Nothing sent and nothing taken for so long: a client that is gone without saying so. */
  silenceMs: 120_000,
  /** The client of an event stream that takes nothing for so long is cut off. Longer than the stream is ever silent. */
  stallMs: 30_000,
  checkEveryMs: 2_000,
  connections: 2_000,
}

/** Serves the app. Rejects where the port can't be taken. */
export async function listen(
  app: { readonly fetch: (request: Request, bindings?: object) => Response | Promise<Response> },
  { host, port, time = systemHost, ...options }: ListenOptions,
): Promise<Listening> {
  const limits = { ...standardLimits, ...options.limits }
  let closing = false
  /** How many requests run on each connection: Node's own list of idle ones lacks those that never sent any. */
  const running = new Map<Socket, number>()
  /** Answers that never end by themselves. */
  const endless = new Set<Http2Bindings['outgoing'] | ServerResponse>()
  const fetch = async (request: Request, bindings: HttpBindings | Http2Bindings) => {
    const { incoming, outgoing } = bindings
    const response = await app.fetch(request, bindings)
    if (response.body && response.headers.get('content-type')?.startsWith('text/event-stream')) {
      if (closing) {
        await response.body.cancel()
        return plainAnswer(new HttpProblem(503, { error: 'Unavailable', reason: 'The server is stopping' }))
      }
      endless.add(outgoing)
      outgoing.once('close', () => endless.delete(outgoing))
      incoming.socket.setTimeout(limits.stallMs)
    }
    if (!incoming.complete) {
      // What is left of the body must not be taken for the next request.
      response.headers.set('connection', 'close')
      linger(incoming)
    }
    return response
  }
  const answer = getRequestListener(fetch, {
    // The Request and Response of the program that embeds us are its own.
    overrideGlobalObjects: false,
    errorHandler: (error) => plainAnswer(badHttp(400, error instanceof Error ? error.message : 'unreadable')),
  })
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      // Answered by the error handler, with words.
      requireHostHeader: false,
    },
    (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      running.set(socket, (running.get(socket) ?? 0) + 1)
      response.once('close', () => {
        const left = (running.get(socket) ?? 1) - 1
        if (running.has(socket)) running.set(socket, left)
        if (closing && left === 0) socket.destroySoon()
      })
      void answer(request, response)
    },
  )
  server.on('connection', (socket: Socket) => {
    running.set(socket, 0)
    socket.once('close', () => running.delete(socket))
  })
  server.maxConnections = limits.connections
  server.timeout = limits.silenceMs
  server.on('clientError', answerBadHttp)

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const taken = portOf(server)
  return {
    port: taken,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    async close({ graceMs }) {
      closing = true
      const ended = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const [socket, requests] of running) if (requests === 0) socket.destroy()
      // One that takes nothing would not take its end either.
      for (const outgoing of endless)
        if (outgoing.writableNeedDrain) outgoing.destroy()
        else outgoing.end()
      const done = new AbortController()
      void ended.then(() => done.abort())
      await time.sleep(graceMs, done.signal)
      server.closeAllConnections()
      await ended
    },
  }
}

/**
 * Closing at once resets the connection of a client that still sends, and may take the answer from it. It is
 * told the end instead, and what it sends is read for as long as the adapter does (half a second).
 */
function linger(incoming: Readable & Pick<IncomingMessage, 'complete' | 'method' | 'socket'>): void {
  const { method, socket } = incoming
  // The adapter reads on for these only.
  if (method === 'GET' || method === 'HEAD') return
  const { destroySoon } = socket
  socket.destroySoon = () => {
    socket.destroySoon = destroySoon
    if (incoming.complete) return socket.destroySoon()
    socket.end()
    incoming.once('end', () => socket.destroySoon())
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

const plainAnswer = (problem: HttpProblem): Response => {
  const { body, contentType } = problemBody(problem, undefined)
  return new Response(body, { status: problem.status, headers: plainHeaders(contentType) })
}

const plainHeaders = (contentType: string): Readonly<Record<string, string>> => ({
  'content-type': contentType,
  'content-security-policy': dataPolicy,
  ...securityHeaders,
})

const badHttp = (status: ProblemStatus, reason: string): HttpProblem =>
  new HttpProblem(status, { error: 'Bad request', reason })

/** What isn't HTTP, or came too slowly, never becomes a request: it is answered on the socket. */
function answerBadHttp(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? badHttp(431, 'The headers are too large')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? badHttp(408, 'The request took too long to arrive')
        : badHttp(400, 'The request is not HTTP/1.1')
  const { body, contentType } = problemBody(problem, undefined)
  const headers = Object.entries(plainHeaders(contentType)).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${headers.join('')}` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
