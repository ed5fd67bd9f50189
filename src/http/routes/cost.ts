/** Costs as JSON: US dollars, null where unknown. */
import { z } from '@hono/zod-openapi'
import type { JobCosts } from '../../coordinator/read/job-view.ts'
import type { Job } from '../../job/job.ts'
import { type Money, dollars } from '../../job/price.ts'
import type { Standing } from '../../coordinator/read/lists.ts'

export const usdOrNull = (micros: number | null): number | null => (micros === null ? null : dollars(micros))

const usd = z.number().nullable()

export const costsSchema = z.object({
  currency: z.literal('USD'),
  estimated: usd.describe('When the job was planned; null where a price is unknown'),
  approved: z.number().describe('What approvals allow to be spent, in all'),
  reserved: z.number().describe('Held back for renders that may still be charged'),
  spent: usd.describe('Charged; null where a charge of unknown price is among it'),
  price_book: z.string(),
})

/** Also the sum left to pay. */
export const openCostsSchema = costsSchema.extend({
  to_pay: usd.describe('Left to pay for the scenes that wait; null where a price is unknown'),
  to_approve: usd.describe('To be approved before the job goes on; 0: nothing; null: an unknown price'),
  scenes_to_pay: z.int(),
})

/** Also the costs of each scene. */
export const jobCostsSchema = openCostsSchema.extend({
  scenes: z.array(
    z.object({
      scene_id: z.string(),
      estimated: usd.describe('0 where the scene takes a kept clip; null where its price is unknown'),
      reserved: z.number(),
      spent: usd,
    }),
  ),
})

export const spentOf = ({ spentMicros, unpriced }: Money): number | null =>
  unpriced > 0 ? null : dollars(spentMicros)

export const costsAnswer = (job: Omit<Job, 'storyboard'>, money: Money): z.infer<typeof costsSchema> => ({
  currency: 'USD',
  estimated: usdOrNull(job.estimatedMicros),
  approved: dollars(job.authorisedMicros),
  reserved: dollars(money.reservedMicros),
  spent: spentOf(money),
  price_book: job.priceBook,
})

export const openCostsAnswer = (
  job: Omit<Job, 'storyboard'>,
  { quote, money, toApproveMicros }: Pick<Standing, 'quote' | 'money' | 'toApproveMicros'>,
): z.infer<typeof openCostsSchema> => ({
  ...costsAnswer(job, money),
  to_pay: usdOrNull(quote.micros),
  to_approve: usdOrNull(toApproveMicros),
  scenes_to_pay: quote.scenesToPay,
})

export const jobCostsAnswer = (job: Job, costs: JobCosts): z.infer<typeof jobCostsSchema> => ({
  ...costsAnswer(job, costs),
  to_pay: usdOrNull(costs.toPayMicros),
  to_approve: usdOrNull(costs.toApproveMicros),
  scenes_to_pay: costs.scenesToPay,
  scenes: costs.scenes.map((scene) => ({
    scene_id: scene.sceneId,
    estimated: usdOrNull(scene.estimatedMicros),
    reserved: dollars(scene.reservedMicros),
    spent: spentOf(scene),
  })),
})
