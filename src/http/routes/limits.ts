import { z } from '@hono/zod-openapi'
import type { LimitsStanding, RendererStanding } from '../../coordinator/admission/limits.ts'
import { limitsChange, pauseRequest } from '../../job/control-request.ts'
import type { ManualPause } from '../../job/queue.ts'
import { allJobs } from '../access/access.ts'
import { timeOf, timeSchema } from '../edge/path.ts'
import { changedAnswer, changedSchema } from './changes.ts'
import { endpoint, json, jsonBody, optionalJsonBody, resource } from './endpoint.ts'

const pausedSchema = z
  .object({ since: timeSchema, by: z.string().nullable(), reason: z.string().nullable() })
  .nullable()
  .describe('A pause set by a person; null where there is none')

const rendererSchema = z.object({
  max_concurrency: z.int().describe('Renders at once'),
  start_delay_ms: z.int().describe('The least time between two starts'),
  starts_per_minute: z.int().nullable().describe('Renders begun within any minute; null: no such limit'),
  configured: z
    .object({ max_concurrency: z.int(), start_delay_ms: z.int() })
    .describe('The configured values; null in a PUT restores them'),
  in_flight: z.int(),
  paused: pausedSchema,
  provider_pause: z
    .object({ until: timeSchema, reason: z.string() })
    .nullable()
    .describe('The pause that the provider requested'),
  changed: changedSchema
    .unwrap()
    .extend({ name: z.string().describe('Which of its limits') })
    .nullable()
    .describe('The last change of one of its limits at run time; null where none is known'),
})

const limitsSchema = z
  .object({
    jobs: z.object({
      limit: z.int().nullable().describe('Jobs that are worked on at once; null: no such limit'),
      processing: z.int(),
      changed: changedSchema,
    }),
    paused: pausedSchema,
    renderers: z.record(z.string(), rendererSchema),
  })
  .openapi('Limits')

export type LimitsAnswer = z.infer<typeof limitsSchema>

const pausedAnswer = (stop: ManualPause | undefined): LimitsAnswer['paused'] =>
  stop ? { since: timeOf(stop.since), by: stop.by, reason: stop.reason } : null

const rendererAnswer = (standing: RendererStanding): z.infer<typeof rendererSchema> => {
  const { limit, configured, inFlight, manualPause: stop, cooldown: pause, changed } = standing
  return {
    max_concurrency: limit.maxConcurrency,
    start_delay_ms: limit.startDelayMs,
    starts_per_minute: limit.startsPerMinute ?? null,
    configured: { max_concurrency: configured.maxConcurrency, start_delay_ms: configured.startDelayMs },
    in_flight: inFlight,
    paused: pausedAnswer(stop),
    provider_pause: pause ? { until: timeOf(pause.until), reason: pause.reason } : null,
    changed: changed ? { ...changedAnswer(changed)!, name: changed.name.slice(limit.name.length + 1) } : null,
  }
}

const limitsAnswer = ({ jobs, manualPause: stop, renderers }: LimitsStanding): LimitsAnswer => ({
  jobs: { limit: jobs.limit, processing: jobs.processing, changed: changedAnswer(jobs.changed) },
  paused: pausedAnswer(stop),
  renderers: Object.fromEntries(renderers.map((standing) => [standing.limit.name, rendererAnswer(standing)])),
})

const answerFromNowOn = json(200, limitsSchema, 'The limits in force from now on')

const pauseBody = optionalJsonBody('PauseRequest', pauseRequest, {
  renderer: 'replicate',
  reason: 'the provider is being looked into',
})

export const limitEndpoints = resource('operations', [
  endpoint({
    id: 'readLimits',
    route: 'GET /api/v3/limits',
    access: allJobs('read'),
    summary: 'The limits, their use, and what is paused',
    description:
      'The limits in force for jobs and for each renderer, how much of them is used, and what is paused.',
    answer: json(200, limitsSchema, 'The limits in force'),
    isShared: true,
    handle: async (_, { coordinator }) => limitsAnswer(await coordinator.limits()),
  }),

  endpoint({
    id: 'setLimits',
    route: 'PUT /api/v3/limits',
    access: allJobs('admin'),
    summary: 'Change limits at run time: members left out stay, null restores the configuration',
    description:
      'Changes the limits that the body names at once. Renders that run beyond a lower limit finish.',
    body: jsonBody('LimitsChange', limitsChange, { renderers: { replicate: { max_concurrency: 8 } } }),
    answer: answerFromNowOn,
    refuses: { 422: 'A renderer is unknown, or a limit is impossible' },
    handle: async ({ body, by }, { coordinator }) => limitsAnswer(await coordinator.setLimits(body, by)),
  }),

  endpoint({
    id: 'pause',
    route: 'POST /api/v3/pause',
    access: allJobs('admin'),
    summary: 'Start no new renders, at all or one renderer; running renders finish',
    description:
      'Starts no further render at the renderer named, or at any. It lasts until `POST /resume`, also over restarts.',
    body: pauseBody,
    answer: answerFromNowOn,
    refuses: { 422: 'A member is impossible, or the renderer is unknown' },
    handle: async ({ body, by }, { coordinator }) => limitsAnswer(await coordinator.pause(body, by)),
  }),

  endpoint({
    id: 'resume',
    route: 'POST /api/v3/resume',
    access: allJobs('admin'),
    summary: 'End the pause of all renderers, or of one',
    description:
      'Ends the pause of the renderer named, or of all. Renders start again by their place in the queue.',
    body: pauseBody,
    answer: answerFromNowOn,
    refuses: { 422: 'A member is impossible, or the renderer is unknown' },
    handle: async ({ body, by }, { coordinator }) => limitsAnswer(await coordinator.resume(body, by)),
  }),
])
