/** Why something waits, as it is told over HTTP. */
import { z } from '@hono/zod-openapi'
import { type WaitingSince, waitCodes } from '../coordinator/admission-rules.ts'
import { timeOf, timeOrNull, timeSchema } from './path.ts'

export const waitingSchema = z
  .object({
    code: z.enum(waitCodes),
    reason: z.string(),
    since: timeSchema,
    until: timeSchema.nullable().describe('When it ends by itself; null where that is not known'),
  })
  .nullable()
  .describe('Why it does not go on; null where it does, or has ended')

export const waitingAnswer = (wait: WaitingSince | null | undefined): z.infer<typeof waitingSchema> =>
  wait
    ? { code: wait.code, reason: wait.reason, since: timeOf(wait.since), until: timeOrNull(wait.until) }
    : null
