/** Servers that answer what a test tells them to, and remember what they were asked. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { createServer as createRawServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { type Host, systemHost } from '../../../src/host.ts'
import { type Catalogue, readCatalogue } from '../../../src/job/catalogue.ts'
import { createGuardedFetch } from '../../../src/outbound/guarded.ts'
import type { PreparedOrder, ProviderOrder } from '../../../src/renderer/provider.ts'
import {
  createReplicate,
  type Replicate,
  type ReplicateOptions,
} from '../../../src/renderer/replicate/replicate.ts'

export interface Received {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Scripted extends AsyncDisposable {
  readonly url: string
  readonly received: Received[]
}

/** A server on this machine. */
export async function serve(
  answer: (response: ServerResponse, request: Received) => void,
): Promise<Scripted> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      const one = { method, path, headers, body: Buffer.concat(chunks).toString('latin1') }
      received.push(one)
      answer(response, one)
    })
  })
  const closed = await listening(server)
  return {
    url: `http://127.0.0.1:${closed.port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await closed[Symbol.asyncDispose]()
    },
  }
}

export interface RawServer extends AsyncDisposable {
  readonly port: number
}

/** A server that does with its connections what it likes. */
export const serveRaw = (connected: (socket: Socket) => void): Promise<RawServer> =>
  listening(
    createRawServer((socket) => {
      socket.on('error', () => undefined)
      connected(socket)
    }),
  )

/** Encrypts, with a certificate that nobody has reason to trust. */
export const serveTls = (options: { readonly key?: string; readonly cert?: string }): Promise<RawServer> =>
  listening(createTlsServer(options, (socket) => socket.on('error', () => undefined)))

async function listening(server: Server): Promise<RawServer> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** For whom a second is a few milliseconds. */
export function hurriedHost(factor: number): Host {
  return {
    ...systemHost,
    monotonic: () => systemHost.monotonic() * factor,
    sleep: (ms, signal) => systemHost.sleep(ms / factor, signal),
  }
}

const model = {
  renderer: 'replicate',
  input: { prompt: '{prompt}', image: '{first_image}', last_frame: '{last_image}', duration: '{seconds}' },
  offers: [
    {
      resolution: '720p',
      short_side: 720,
      seconds: [4, 6],
      last_image: true,
      audio: false,
      usd_per_second: 1,
    },
  ],
}

export const catalogue: Catalogue = readCatalogue({
  version: 'test',
  currency: 'USD',
  models: {
    'acme/film': model,
    'someone/community': { ...model, version: '5c7d5dc6' },
    'acme/elsewhere': { ...model, renderer: 'another' },
  },
})

export const token = 'r8_secretsecretsecret'

export const replicateAt = (baseUrl: string, options: Partial<ReplicateOptions> = {}): Replicate =>
  createReplicate({
    baseUrl,
    token,
    maxConcurrency: 4,
    startDelayMs: 1000,
    catalogue,
    inputUrl: undefined,
    webhookUrl: undefined,
    host: systemHost,
    fetchOutside: createGuardedFetch({ allowed: [] }).fetch,
    ...options,
  })

export const attemptId = '0199aaaa-0000-7000-8000-000000000001'

export const order: ProviderOrder = {
  attemptId,
  mark: `attempt-${attemptId}`,
  model: 'acme/film',
  prompt: 'A slow walk through the garden',
  settings: { seconds: 6, resolution: '720p', aspect_ratio: '16:9', audio: false },
  format: { width: 1280, height: 720, fps: 24 },
  images: [],
}

export const prepared: PreparedOrder = {
  model: 'acme/film',
  attemptId,
  input: { prompt: 'A slow walk', image: `https://ours.example/a/${order.mark}/0` },
  marks: [order.mark],
}

export const never = new AbortController().signal

export const renderId = 'gm3qorzdhgbfurvjtvhg6dckhu'

/** A prediction as Replicate tells it. */
export const told = (members: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: renderId,
  model: 'acme/film',
  version: 'hidden',
  status: 'processing',
  created_at: '2026-11-25T10:00:00.123456Z',
  completed_at: null,
  data_removed: false,
  error: null,
  input: { prompt: 'A slow walk', image: `https://ours.example/a/${order.mark}/0` },
  output: null,
  logs: '',
  ...members,
})
