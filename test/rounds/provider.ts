/**
 * A second provider, written from Replicate's public documentation alone: its paths, bodies, states, webhooks and bill share
 * no line with the client that is tried against it, nor with the fake of src/fake-replicate. Its faults are those of a real
 * network and of a service in trouble. All times are the fast clock's.
 */
import { clipOf } from './clip.ts'
import { createHmac, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fastNow, speed } from './clock.ts'

type Status = 'starting' | 'processing' | 'succeeded' | 'failed' | 'canceled'

interface Prediction {
  readonly id: string
  readonly createdAt: number
  readonly input: Record<string, unknown>
  readonly model: string
  readonly webhook: string | undefined
  readonly events: readonly string[]
  status: Status
  startedAt: number | null
  completedAt: number | null
  error: string | null
  /** From when on reads show the output. */
  shownAt: number
  /** From when on the list has it. */
  listedAt: number
  /** Reads that are still answered from before the end. */
  staleReads: number
  missingReads: number
  /** Requests for its clip that are still answered badly. */
  badFetches: number
  readonly shape: number
}

/** A copy of what the provider knows, for the comparison at the end. */
export interface Made {
  readonly id: string
  readonly prompt: string
  readonly status: Status
  readonly createdAt: number
  readonly completedAt: number | null
  readonly billedMicros: number
}

export interface RoundsProvider {
  readonly url: string
  /** Faults drawn and shown so far. */
  faults(): number
  made(): readonly Made[]
  /** From now on nothing goes wrong. */
  calm(): void
  close(): Promise<void>
}

export interface ProviderOptions {
  readonly random: () => number
  /** A whole clip, as long as all models' are. */
  readonly clip: Uint8Array
  readonly token: string
  /** For each clip that was rendered, or cancelled while it was. */
  readonly microsPerClip: number
}

const second = 1000
const webhookKey = Buffer.from('the rounds sign with this key')
const wait = (ms: number): Promise<void> => sleep(ms / speed)

export async function openProvider({
  random,
  clip,
  token,
  microsPerClip,
}: ProviderOptions): Promise<RoundsProvider> {
  const predictions = new Map<string, Prediction>()
  const files = new Map<string, Buffer>()
  let isCalm = false
  let faults = 0
  let url = ''
  let outageUntil = 0
  /** Whether a fault of this chance strikes now. */
  const strikes = (chance: number): boolean => {
    const struck = !isCalm && random() < chance
    if (struck) faults++
    return struck
  }
  const between = (least: number, most: number): number => least + random() * (most - least)

  const isEnded = ({ status }: Prediction): boolean =>
    status === 'succeeded' || status === 'failed' || status === 'canceled'

  const stamp = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

  const outputOf = ({ id, shape }: Prediction): unknown => {
    const video = `${url}/delivery/${id}/out.mp4`
    const preview = `${url}/delivery/${id}/preview.png`
    return [video, [video], { video }, { thumbnail: preview, video }, [preview, video]][shape]
  }

  const shown = (one: Prediction): object => ({
    id: one.id,
    model: one.model,
    version: 'hidden',
    input: one.input,
    logs: '',
    output: one.status === 'succeeded' && fastNow() >= one.shownAt ? outputOf(one) : null,
    data_removed: false,
    error: one.error,
    status: one.status,
    source: 'api',
    created_at: stamp(one.createdAt),
    started_at: stamp(one.startedAt),
    completed_at: stamp(one.completedAt),
    metrics: one.completedAt === null ? {} : { total_time: 1 },
    urls: { get: `${url}/v1/predictions/${one.id}`, cancel: `${url}/v1/predictions/${one.id}/cancel` },
  })

  const before = (one: Prediction): object => ({
    ...shown(one),
    status: 'starting',
    output: null,
    completed_at: null,
  })

  const post = async (target: string, id: string, body: string, key: Buffer): Promise<boolean> => {
    const timestamp = String(Math.floor(fastNow() / second))
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
    const response = await fetch(target, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      signal: AbortSignal.timeout(5 * second),
    }).catch(() => undefined)
    await response?.body?.cancel()
    return response?.ok ?? false
  }

  /** Replicate retries the last event alone. */
  const tell = async (one: Prediction, event: string): Promise<void> => {
    if (one.webhook === undefined || !one.events.includes(event) || strikes(0.25)) return
    const id = `msg_${one.id}_${event}`
    const body = JSON.stringify(shown(one))
    if (strikes(0.2)) await wait(between(1, 40) * second)
    if (strikes(0.1))
      await post(
        one.webhook,
        `msg_forged_${one.id}`,
        JSON.stringify({ ...shown(one), status: 'failed', error: 'forged' }),
        randomBytes(24),
      )
    if (strikes(0.2)) await post(one.webhook, id, body, webhookKey)
    for (const again of event === 'completed' ? [0, 5, 10, 20] : [0]) {
      await wait(again * second)
      if (await post(one.webhook, id, body, webhookKey)) return
    }
  }

  const pictureOf = async (given: unknown): Promise<Buffer | undefined> => {
    if (typeof given !== 'string') return undefined
    if (given.startsWith('data:')) return Buffer.from(given.slice(given.indexOf(',') + 1), 'base64')
    const file = files.get(given)
    if (file) return file
    // The server that has it may be down for a moment.
    for (let tries = 0; tries < 20; tries++) {
      const response = await fetch(given, { signal: AbortSignal.timeout(5 * second) }).catch(() => undefined)
      if (response?.ok) return Buffer.from(await response.arrayBuffer())
      await response?.body?.cancel()
      await wait(5 * second)
    }
    return undefined
  }

  const end = (one: Prediction, status: Status, error: string | null): void => {
    one.status = status
    one.error = error
    one.completedAt = fastNow()
    one.shownAt = one.completedAt + (strikes(0.15) ? between(1, 20) * second : 0)
    one.staleReads = strikes(0.15) ? 1 + Math.floor(random() * 3) : 0
    one.missingReads = strikes(0.1) ? 1 : 0
    one.badFetches = strikes(0.2) ? 1 + Math.floor(random() * 2) : 0
    void tell(one, 'completed')
  }

  const live = async (one: Prediction, cancelAfterMs: number): Promise<void> => {
    await wait(between(0.2, 4) * second)
    const picture = await pictureOf(one.input['image'])
    if (isEnded(one)) return
    if (picture === undefined) return end(one, 'failed', 'The image could not be downloaded')
    one.status = 'processing'
    one.startedAt = fastNow()
    void tell(one, 'start')
    await wait(Math.min(between(2, 25) * second, cancelAfterMs))
    if (isEnded(one)) return
    if (strikes(0.05)) return end(one, 'failed', 'CUDA out of memory')
    end(one, 'succeeded', null)
  }

  const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
    response.writeHead(status, {
      'content-type': 'application/json',
      date: new Date(fastNow()).toUTCString(),
      ...headers,
    })
    response.end(JSON.stringify(body))
  }
  const problem = (response: ServerResponse, status: number, title: string, detail: string): void =>
    json(response, status, { title, detail, status })

  /** True where it has been dealt with. */
  const breaks = async (response: ServerResponse, chance: number): Promise<boolean> => {
    if (!strikes(chance)) return false
    const kind = Math.floor(random() * 4)
    if (kind === 0) response.destroy()
    else if (kind === 1) problem(response, 500, 'Internal server error', 'Something went wrong')
    else if (kind === 2) {
      response.writeHead(502, { 'content-type': 'text/html', date: new Date(fastNow()).toUTCString() })
      response.end('<html><body>Bad gateway</body></html>')
    } else {
      await wait(90 * second)
      response.destroy()
    }
    return true
  }

  const create = async (request: IncomingMessage, response: ServerResponse, model: string): Promise<void> => {
    const body = JSON.parse(String(await buffer(request))) as {
      input: Record<string, unknown>
      webhook?: string
      webhook_events_filter?: string[]
    }
    if (strikes(0.08))
      return problem(
        response,
        429,
        'Too many requests',
        'Request was throttled. Expected available in 1 second.',
      )
    if (await breaks(response, 0.06)) return
    const createdAt = fastNow()
    const one: Prediction = {
      id: randomBytes(20).toString('hex').slice(0, 26),
      createdAt,
      input: body.input,
      model,
      webhook: body.webhook,
      events: body.webhook_events_filter ?? ['start', 'output', 'logs', 'completed'],
      status: 'starting',
      startedAt: null,
      completedAt: null,
      error: null,
      shownAt: 0,
      listedAt: createdAt + (strikes(0.2) ? between(1, 45) * second : 0),
      staleReads: 0,
      missingReads: 0,
      badFetches: 0,
      shape: Math.floor(random() * 5),
    }
    predictions.set(one.id, one)
    const cancelAfter = /^(\d+)s$/.exec(String(request.headers['cancel-after'] ?? ''))
    void live(one, cancelAfter ? Number(cancelAfter[1]) * second : Number.POSITIVE_INFINITY)
    // Accepted, and the answer is lost.
    if (await breaks(response, 0.1)) return
    if (strikes(0.04)) {
      response.writeHead(201, { 'content-type': 'application/json', date: new Date(fastNow()).toUTCString() })
      response.write(JSON.stringify(before(one)).slice(0, 40))
      await wait(100)
      response.destroy()
      return
    }
    json(response, 201, before(one))
  }

  const read = async (response: ServerResponse, one: Prediction | undefined): Promise<void> => {
    if (await breaks(response, 0.08)) return
    if (one === undefined || one.missingReads-- > 0)
      return problem(response, 404, 'Not found', 'The requested resource could not be found.')
    json(response, 200, one.staleReads-- > 0 ? before(one) : shown(one))
  }

  const cancel = async (response: ServerResponse, one: Prediction | undefined): Promise<void> => {
    if (await breaks(response, 0.08)) return
    if (one === undefined)
      return problem(response, 404, 'Not found', 'The requested resource could not be found.')
    if (isEnded(one)) {
      const status = [200, 404, 409, 422][Math.floor(random() * 4)]!
      return status === 200
        ? json(response, 200, shown(one))
        : problem(response, status, 'No', 'The prediction has already ended')
    }
    end(one, 'canceled', null)
    json(response, 200, shown(one))
  }

  const pageLength = 3

  const list = async (response: ServerResponse, query: URLSearchParams): Promise<void> => {
    if (await breaks(response, 0.06)) return
    const after = Date.parse(query.get('created_after') ?? '') || 0
    const until = Date.parse(query.get('created_before') ?? '') || Number.POSITIVE_INFINITY
    const from = Number(query.get('cursor') ?? 0)
    const found = [...predictions.values()]
      .filter(({ createdAt, listedAt }) => createdAt >= after && createdAt <= until && listedAt <= fastNow())
      .toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    const rest = new URLSearchParams(query)
    rest.set('cursor', String(from + pageLength))
    json(response, 200, {
      previous: null,
      next: found.length > from + pageLength ? `${url}/v1/predictions?${rest.toString()}` : null,
      results: found.slice(from, from + pageLength).map((one) => ({ ...shown(one), output: null, logs: '' })),
    })
  }

  const deliver = async (
    response: ServerResponse,
    one: Prediction | undefined,
    name: string,
  ): Promise<void> => {
    if (one?.status !== 'succeeded') {
      response.writeHead(404).end()
      return
    }
    if (name !== 'out.mp4') {
      response.writeHead(200, { 'content-type': 'image/png' }).end(onePixel)
      return
    }
    const bytes = clipOf(one.id, clip)
    if (one.badFetches-- > 0) {
      const kind = Math.floor(random() * 3)
      if (kind === 0) response.writeHead(404).end()
      else if (kind === 1) response.writeHead(503).end()
      else {
        response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': bytes.length })
        response.write(bytes.subarray(0, bytes.length / 2))
        await wait(second)
        response.destroy()
      }
      return
    }
    response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': bytes.length }).end(bytes)
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    const [, root, ...parts] = pathname.split('/')
    if (root === 'delivery') return deliver(response, predictions.get(parts[0] ?? ''), parts[1] ?? '')
    if (request.headers.authorization !== `Bearer ${token}`)
      return problem(response, 401, 'Unauthenticated', 'You did not pass a valid authentication token')
    if (strikes(0.01)) outageUntil = fastNow() + between(5, 60) * second
    if (fastNow() < outageUntil) return problem(response, 503, 'Unavailable', 'The service is unavailable')
    const route = `${request.method} ${parts.join('/')}`
    if (route === 'GET account')
      return json(response, 200, { type: 'organization', username: 'rounds', name: 'Rounds' })
    if (route === 'GET webhooks/default/secret')
      return json(response, 200, { key: `whsec_${webhookKey.toString('base64')}` })
    if (route === 'GET predictions') return list(response, searchParams)
    if (route === 'POST files') {
      const address = `${url}/v1/files/${randomBytes(8).toString('hex')}`
      const form = await new Response(await buffer(request), {
        headers: { 'content-type': request.headers['content-type'] ?? '' },
      }).formData()
      const content = form.get('content')
      if (!(content instanceof Blob)) return problem(response, 422, 'Invalid', 'content is missing')
      files.set(address, Buffer.from(await content.arrayBuffer()))
      return json(response, 201, { id: address.slice(-16), urls: { get: address } })
    }
    const model = /^POST models\/([^/]+\/[^/]+)\/predictions$/.exec(route)?.[1]
    if (model !== undefined) return create(request, response, model)
    const [, method, id = '', verb] = /^(GET|POST) predictions\/(\w+)(\/cancel)?$/.exec(route) ?? []
    if (method === 'GET' && verb === undefined) return read(response, predictions.get(id))
    if (method === 'POST' && verb !== undefined) return cancel(response, predictions.get(id))
    problem(response, 404, 'Not found', 'The requested resource could not be found.')
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  url = `http://127.0.0.1:${address.port}`

  return {
    url,
    faults: () => faults,
    calm: () => {
      isCalm = true
      outageUntil = 0
    },
    made: () =>
      [...predictions.values()].map(({ id, input, status, createdAt, completedAt, startedAt }) => ({
        id,
        prompt: String(input['prompt']),
        status,
        createdAt,
        completedAt,
        billedMicros:
          status === 'succeeded' || (status === 'canceled' && startedAt !== null) ? microsPerClip : 0,
      })),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const onePixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=',
  'base64',
)
