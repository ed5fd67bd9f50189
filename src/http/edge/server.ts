/** Serves the app on a port: everything a client can hold has a limit or a deadline, and closing ends. */
import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse, createServer } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { type Http2Bindings, type HttpBindings, getRequestListener } from '@hono/node-server'
import { type Host, atMost, systemHost } from '../../host.ts'
import { createConnections } from './connections.ts'
import { dataPolicy, securityHeaders } from './headers.ts'
import { HttpProblem, type ProblemStatus, problemBody } from './problem.ts'

export interface Listening {
  /** The server's base URL, such as `http://127.0.0.1:4000`. */
  readonly url: string
  readonly port: number
  /** Stops accepting requests, gives running ones `graceMs` to end, then aborts them. */
  close(options: { readonly graceMs: number }): Promise<void>
}

export interface ListenOptions {
  /** An address or name of this machine. */
  readonly host: string
  /** 0 chooses a free port. */
  readonly port: number
  readonly time?: Host
  readonly limits?: Partial<typeof standardLimits>
}

const standardLimits = {
  /** A client that sends its headers very slowly must not keep a socket (slow loris). */
  headersMs: 10_000,
  /** 100 MB in this time is 230 kbit/s. */
  requestMs: 3_600_000,
  bodyMs: 30_000,
  /** Within `bodyMs`: 4 kbit/s. */
  bodyBytes: 16 << 10,
  keepAliveMs: 10_000,
  /** After this silence in both directions, the client is gone without having closed. */
  silenceMs: 120_000,
  /**
   * An event stream whose client accepts no bytes for this time is aborted. Longer than a stream is ever
   * silent.
   */
  stallMs: 30_000,
  checkEveryMs: 2_000,
  connections: 2_000,
  connectionsPerAddress: 1_800,
}

const probes = new Set(['/livez', '/readyz'])

/** Serves the app. Rejects if the port is not free. */
export async function listen(
  app: { readonly fetch: (request: Request, bindings?: object) => Response | Promise<Response> },
  { host, port, time = systemHost, ...options }: ListenOptions,
): Promise<Listening> {
  const limits = { ...standardLimits, ...options.limits }
  let closing = false
  /** Node's own list of idle connections omits those that never sent a request. */
  const connections = createConnections(limits, time)
  /** Answers that do not end by themselves. */
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
      // The rest of the body must not be parsed as the next request.
      response.headers.set('connection', 'close')
      linger(incoming)
    }
    return response
  }
  const answer = getRequestListener(fetch, {
    // An embedding program keeps its own Request and Response.
    overrideGlobalObjects: false,
    errorHandler: (error) => plainAnswer(badHttp(400, error instanceof Error ? error.message : 'unreadable')),
  })
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      // The error handler answers this with a reason.
      requireHostHeader: false,
    },
    (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      // In HTTP/1.0 a probe may send no Host.
      if (request.httpVersion === '1.0' && probes.has(request.url ?? '')) request.headers.host ??= 'localhost'
      // The connection was answered or closed before its request was read.
      if (!connections.begin(request, response)) return
      response.once('close', () => {
        const left = connections.end(socket)
        if (closing && left === 0) socket.destroySoon()
      })
      void answer(request, response)
    },
  )
  server.on('connection', (socket: Socket) => {
    if (!connections.admit(socket)) answerOnSocket(socket, tooManyConnections)
  })
  server.timeout = limits.silenceMs
  server.on('clientError', answerBadHttp)

  await new Promise<void>((resolve, reject) => {
    const refuse = (error: Error): void => reject(asListenError(error, host, port))
    server.once('error', refuse)
    server.listen(port, host, () => {
      server.off('error', refuse)
      resolve()
    })
  })
  const closed = new AbortController()
  const lookOften = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await time.sleep(limits.checkEveryMs, closed.signal)
      for (const { socket, isUnanswered } of connections.look())
        if (isUnanswered) answerOnSocket(socket, tooSlow('body'))
        else socket.destroy()
    }
  }
  void lookOften()
  const boundPort = portOf(server)
  return {
    port: boundPort,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    async close({ graceMs }) {
      closing = true
      closed.abort()
      const ended = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of connections.resting()) socket.destroy()
      // A client that accepts no bytes would not accept the stream's end either.
      for (const outgoing of endless)
        if (outgoing.writableNeedDrain) outgoing.destroy()
        else outgoing.end()
      await atMost(time, graceMs, ended)
      server.closeAllConnections()
      await ended
    },
  }
}

/**
 * Closing at once would reset the connection of a client that is still sending, which may lose the answer.
 * Instead, the answer's end is sent, and the adapter reads the rest of the body for half a second.
 */
function linger(incoming: Readable & Pick<IncomingMessage, 'complete' | 'method' | 'socket'>): void {
  const { method, socket } = incoming
  // The adapter reads on only for other methods.
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

const tooSlow = (what: 'request' | 'body'): HttpProblem => badHttp(408, `The ${what} took too long to arrive`)

const tooManyConnections = new HttpProblem(
  503,
  {
    error: 'Too many connections',
    reason: 'All are in use. Close those that you do not need, or send the request again later',
  },
  { headers: { 'retry-after': '5' } },
)

/** What is not HTTP, or arrives too slowly, never becomes a request: it is answered on the socket. */
function answerBadHttp(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? badHttp(431, 'The headers are too large')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? tooSlow('request')
        : badHttp(400, 'The request is not HTTP/1.1')
  answerOnSocket(socket, problem)
}

function answerOnSocket(socket: Duplex, problem: HttpProblem): void {
  const { body, contentType } = problemBody(problem, undefined)
  const headers = Object.entries({ ...plainHeaders(contentType), ...problem.headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${headers.join('')}` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

/** Says what to do about a port that is taken. */
function asListenError(error: Error, host: string, port: number): Error {
  if (!('code' in error) || error.code !== 'EADDRINUSE') return error
  const message = `Another program listens at ${host}:${port}: stop it, or set another PORT`
  return Object.assign(new Error(message, { cause: error }), { code: error.code })
}
