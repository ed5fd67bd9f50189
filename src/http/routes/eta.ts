/** When a job is expected to finish, as JSON: seconds and times, null where unknown. */
import { z } from '@hono/zod-openapi'
import type { Eta } from '../../coordinator/read/eta.ts'
import type { Span } from '../../job/eta.ts'
import { timeOf, timeSchema } from '../edge/path.ts'

const spanSchema = <Value extends z.ZodType>(value: Value) =>
  z.object({
    p50: value.describe('In half of the cases it is no later'),
    p90: value.describe('In nine of ten cases it is no later'),
  })

const seconds = spanSchema(z.number())

export const etaSchema = z
  .object({
    waiting: seconds
      .nullable()
      .describe('Seconds until the last scene gets a slot; null where unknown, such as before an approval'),
    running: seconds.nullable().describe('Seconds from then on; null before any similar render was measured'),
    finished_at: spanSchema(timeSchema).nullable().describe('Null where one of the two is null'),
    samples: z.int().describe('The least number of measured times behind it'),
  })
  .openapi('Eta')

export type EtaAnswer = z.infer<typeof etaSchema>

const inSeconds = (span: Span | null): EtaAnswer['waiting'] =>
  span && { p50: Math.ceil(span.p50 / 100) / 10, p90: Math.ceil(span.p90 / 100) / 10 }

export const etaAnswer = (eta: Eta | undefined): EtaAnswer | null =>
  eta
    ? {
        waiting: inSeconds(eta.waiting),
        running: inSeconds(eta.running),
        finished_at: eta.finishedAt && {
          p50: timeOf(Math.ceil(eta.finishedAt.p50)),
          p90: timeOf(Math.ceil(eta.finishedAt.p90)),
        },
        samples: eta.samples,
      }
    : null
