/**
 * When a job will be there: the queue and the times that renders took, read from rows and played through (`job/eta.ts`).
 *
 * Slots, pace and the clients' turns are admission's own rules (`job/queue.ts`). Admission's other rules decide by rows that
 * only exist once they are reached, such as charges, approvals and answers of providers, so a play cannot call them. A wait
 * for one of those has no known end, and other scenes that have such a wait are counted as if they could start.
 */
import {
  type FilmToCome,
  type Line,
  type Others,
  type RunningRender,
  type Span,
  type TimedStage,
  type Times,
  type Timing,
  type UnderWay,
  type WaitingRender,
  filmUnits,
  forecast,
  renderUnits,
  timedAs,
  timesFor,
  timesOf,
} from '../../job/eta.ts'
import { framesOf } from '../../job/format.ts'
import type { Storyboard } from '../../job/job.ts'
import { type JobStatus, finalJobStatuses } from '../../job/lifecycle.ts'
import { defaultPriority, isPaced, pointMs } from '../../job/queue.ts'
import type { RenderSettings, Scene } from '../../job/scene.ts'
import { type Scenes, othersBefore } from '../../job/start-order.ts'
import type { Reader } from '../../store/database.ts'
import { listWaitingClients } from '../../store/scenes.ts'
import {
  type HeldSlot,
  type QueuePosition,
  type WaitingKind,
  listHeldSlots,
  listOthersAhead,
  listOwnAhead,
  listPostedSince,
  listTimings,
} from '../../store/timings.ts'
import type { RendererLimit, WaitCode, Waiting } from '../admission/rules.ts'
import { type LimitsNow, limitsNow } from '../admission/limits.ts'
import type { Context } from '../context.ts'
import type { JobRows } from './job-rows.ts'

/** When a job will be there. Null is what nobody knows: without a history, or where a wait has no known end. */
export interface Eta {
  /** Until the scene that is last has a slot, ms. */
  readonly waiting: Span | null
  /** All the rest: rendering, fetching, joining, ms. */
  readonly running: Span | null
  /** Ms since the epoch. */
  readonly finishedAt: Span | null
  /** How many measured times it is told by: of the stage of which there are fewest. */
  readonly samples: number
}

const minuteMs = 60_000

const hasEnded: ReadonlySet<JobStatus> = new Set(finalJobStatuses)

async function lineOf(
  reader: Reader,
  film: Film,
  limit: RendererLimit,
  histories: Histories,
  now: number,
): Promise<Line | undefined> {
  const { name, maxConcurrency: slots, startDelayMs } = limit
  const held = await listHeldSlots(reader, name, film.jobId, now)
  const running: RunningRender[] = []
  for (const slot of held) {
    const own = film.running.get(slot.attemptId)
    if (!own && film.isAlone) continue
    const times = await histories.of(slot, 'render', own)
    const clip = own && (await histories.of(slot, 'clip', own))
    if (!times || (own && !clip)) return undefined
    running.push({ times, ranMs: ranMs(slot, now), ...(clip && { clip }) })
  }
  const own = film.waiting
    .filter((scene) => scene.renderer === name)
    .toSorted((one, other) => one.notBeforeMs - other.notBeforeMs)
  const hasOthers = !film.isAlone && own.length > 0
  const others = hasOthers ? await othersAhead(reader, film, limit, held, own.length) : []
  const waiting: WaitingRender[] = []
  for (const [index, scene] of own.entries()) {
    const ahead: Others[] = []
    for (const { kind, scenes } of others[index] ?? []) {
      const times = await histories.of(kind, 'render')
      if (!times) return undefined
      ahead.push({ times, scenes })
    }
    const times = await histories.of(scene, 'render', scene)
    const clip = await histories.of(scene, 'clip', scene)
    if (!times || !clip) return undefined
    waiting.push({ ahead, times, clip, notBeforeMs: scene.notBeforeMs })
  }
  const since = now - Math.max(minuteMs, startDelayMs)
  const posted = hasOthers && isPaced(limit) ? await listPostedSince(reader, name, since) : []
  const started = posted.map((at) => Math.min(0, at - now))
  return { slots, pace: limit, started, running, waiting }
}

/** Jobs of each other client that are looked at: few of a client's start before one film's scenes. */
const mostJobs = 50

/** By admission's turns: which scenes of others start before each of the film's. */
async function othersAhead(
  reader: Reader,
  film: Film,
  { name, maxConcurrency: slots }: RendererLimit,
  held: readonly HeldSlot[],
  count: number,
): Promise<readonly (readonly Scenes<WaitingKind>[])[]> {
  const own = { clientId: film.clientId, queueAt: film.queueAt, lastTurn: 0 }
  const others = (await listWaitingClients(reader, name)).filter((client) => {
    if (client.clientId !== film.clientId) return true
    own.lastTurn = client.lastTurn
    return false
  })
  const kinds = Map.groupBy(
    [
      ...(await listOwnAhead(reader, name, film)),
      ...(others.length > 0 ? await listOthersAhead(reader, name, film, mostJobs) : []),
    ],
    ({ clientId }) => clientId,
  )
  const queues = [own, ...others].map((client) => ({
    waiter: { ...client, inFlight: held.filter(({ clientId }) => clientId === client.clientId).length },
    scenes: (kinds.get(client.clientId) ?? []).map((kind) => ({ kind, scenes: kind.scenes })),
    isOwn: client === own,
  }))
  return othersBefore(
    queues,
    held.map(({ clientId }) => clientId),
    slots,
    count,
  )
}

/** What all that is to come takes; undefined where a history is wanting. */
async function toCome(
  { renderers }: Context,
  reader: Reader,
  film: Film,
  limits: LimitsNow,
  histories: Histories,
  now: number,
): Promise<FilmToCome | undefined> {
  const lines: Line[] = []
  for (const configured of renderers) {
    if (!film.renderers.has(configured.name)) continue
    const line = await lineOf(reader, film, limits.of(configured), histories, now)
    if (!line) return undefined
    lines.push(line)
  }
  const coming: UnderWay[] = []
  for (const one of film.coming) {
    const times = await histories.of(one, one.stage)
    if (!times) return undefined
    coming.push({ times, ranMs: one.ranMs })
  }
  const stitch = await histories.stitch(film.storyboard)
  return stitch && { lines, coming, stitch: { times: stitch, ranMs: film.stitchingMs } }
}

async function foretell(context: Context, reader: Reader, film: Film, limits: LimitsNow): Promise<Eta> {
  const now = context.host.now()
  const histories = createHistories(reader, film.storyboard)
  const queued = film.waitEnds ? await toCome(context, reader, film, limits, histories, now) : undefined
  if (queued && !isStuck(queued)) {
    const { waiting, running, total } = forecast(queued)
    const finishedAt = { p50: now + total.p50, p90: now + total.p90 }
    return { waiting, running, finishedAt, samples: histories.samples() }
  }
  // Once it is let go, as if nobody else were there.
  const alone = await toCome(context, reader, letGo(film), limits, histories, now)
  const running = alone && !isStuck(alone) ? forecast(alone).total : null
  return { waiting: null, running, finishedAt: null, samples: histories.samples() }
}

/** Undefined of a job that has ended, or is about to. `reader`: of the snapshot that `rows` and `waits` come from. */
export async function etaOf(
  context: Context,
  reader: Reader,
  rows: JobRows,
  waits: ReadonlyMap<string, Waiting>,
): Promise<Eta | undefined> {
  const { status, error } = rows.job
  if (hasEnded.has(status) || error !== null) return undefined
  return foretell(context, reader, filmOf(rows, waits, context.host.now()), rows.limits)
}

/** Of a film that is only planned, as if it were approved now. */
export function estimateEta(
  context: Context,
  storyboard: Storyboard,
  {
    priority = defaultPriority,
    clientId = '',
  }: { readonly priority?: number; readonly clientId?: string } = {},
): Promise<Eta> {
  const { database, rendererOf, host } = context
  const waiting = storyboard.scenes.map((scene) => ({
    model: scene.model,
    settings: scene.render,
    duration: scene.duration,
    renderer: rendererOf.get(scene.model) ?? '',
    notBeforeMs: 0,
  }))
  const film: Film = {
    storyboard,
    queueAt: host.now() - priority * pointMs,
    // Behind all that are there.
    jobId: Number.MAX_SAFE_INTEGER,
    clientId,
    renderers: new Set(waiting.map(({ renderer }) => renderer)),
    running: new Map(),
    waiting,
    coming: [],
    stitchingMs: 0,
    waitEnds: true,
    isAlone: false,
  }
  return database.snapshot(async (reader) => foretell(context, reader, film, await limitsNow(reader)))
}

/** What has one history. */
interface Timed {
  readonly model: string
  readonly settings: RenderSettings | null
}

interface OwnRender {
  readonly duration: number
}

/** A job's film, as far as it is still to come. */
interface Film extends QueuePosition {
  readonly storyboard: Storyboard
  /** Where its scenes run or wait. */
  readonly renderers: ReadonlySet<string>
  /** Its scenes that hold a slot, by their attempt. */
  readonly running: ReadonlyMap<string, OwnRender>
  readonly waiting: readonly (Timed &
    OwnRender & { readonly renderer: string; readonly notBeforeMs: number })[]
  /** Clips that are fetched or made its own. */
  readonly coming: readonly (Timed & { readonly stage: TimedStage; readonly ranMs: number })[]
  /** How long it has been joined; 0 where clips are wanting. */
  readonly stitchingMs: number
  /** Whether all it waits for comes by itself. */
  readonly waitEnds: boolean
  /** Whether others are left out of account. */
  readonly isAlone: boolean
}

/** What ends as others' work does. */
const endsByItself: ReadonlySet<WaitCode> = new Set([
  'slots',
  'start_delay',
  'queue',
  'same_render',
  'unreadable',
  'fetching',
  'after_crash',
  'stitching',
])

const timed = ({ model, render }: Scene): Timed => ({ model, settings: render })

const taking = { model: '', settings: null, stage: 'take' } as const

function filmOf(
  { job, scenes, pending, attempts }: JobRows,
  waits: ReadonlyMap<string, Waiting>,
  now: number,
): Film {
  const running = new Map<string, OwnRender>()
  const waiting: Film['waiting'][number][] = []
  const coming: Film['coming'][number][] = []
  const renderers = new Set<string>()
  for (const scene of scenes) {
    if (scene.status === 'processing') {
      const attempt = attempts.find(({ id }) => id === scene.attemptId)
      if (!attempt) coming.push({ ...taking, ranMs: since(scene.startedAt, now) })
      else if (attempt.status === 'succeeded')
        coming.push({ ...timed(scene), stage: 'clip', ranMs: since(attempt.postedAt, now) })
      else {
        running.set(attempt.id, scene)
        renderers.add(scene.renderer)
      }
    } else if (scene.status === 'pending') {
      const wait = waits.get(scene.id)
      if (pending.get(scene.id)!.isKept) coming.push({ ...taking, ranMs: 0 })
      else {
        renderers.add(scene.renderer)
        const notBeforeMs = Math.max(0, (wait?.until ?? now) - now)
        waiting.push({ ...timed(scene), duration: scene.duration, renderer: scene.renderer, notBeforeMs })
      }
    }
  }
  const clipsAt = scenes.reduce(
    (last, { completedAt }) => Math.max(last, completedAt ?? 0),
    job.reopenedAt ?? job.approvedAt ?? 0,
  )
  const isStitching = running.size + waiting.length + coming.length === 0
  return {
    storyboard: job.storyboard,
    queueAt:
      job.queueAt ??
      Math.max(job.runAt ?? 0, job.reopenedAt ?? job.approvedAt ?? now) - job.priority * pointMs,
    jobId: job.id,
    clientId: job.clientId,
    renderers,
    running,
    waiting,
    coming,
    stitchingMs: isStitching ? since(clipsAt, now) : 0,
    waitEnds: [...waits.values()].every(({ code, until }) => until !== null || endsByItself.has(code)),
    isAlone: false,
  }
}

const since = (begun: number | null, now: number): number => (begun === null ? 0 : Math.max(0, now - begun))

/** What is at a provider runs since it was sent; here since it was begun. */
const ranMs = ({ settings, postedAt, insertedAt }: HeldSlot, now: number): number =>
  since(settings ? postedAt : insertedAt, now)

const letGo = (film: Film): Film => ({
  ...film,
  isAlone: true,
  waiting: film.waiting.map((scene) => ({ ...scene, notBeforeMs: 0 })),
})

/** Somebody has set a renderer's places to none. */
const isStuck = ({ lines }: FilmToCome): boolean =>
  lines.some(({ slots, waiting }) => slots === 0 && waiting.length > 0)

interface Histories {
  /** `own`: a scene of this film, whose length is known; of others' all lengths there were are taken. */
  of(timed: Timed, stage: TimedStage, own?: OwnRender): Promise<Times | undefined>
  stitch(storyboard: Storyboard): Promise<Times | undefined>
  /** Of the history that was asked for and is the shortest. */
  samples(): number
}

/** Each history is read once. */
function createHistories(reader: Reader, { format }: Storyboard): Histories {
  const read = new Map<string, readonly Timing[]>()
  const made = new Map<string, Times | undefined>()

  const history = async (model: string, stage: TimedStage): Promise<readonly Timing[]> => {
    const name = `${stage} ${model}`
    const known = read.get(name) ?? (await listTimings(reader, model, stage))
    read.set(name, known)
    return known
  }
  const times = async (
    model: string,
    stage: TimedStage,
    units: number | null,
  ): Promise<Times | undefined> => {
    const name = `${stage} ${units} ${model}`
    if (!made.has(name)) {
      const timings = await history(model, stage)
      made.set(name, units === null ? timesOf(timings) : timesFor(timings, units))
    }
    return made.get(name)
  }

  return {
    of: ({ model, settings }, stage, own) =>
      times(
        timedAs(model, settings),
        // On this machine a clip is there when its render has ended.
        stage === 'clip' && settings === null ? 'render' : stage,
        own ? renderUnits(own.duration, format, settings) : null,
      ),
    stitch: (storyboard) =>
      times('', 'stitch', filmUnits(framesOf(storyboard.total_duration, format.fps), format)),
    samples: () => (read.size === 0 ? 0 : Math.min(...[...read.values()].map(({ length }) => length))),
  }
}
