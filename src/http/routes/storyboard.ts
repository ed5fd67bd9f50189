/** A film's plan as JSON. */
import { z } from '@hono/zod-openapi'
import type { Storyboard } from '../../job/job.ts'
import { type ScenePlan, fits, transitions } from '../../job/scene.ts'
import { usdOrNull } from './cost.ts'

export const scenePlanSchema = z.object({
  title: z.string().nullable(),
  prompt: z.string(),
  duration: z.number().describe('Seconds'),
  asset_ids: z.array(z.string()).readonly(),
  transition: z.enum(transitions),
  model: z.string(),
  render: z
    .object({ seconds: z.number(), resolution: z.string(), aspect_ratio: z.string(), audio: z.boolean() })
    .nullable()
    .describe('The settings sent to a paid model; null on this machine'),
  price: z.number().nullable().describe('US dollars of one render; null where it is unknown'),
  notes: z.array(z.string()).readonly().describe('Where the plan differs from the request'),
})

export const scenePlanAnswer = (plan: ScenePlan): z.infer<typeof scenePlanSchema> => ({
  title: plan.title,
  prompt: plan.prompt,
  duration: plan.duration,
  asset_ids: plan.asset_ids,
  transition: plan.transition,
  model: plan.model,
  render: plan.render,
  price: usdOrNull(plan.price_micros),
  notes: plan.notes,
})

export const storyboardSchema = z.object({
  scenes: z.array(scenePlanSchema).readonly(),
  format: z.object({ width: z.int(), height: z.int(), fps: z.number() }),
  fit: z.enum(fits),
  total_duration: z.number().describe('Seconds'),
})

export const storyboardAnswer = (storyboard: Storyboard): z.infer<typeof storyboardSchema> => ({
  ...storyboard,
  scenes: storyboard.scenes.map(scenePlanAnswer),
})
