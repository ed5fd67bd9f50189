/** Figures for operators: throughput, times by stage and failures, and what the queue waits for. */
import { z } from '@hono/zod-openapi'
import type { QueueReason } from '../../coordinator/read/queue.ts'
import {
  type FailureGroup,
  type Percentiles,
  type Statistics,
  type Throughput,
  stages,
  statisticsWindows,
} from '../../coordinator/read/statistics.ts'
import { waitCodes } from '../../coordinator/admission/rules.ts'
import { allJobs } from '../access/access.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { endpoint, json, resource } from './endpoint.ts'

const throughput = {
  created: z.int().describe('Jobs created'),
  completed: z.int().describe('Jobs that ended with a film'),
  failed: z.int().describe('Jobs that failed'),
  cancelled: z.int().describe('Jobs that were cancelled'),
  scenes: z.int().describe('Scenes that got their clip'),
}

const percentilesSchema = z
  .object({
    count: z.int().describe('How many were measured'),
    p50_seconds: z.number().describe('Half took less'),
    p90_seconds: z.number().describe('Nine of ten took less'),
  })
  .nullable()
  .describe('Null where nothing was measured')

const stageWords = {
  approval: 'From the creation of a job to its approval',
  slot: 'From the approval to the first render',
  rendering: 'From the start of a scene to its clip',
  stitching: 'From the last clip to the film',
} as const

const statisticsSchema = z
  .object({
    window: z.enum(statisticsWindows),
    from: timeSchema,
    to: timeSchema.describe('The end of the last bucket, which is not over'),
    bucket_seconds: z.int(),
    buckets: z.array(z.object({ from: timeSchema, ...throughput })).describe('Oldest first'),
    totals: z.object(throughput),
    stages: z
      .object({
        approval: percentilesSchema.describe(stageWords.approval),
        slot: percentilesSchema.describe(stageWords.slot),
        rendering: percentilesSchema.describe(stageWords.rendering),
        stitching: percentilesSchema.describe(stageWords.stitching),
      })
      .describe('Of the newest 2,000 jobs and scenes that ended in the window'),
    models: z
      .array(
        z.object({
          renderer: z.string(),
          model: z.string(),
          scenes: z.int(),
          failed: z
            .int()
            .describe('Renders that failed or were refused; tries that were repeated are among them'),
          rendering: percentilesSchema,
        }),
      )
      .describe('The busiest first'),
    failures: z
      .array(
        z.object({
          of: z.enum(['render', 'job']),
          code: z.string(),
          renderer: z.string().nullable(),
          model: z.string().nullable(),
          count: z.int(),
          last: z
            .object({ job_id: z.int(), reason: z.string(), at: timeSchema })
            .describe('The newest of them'),
        }),
      )
      .describe(
        'Grouped by code, renderer and model, the most frequent 50; of the newest 5,000 of each kind',
      ),
  })
  .openapi('Statistics')

export type StatisticsAnswer = z.infer<typeof statisticsSchema>

const queueSchema = z
  .object({
    scenes: z.int().describe('All of these'),
    more_jobs: z
      .int()
      .describe(
        'Unfinished jobs beyond the first 5,000 in the queue and the oldest 5,000 outside, which are not counted',
      ),
    reasons: z
      .array(
        z.object({
          code: z.enum(waitCodes),
          renderer: z.string().nullable().describe('Null where it is the same at any renderer'),
          scenes: z.int(),
          jobs: z.int(),
          oldest: z
            .object({ job_id: z.int(), since: timeSchema, reason: z.string() })
            .describe('Of the scene that waits longest'),
          until: timeSchema.nullable().describe('When the first of them ends by itself; null where unknown'),
        }),
      )
      .describe('The most frequent first'),
  })
  .openapi('Queue')

export type QueueAnswer = z.infer<typeof queueSchema>

const windowQuery = z.strictObject({
  window: z
    .enum(statisticsWindows, { error: `must be one of ${statisticsWindows.join(', ')}` })
    .optional()
    .describe('24h by hours, 7d by six hours, 30d by days (UTC). Default: 24h'),
})

const sumsOf = ({ created, completed, failed, cancelled, scenes }: Throughput) => ({
  created,
  completed,
  failed,
  cancelled,
  scenes,
})

const percentilesAnswer = (given: Percentiles | null): z.infer<typeof percentilesSchema> =>
  given && { count: given.count, p50_seconds: given.p50 / 1000, p90_seconds: given.p90 / 1000 }

const failureAnswer = ({ last, ...group }: FailureGroup) => ({
  ...group,
  last: { job_id: last.jobId, reason: last.reason, at: timeOf(last.at) },
})

const statisticsAnswer = (
  window: StatisticsAnswer['window'],
  { from, to, bucketMs, buckets, totals, stages: times, models, failures }: Statistics,
): StatisticsAnswer => ({
  window,
  from: timeOf(from),
  to: timeOf(to),
  bucket_seconds: bucketMs / 1000,
  buckets: buckets.map((bucket) => ({ from: timeOf(bucket.from), ...sumsOf(bucket) })),
  totals: sumsOf(totals),
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- these are all its members
  stages: Object.fromEntries(
    stages.map((stage) => [stage, percentilesAnswer(times[stage])]),
  ) as StatisticsAnswer['stages'],
  models: models.map(({ rendering, ...model }) => ({ ...model, rendering: percentilesAnswer(rendering) })),
  failures: failures.map(failureAnswer),
})

const reasonAnswer = ({ oldest, until, ...reason }: QueueReason) => ({
  ...reason,
  oldest: { job_id: oldest.jobId, since: timeOf(oldest.since), reason: oldest.reason },
  until: timeOrNull(until),
})

export const statisticsEndpoints = resource('operations', [
  endpoint({
    id: 'readStatistics',
    route: 'GET /api/v3/statistics',
    access: allJobs('read'),
    summary: 'Throughput, times by stage, and failures by reason',
    description:
      'What all jobs did in the last hours or days: counts by time, how long each stage took, each model, and the failures by reason. At most 3 s old, for 7d 10 s, for 30d 30 s, or 20 times as long as reading took.',
    query: windowQuery,
    answer: json(200, statisticsSchema, 'The figures of the window'),
    handle: async ({ query: { window = '24h' } }, { coordinator }) =>
      statisticsAnswer(window, await coordinator.statistics(window)),
  }),

  endpoint({
    id: 'readQueue',
    route: 'GET /api/v3/queue',
    access: allJobs('read'),
    summary: 'What all waiting scenes wait for',
    description:
      'How many scenes wait for what, and which of each waits longest. The codes are those of `waiting` in a scene. At most 3 s old, or 20 times as long as reading took.',
    answer: json(200, queueSchema, 'The reasons'),
    handle: async (_, { coordinator }) => {
      const { reasons, moreJobs } = await coordinator.queue()
      return {
        scenes: reasons.reduce((sum, { scenes }) => sum + scenes, 0),
        more_jobs: moreJobs,
        reasons: reasons.map(reasonAnswer),
      }
    },
  }),
])
