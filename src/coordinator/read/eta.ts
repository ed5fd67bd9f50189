/**
 * When a job will finish: simulated (`job/eta.ts`) from the queue and measured render times, both read from
 * rows.
 *
 * Slots, pace and the fair queue between clients follow admission's own rules (`job/queue.ts`). Admission's
 * other rules depend on rows that exist only later, such as charges, approvals and providers' answers, so no
 * simulation can apply them. A wait for one of those has no known end; other jobs' scenes with such a wait
 * count as if they could start.
 */
import {
  type FilmToCome,
  type Line,
  type Span,
  type TimedStage,
  type UnderWay,
  forecast,
} from '../../job/eta.ts'
import type { Storyboard } from '../../job/job.ts'
import { type JobStatus, finalJobStatuses } from '../../job/lifecycle.ts'
import { defaultPriority, pointMs } from '../../job/queue.ts'
import type { Scene } from '../../job/scene.ts'
import type { Reader } from '../../store/database.ts'
import { type LimitsNow, limitsNow } from '../admission/limits.ts'
import type { WaitCode, Waiting } from '../admission/rules.ts'
import type { Context } from '../context.ts'
import { type Queued, lineOf, since } from './eta-line.ts'
import { type Histories, type OwnRender, type Timed, createHistories } from './histories.ts'
import type { JobRows } from './job-rows.ts'

/** When a job will finish. Null where unknown: without measured times, or while a wait has no known end. */
export interface Eta {
  /** Until its last scene has a slot, ms. */
  readonly waiting: Span | null
  /** Everything else, ms: rendering, fetching, joining. */
  readonly running: Span | null
  /** Ms since the epoch. */
  readonly finishedAt: Span | null
  /** The number of measured times behind the estimate, in the stage with the fewest. */
  readonly samples: number
}

/** The remaining work of a job's film. */
interface Film extends Queued {
  readonly storyboard: Storyboard
  /** The renderers where its scenes run or wait. */
  readonly renderers: ReadonlySet<string>
  /** Clips that are being fetched or copied. */
  readonly coming: readonly (Timed & { readonly stage: TimedStage; readonly ranMs: number })[]
  /** How long the film has been joining, ms; 0 while clips are missing. */
  readonly stitchingMs: number
  /** Whether all its waits end by themselves. */
  readonly waitEnds: boolean
}

const hasEnded: ReadonlySet<JobStatus> = new Set(finalJobStatuses)

/**
 * Undefined for a job that has ended or is about to end. `reader`: the snapshot that `rows` and `waits` were
 * read in.
 */
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

/** The estimate for a planned film, as if it were approved now. */
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
    // Behind all existing jobs.
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

async function foretell(context: Context, reader: Reader, film: Film, limits: LimitsNow): Promise<Eta> {
  const now = context.host.now()
  const histories = createHistories(reader, film.storyboard)
  const queued = film.waitEnds ? await toCome(context, reader, film, limits, histories, now) : undefined
  if (queued && !isStuck(queued)) {
    const { waiting, running, total } = forecast(queued)
    const finishedAt = { p50: now + total.p50, p90: now + total.p90 }
    return { waiting, running, finishedAt, samples: histories.samples() }
  }
  // With a wait of unknown end: the duration from that end on, without other jobs.
  const alone = await toCome(context, reader, letGo(film), limits, histories, now)
  const running = alone && !isStuck(alone) ? forecast(alone).total : null
  return { waiting: null, running, finishedAt: null, samples: histories.samples() }
}

/** The remaining work with its times; undefined where measured times are missing. */
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

const letGo = (film: Film): Film => ({
  ...film,
  isAlone: true,
  waiting: film.waiting.map((scene) => ({ ...scene, notBeforeMs: 0 })),
})

/** A renderer with waiting scenes has no slots. */
const isStuck = ({ lines }: FilmToCome): boolean =>
  lines.some(({ slots, waiting }) => slots === 0 && waiting.length > 0)

/** Waits that end as other work progresses. */
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
