/** Throughput, times by stage and failures of the last hours or days, of all clients. */
import type { Failure } from '../../job/scene.ts'
import type { Reader } from '../../store/database.ts'
import {
  type FailedRender,
  type FailedRow,
  type FinishedCount,
  type RenderTime,
  type Span,
  countCreated,
  countEnded,
  countFinished,
  listFailedJobs,
  listFailedRenders,
  listJobTimes,
  listRenderTimes,
} from '../../store/statistics.ts'
import type { Context } from '../context.ts'
import { createBriefMemory } from './brief-memory.ts'

const hourMs = 3_600_000

/** The spans that statistics are asked for, their buckets, and how long an answer is good for. */
const windows = {
  '24h': { buckets: 24, bucketMs: hourMs, keptMs: 3000 },
  '7d': { buckets: 28, bucketMs: 6 * hourMs, keptMs: 10_000 },
  '30d': { buckets: 30, bucketMs: 24 * hourMs, keptMs: 30_000 },
} as const
export type StatisticsWindow = keyof typeof windows
export const statisticsWindows = ['24h', '7d', '30d'] as const satisfies readonly StatisticsWindow[]

export interface Throughput {
  readonly created: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  /** Scenes that got their clip. */
  readonly scenes: number
}

/** How long something took, ms. */
export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p90: number
}

export const stages = ['approval', 'slot', 'rendering', 'stitching'] as const
export type Stage = (typeof stages)[number]

/** Failures with the same code of the same kind of thing, with the newest as an example. */
export interface FailureGroup {
  readonly of: 'render' | 'job'
  readonly code: string
  readonly renderer: string | null
  readonly model: string | null
  readonly count: number
  readonly last: { readonly jobId: number; readonly reason: string; readonly at: number }
}

export interface ModelFigures {
  readonly renderer: string
  readonly model: string
  readonly scenes: number
  readonly failed: number
  readonly rendering: Percentiles | null
}

export interface Statistics extends Span {
  readonly bucketMs: number
  readonly buckets: readonly (Throughput & { readonly from: number })[]
  readonly totals: Throughput
  readonly stages: Readonly<Record<Stage, Percentiles | null>>
  readonly models: readonly ModelFigures[]
  readonly failures: readonly FailureGroup[]
}

/** Jobs and scenes whose times are measured, and failures that are grouped, at most: the newest. */
const mostMeasured = 2000
const mostFailures = 5000
const mostFailureGroups = 50

const remembered = createBriefMemory<Statistics>()

/** Buckets begin at whole hours or days, UTC; the last one is not over. */
export function getStatistics(context: Context, window: StatisticsWindow): Promise<Statistics> {
  const { buckets, bucketMs, keptMs } = windows[window]
  return remembered(context, window, keptMs, () => {
    const to = (Math.floor(context.host.now() / bucketMs) + 1) * bucketMs
    const span = { from: to - buckets * bucketMs, to }
    return context.database.snapshot((reader) => read(reader, span, bucketMs))
  })
}

async function read(reader: Reader, span: Span, bucketMs: number): Promise<Statistics> {
  const created = await countCreated(reader, span, bucketMs)
  const ended = await countEnded(reader, span, bucketMs)
  const finished = await countFinished(reader, span, bucketMs)
  const jobs = await listJobTimes(reader, span, mostMeasured)
  const renders = await listRenderTimes(reader, span, mostMeasured)
  const failedRenders = await listFailedRenders(reader, span, mostFailures)
  const failedJobs = await listFailedJobs(reader, span, mostFailures)
  const scenes = new Map<number, number>()
  for (const one of finished) scenes.set(one.bucket, (scenes.get(one.bucket) ?? 0) + one.scenes)
  const buckets = []
  for (let from = span.from; from < span.to; from += bucketMs)
    buckets.push({
      from,
      created: created.get(from) ?? 0,
      completed: ended.get('completed')?.get(from) ?? 0,
      failed: ended.get('failed')?.get(from) ?? 0,
      cancelled: ended.get('cancelled')?.get(from) ?? 0,
      scenes: scenes.get(from) ?? 0,
    })
  const between = (from: keyof (typeof jobs)[number], to: keyof (typeof jobs)[number]): number[] =>
    jobs.flatMap((job) => {
      const [begun, done] = [job[from], job[to]]
      return begun === null || done === null ? [] : [done - begun]
    })
  return {
    ...span,
    bucketMs,
    buckets,
    totals: buckets.reduce(added),
    stages: {
      approval: percentilesOf(between('insertedAt', 'approvedAt')),
      slot: percentilesOf(between('approvedAt', 'startedAt')),
      rendering: percentilesOf(renders.map(({ ms }) => ms)),
      stitching: percentilesOf(between('clipsAt', 'filmAt')),
    },
    models: modelsOf(finished, renders, failedRenders),
    failures: [...groupsOf('job', failedJobs), ...groupsOf('render', failedRenders)]
      .toSorted((one, other) => other.count - one.count)
      .slice(0, mostFailureGroups),
  }
}

const added = <Sums extends Throughput>(one: Sums, other: Throughput): Sums => ({
  ...one,
  created: one.created + other.created,
  completed: one.completed + other.completed,
  failed: one.failed + other.failed,
  cancelled: one.cancelled + other.cancelled,
  scenes: one.scenes + other.scenes,
})

/** Without those of a clock that was set back. */
function percentilesOf(given: readonly number[]): Percentiles | null {
  const times = given.filter((ms) => ms >= 0).toSorted((one, other) => one - other)
  if (times.length === 0) return null
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))]!
  return { count: times.length, p50: at(0.5), p90: at(0.9) }
}

interface Modelled {
  readonly renderer: string
  readonly model: string
}

const keyOf = ({ renderer, model }: Modelled): string => JSON.stringify([renderer, model])

function modelsOf(
  finished: readonly FinishedCount[],
  renders: readonly RenderTime[],
  failed: readonly FailedRender[],
): readonly ModelFigures[] {
  const [times, failures] = [Map.groupBy(renders, keyOf), Map.groupBy(failed, keyOf)]
  const scenes = new Map<string, number>()
  for (const one of finished) scenes.set(keyOf(one), (scenes.get(keyOf(one)) ?? 0) + one.scenes)
  const models = new Map(
    [...finished, ...failed].map(({ renderer, model }) => [keyOf({ renderer, model }), { renderer, model }]),
  )
  return [...models]
    .map(([key, model]) => ({
      ...model,
      scenes: scenes.get(key) ?? 0,
      failed: failures.get(key)?.length ?? 0,
      rendering: percentilesOf((times.get(key) ?? []).map(({ ms }) => ms)),
    }))
    .toSorted((one, other) => other.scenes - one.scenes || (one.model < other.model ? -1 : 1))
}

const unnamed: Failure = { code: 'unknown', reason: 'no reason given' }

const groupsOf = (
  of: FailureGroup['of'],
  rows: readonly (FailedRow & Partial<Modelled>)[],
): readonly FailureGroup[] =>
  [...Map.groupBy(rows, (row) => JSON.stringify([row.failure?.code, row.renderer, row.model])).values()].map(
    (group) => {
      const [newest] = group
      const { jobId, renderer = null, model = null, failure, at } = newest!
      const { code, reason } = failure ?? unnamed
      return { of, code, renderer, model, count: group.length, last: { jobId, reason, at } }
    },
  )
