/**
 * Replicate's HTTP API as a function from requests to responses, for tests, the demo and benchmarks. Time and randomness
 * come from the host, so that a test can move the clock and repeat a run from a seed. A plan or probabilities decide the
 * faults (`fault.ts`), and every request and bill is recorded.
 */
import type { Host } from '../host.ts'
import { type Span, drawId, drawSpan, seeded } from './chance.ts'
import {
  type Fault,
  type FaultOf,
  type Rates,
  type Stage,
  checkFaults,
  drawFault,
  isFaultOf,
} from './fault.ts'
import { createFiles } from './files.ts'
import { type Entry, type WebhookEvent, markPattern } from './ledger.ts'
import { createLife } from './life.ts'
import { createList } from './list.ts'
import { impossibleInput } from './model.ts'
import { serveOutput } from './output.ts'
import { type Prediction, isRemoved, showPrediction, withPictures } from './prediction.ts'
import {
  type FakeRequest,
  type Reply,
  answerHalf,
  answerJson,
  answerList,
  answerPage,
  answerProblem,
  answerThrottled,
  close,
  hang,
  notFound,
  reset,
} from './reply.ts'
import { type Order, readOrder } from './request.ts'
import { type Deliver, createWebhooks, webhookSecret } from './webhook.ts'

export interface FakeOptions {
  /** Seed of the randomness, in place of the host's. */
  readonly seed?: number
  readonly token?: string
  readonly startMs?: Span
  readonly renderMs?: Span
  /** Delay before a created prediction appears in lists. */
  readonly listLagMs?: Span
  /** Micros a second, by model, in place of the fake's own table. */
  readonly priceMicros?: Readonly<Record<string, number>>
  /** Faults by the number of the POST, counted from 1, in place of `rates`. */
  readonly plan?: Readonly<Record<number, Fault>>
  readonly rates?: Rates
  /** Predictions that may run at once; further POSTs are throttled. */
  readonly maxConcurrency?: number
  /** Periods, in ms since the fake's creation, in which POSTs get 503 and create nothing. */
  readonly outages?: readonly (readonly [number, number])[]
  /**
   * How predictions show the URLs of their input: as sent, or as the provider's copies, which do not identify the sender;
   * `seedless`: as copies, and without a seed.
   */
  readonly shows?: 'as_sent' | 'copies' | 'seedless'
  /** Lists show each URL as an inlined picture of this many bytes. */
  readonly listedPictureBytes?: number
  /** Further accounts by token: they see no predictions of the first, and have no credit. */
  readonly otherAccounts?: Readonly<Record<string, string>>
}

export interface FakeProviderSettings {
  readonly host: Host
  readonly options?: FakeOptions
  readonly record: (entry: Entry) => void
  /** Makes a prediction's clip; a rejection fails the prediction. */
  readonly clip: (prediction: Prediction) => Promise<Uint8Array>
  /** Default: no webhooks are sent. */
  readonly deliver?: Deliver
  /** If set, a prediction begins when all pictures of its input could be fetched. */
  readonly fetchPicture?: (url: string) => Promise<void>
}

export interface FakeProvider {
  handle(request: FakeRequest): Promise<Reply>
  /** Replaces the given options. @throws {TypeError} for a fault that doesn't exist */
  set(options: FakeOptions): void
  /** The bytes of a file uploaded here, by its URL. */
  fileBytes(url: string): Uint8Array | undefined
}

const standard = { token: 'r8_fake', startMs: 300, renderMs: [1500, 4000], listLagMs: 0 } as const

export function createFakeProvider(settings: FakeProviderSettings): FakeProvider {
  const { host, record, clip, deliver, fetchPicture } = settings
  const madeAt = host.now()
  let options: FakeOptions = {}
  let random = host.random
  const predictions = createList()
  let posts = 0
  let running = 0

  const set = (change: FakeOptions): void => {
    checkFaults([...Object.values(change.plan ?? {}), ...Object.keys(change.rates ?? {})])
    options = { ...options, ...change }
    if (change.seed !== undefined) random = seeded(change.seed)
  }
  set(settings.options ?? {})

  const chance = (): number => random()
  const files = createFiles({ host, random: chance })
  const webhooks = deliver && createWebhooks({ host, deliver, random: chance, record })
  const draw = <Of extends Stage>(stage: Of): FaultOf<Of> | null =>
    drawFault(stage, options.rates ?? {}, chance)

  /** A planned fault strikes once; afterwards `rates` apply. */
  const strike = <Of extends 'read' | 'stale' | 'cancel' | 'output'>(
    stage: Of,
    prediction?: Prediction,
  ): FaultOf<Of> | null => {
    const planned = prediction?.planned
    if (!prediction || !isFaultOf(stage, planned)) return draw(stage)
    prediction.planned = null
    return planned
  }

  const asShown = (prediction: Prediction): object =>
    showPrediction(prediction, host.now(), options.shows ?? 'as_sent')

  const tell = (prediction: Prediction, event: WebhookEvent): void => {
    if (!webhooks || !prediction.webhook?.events.has(event)) return
    const { planned } = prediction
    const fault = isFaultOf('webhook', planned) ? planned : draw('webhook')
    void webhooks.tell({ prediction, event, fault, shown: asShown(prediction) })
  }

  const life = createLife({
    host,
    record,
    clip,
    tell,
    prices: () => options.priceMicros ?? {},
    ...(fetchPicture && { fetchPicture }),
    onEnd: () => void running--,
  })

  const create = (
    order: Order,
    mark: string | null,
    origin: string,
    planned: Fault | undefined,
    { isListed }: { readonly isListed: boolean },
  ): Prediction => {
    const createdAt = host.now()
    const { model, input, cancelAfterMs } = order
    const drawn =
      planned === undefined ? draw('prediction') : isFaultOf('prediction', planned) ? planned : null
    const prediction: Prediction = {
      ...order,
      id: drawId(chance),
      mark,
      origin,
      createdAt,
      listedAt: isListed ? createdAt + drawSpan(options.listLagMs ?? standard.listLagMs, chance) : Infinity,
      deadline: createdAt + cancelAfterMs,
      renderMs: drawSpan(options.renderMs ?? standard.renderMs, chance),
      fault: impossibleInput(model, input) === null ? drawn : 'fails_input',
      planned: planned ?? null,
      status: 'starting',
      startedAt: null,
      completedAt: null,
      error: null,
      cancelRefusal: null,
      clip: null,
      outputAt: 0,
      gone: false,
      over: new AbortController(),
    }
    predictions.add(prediction)
    running++
    void life.live(prediction, createdAt + drawSpan(options.startMs ?? standard.startMs, chance))
    return prediction
  }

  const post = (request: FakeRequest, origin: string, named: string | null): Reply => {
    const n = ++posts
    const outcome = readOrder(request, named)
    const { model, input } = outcome.kind === 'order' ? outcome.order : outcome
    const mark = findMark(input)
    const note = (prediction: Prediction | null, fault: Fault | null): void =>
      record({
        at: host.now(),
        what: 'post',
        n,
        mark,
        model,
        created: prediction !== null,
        prediction: prediction?.id ?? null,
        fault,
      })
    if (outcome.kind === 'invalid') {
      note(null, null)
      return outcome.answer
    }
    const sinceMs = host.now() - madeAt
    if (options.outages?.some(([from, to]) => sinceMs >= from && sinceMs < to)) {
      note(null, null)
      return answerPage(503, '503 Service Unavailable')
    }
    const planned = options.plan?.[n]
    const fault = planned === undefined ? draw('create') : isFaultOf('create', planned) ? planned : null
    if (fault === null && running >= (options.maxConcurrency ?? Infinity)) {
      note(null, null)
      return answerThrottled('header')
    }
    const refusal = fault && refuse(fault)
    if (refusal) {
      note(null, fault)
      return refusal
    }
    const prediction = create(outcome.order, mark, origin, planned, { isListed: fault !== 'reset_unlisted' })
    note(prediction, fault ?? planned ?? prediction.fault)
    return answerCreated(fault, asShown(prediction))
  }

  const findMark = (input: object): string | null => {
    const text = JSON.stringify(input)
    const found = markPattern.exec(text) ?? markPattern.exec(files.namesIn(text).join('\n'))
    return found?.[0] ?? null
  }

  /** `act`: the request's effect, which a lost response does not undo. */
  const read = (prediction: Prediction | undefined, show: () => Reply, act?: () => void): Reply => {
    const fault = strike('read', prediction)
    if (fault === 'read_error') return answerProblem(500, 'Internal server error', 'Something went wrong')
    if (fault === 'read_throttle') return answerThrottled('header')
    act?.()
    if (fault === 'read_reset') return reset
    if (fault === 'read_closed') return close
    if (fault === 'read_hang') return hang
    if (fault === 'read_malformed') return answerHalf(200, { id: prediction?.id, status: 'processing' })
    return show()
  }

  const readOne = (id: string): Reply => {
    const prediction = predictions.find(id)
    if (prediction === undefined) return read(undefined, notFound)
    return read(prediction, () => {
      const stale = prediction.status === 'succeeded' ? strike('stale', prediction) : null
      if (stale === 'read_absent') return notFound()
      const shown = stale === 'read_stale' ? { ...prediction, ...unbegun } : prediction
      return answerJson(200, asShown(shown))
    })
  }

  const cancelOne = (id: string): Reply => {
    const prediction = predictions.find(id)
    if (prediction === undefined) return read(undefined, notFound)
    const refusal = (prediction.cancelRefusal ??= strike('cancel', prediction))
    if (refusal) return read(prediction, () => refuseCancel(refusal))
    return read(
      prediction,
      () => answerJson(200, asShown(prediction)),
      () => life.cancel(prediction),
    )
  }

  const list = (url: URL): Reply => {
    const query = url.searchParams
    const after = Date.parse(query.get('created_after') ?? '1970-01-01')
    const before = Date.parse(query.get('created_before') ?? '9999-01-01')
    const cursor = query.get('cursor')
    const place = cursor === null ? null : Number(Buffer.from(cursor, 'base64url').toString())
    if (Number.isNaN(after + before + (place ?? 0)))
      return answerProblem(422, 'Invalid query', 'created_after, created_before or cursor is malformed')
    const now = host.now()
    const { rows, next } = predictions.page({ after, before, cursor: place, now })
    if (next !== null) query.set('cursor', Buffer.from(String(next)).toString('base64url'))
    const around = { next: next === null ? null : url.href, previous: null }
    const bytes = options.listedPictureBytes
    if (bytes === undefined) return answerJson(200, { ...around, results: rows.map(asShown) })
    return answerList(
      around,
      rows.map((row) => () => withPictures(asShown(row), bytes)),
    )
  }

  const output = (request: FakeRequest, id: string): Reply => {
    const prediction = predictions.find(id)
    if (!prediction?.clip || prediction.gone || isRemoved(prediction, host.now())) return notFound()
    const drawn = request.method === 'HEAD' ? null : strike('output', prediction)
    const fault = drawn === 'output_absent' && host.now() > prediction.outputAt + arrivingMs ? null : drawn
    prediction.gone = fault === 'output_gone'
    if (prediction.gone) {
      record({ at: host.now(), what: 'gone', prediction: id })
      return notFound()
    }
    return serveOutput({
      request,
      host,
      clip: prediction.clip,
      etag: `"${id}"`,
      fault,
      onEnd: () => record({ at: host.now(), what: 'fetched', prediction: id }),
    })
  }

  const answer = async (request: FakeRequest): Promise<Reply> => {
    const url = new URL(request.url)
    const { origin } = url
    const [room = '', noun = '', ...rest] = url.pathname.split('/').slice(1)
    const way = `${request.method} ${room}/${noun}/${rest.length}`
    const [first = '', second = '', third = ''] = rest
    if (/^(?:GET|HEAD) delivery\//.test(way) && first === 'output.mp4') return output(request, noun)
    if (room !== 'v1') return notFound()
    const token = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? ''
    const other = options.otherAccounts?.[token]
    if (other !== undefined) return elsewhere(way, other)
    if (token !== (options.token ?? standard.token))
      return answerProblem(401, 'Unauthenticated', 'You did not pass a valid authentication token')
    if (way === 'POST v1/predictions/0') return post(request, origin, null)
    if (way === 'POST v1/models/3' && third === 'predictions')
      return post(request, origin, `${first}/${second}`)
    if (way === 'GET v1/account/0') return answerAccount('fake')
    if (way === 'GET v1/predictions/0') return read(undefined, () => list(url))
    if (way === 'GET v1/predictions/1') return readOne(first)
    if (way === 'POST v1/predictions/2' && second === 'cancel') return cancelOne(first)
    if (way === 'POST v1/files/0') return files.upload(request, origin)
    if (way === 'GET v1/files/1') return files.get(first)
    if (way === 'GET v1/webhooks/2' && first === 'default' && second === 'secret')
      return answerJson(200, { key: webhookSecret })
    return notFound()
  }

  const handle = async (request: FakeRequest): Promise<Reply> => {
    const reply = await answer(request)
    if (reply.kind === 'answer') reply.headers.set('date', new Date(host.now()).toUTCString())
    return reply
  }

  return { handle, set, fileBytes: files.bytes }
}

const answerAccount = (username: string): Reply =>
  answerJson(200, { type: 'user', username, name: 'Nobody', github_url: '' })

/** Responses for an account without predictions and without credit. */
function elsewhere(way: string, username: string): Reply {
  if (way === 'GET v1/account/0') return answerAccount(username)
  if (way === 'GET v1/predictions/0') return answerJson(200, { next: null, previous: null, results: [] })
  if (way === 'POST v1/predictions/0' || way === 'POST v1/models/3') return refuse('no_credit') ?? notFound()
  return notFound()
}

/** How long after a success the bytes may be unavailable at some servers. */
const arrivingMs = 60_000

/** The prediction before its start. */
const unbegun = { status: 'starting', startedAt: null, completedAt: null, clip: null } as const

function refuseCancel(fault: FaultOf<'cancel'>): Reply {
  if (fault === 'cancel_conflict') return answerProblem(409, 'Conflict', 'The prediction cannot be canceled')
  if (fault === 'cancel_invalid')
    return answerProblem(422, 'Invalid state', 'The prediction has already ended')
  return notFound()
}

/** The response to a POST that creates nothing; null for faults that create a prediction. */
function refuse(fault: FaultOf<'create'>): Reply | null {
  switch (fault) {
    case 'throttle_header':
      return answerThrottled('header')
    case 'throttle_body':
      return answerThrottled('body')
    case 'throttle_second':
      return answerThrottled('second')
    case 'error_before':
      return answerProblem(500, 'Internal server error', 'Something went wrong')
    case 'reset_before':
      return reset
    case 'hang_before':
      return hang
    case 'refuse':
      return answerProblem(422, 'Input validation failed', '- input.prompt: is not acceptable\n')
    case 'no_credit':
      return answerProblem(402, 'Insufficient credit', 'You have insufficient credit to run this model.')
    default:
      return null
  }
}

function answerCreated(fault: FaultOf<'create'> | null, shown: object): Reply {
  if (fault === 'error_after') return answerPage(502, '502 Bad Gateway')
  if (fault === 'reset_after' || fault === 'reset_unlisted') return reset
  if (fault === 'hang_after') return hang
  if (fault === 'malformed') return answerHalf(201, shown)
  if (fault === 'html') return answerPage(200, 'Replicate')
  return answerJson(201, shown)
}
