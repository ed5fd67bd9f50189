/** Why something waits, as JSON. */
import { z } from '@hono/zod-openapi'
import { type WaitCode, type WaitingSince, waitCodes } from '../../coordinator/admission/rules.ts'
import { type Rights, isEverything, seenBy } from '../../job/reach.ts'
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

/** Totals of all clients are shown only to keys that see all jobs. */
const reasonsOfAll: { readonly [code in WaitCode]?: string } = {
  budget_day: "needs more than is left in today's budget of all clients",
  budget_total: 'needs more than is left in the budget of all clients',
}

export const waitingAnswer = (
  wait: WaitingSince | null | undefined,
  rights: Rights | undefined,
): z.infer<typeof waitingSchema> =>
  wait
    ? {
        code: wait.code,
        reason: (isEverything(seenBy(rights)) ? undefined : reasonsOfAll[wait.code]) ?? wait.reason,
        since: timeOf(wait.since),
        until: timeOrNull(wait.until),
      }
    : null
