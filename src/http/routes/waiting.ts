/** Why something waits, as JSON. */
import { z } from '@hono/zod-openapi'
import { type WaitCode, type WaitingSince, waitCodes } from '../../coordinator/admission/rules.ts'
import { type Actor, isEverything, seenBy } from '../../job/reach.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'

export const waitingSchema = z
  .object({
    code: z.enum(waitCodes),
    reason: z.string(),
    since: timeSchema,
    until: timeSchema.nullable().describe('When the wait ends by itself; null where that is unknown'),
  })
  .nullable()
  .describe('Why it waits; null where it does not, or has ended')

/** Sums of all clients are shown only to keys that see all jobs. */
const reasonsOfAll: { readonly [code in WaitCode]?: string } = {
  budget_day: 'what may be spent in a day, for all clients, leaves too little today',
  budget_total: 'what may be spent for all clients leaves too little',
}

export const waitingAnswer = (
  wait: WaitingSince | null | undefined,
  actor: Actor | undefined,
): z.infer<typeof waitingSchema> =>
  wait
    ? {
        code: wait.code,
        reason: (isEverything(seenBy(actor)) ? undefined : reasonsOfAll[wait.code]) ?? wait.reason,
        since: timeOf(wait.since),
        until: timeOrNull(wait.until),
      }
    : null
