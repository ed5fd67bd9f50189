import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { LimitsStanding, RendererStanding } from '../../coordinator/limits.ts'
import type { Stop } from '../../job/queue.ts'
import { readJson, readOptionalJson } from '../edge/body.ts'
import { type VerbRoutes, jsonAnswer, jsonBody } from './describe.ts'
import { timeOf, timeSchema } from '../edge/path.ts'
import { askedBy } from '../edge/principal.ts'

const pausedSchema = z
  .object({ since: timeSchema, by: z.string().nullable(), reason: z.string().nullable() })
  .nullable()
  .describe('What a person has stopped; null where nothing is')

const rendererSchema = z.object({
  max_concurrency: z.int().describe('Renders at once'),
  start_delay_ms: z.int().describe('The least time between two starts'),
  starts_per_minute: z.int().nullable().describe('Renders begun within any minute; null: no such limit'),
  configured: z
    .object({ max_concurrency: z.int(), start_delay_ms: z.int() })
    .describe('What the configuration says, and null in a PUT goes back to'),
  in_flight: z.int(),
  paused: pausedSchema,
  provider_pause: z
    .object({ until: timeSchema, reason: z.string() })
    .nullable()
    .describe('What the provider asked for'),
})

const limitsSchema = z
  .object({
    jobs: z.object({
      limit: z.int().nullable().describe('Jobs that are worked on at once; null: no such limit'),
      processing: z.int(),
    }),
    paused: pausedSchema,
    renderers: z.record(z.string(), rendererSchema),
  })
  .openapi('Limits')

export type LimitsAnswer = z.infer<typeof limitsSchema>

const pausedAnswer = (stop: Stop | undefined): LimitsAnswer['paused'] =>
  stop ? { since: timeOf(stop.since), by: stop.by, reason: stop.reason } : null

const rendererAnswer = (standing: RendererStanding): z.infer<typeof rendererSchema> => {
  const { limit, configured, inFlight, stop, pause } = standing
  return {
    max_concurrency: limit.maxConcurrency,
    start_delay_ms: limit.startDelayMs,
    starts_per_minute: limit.startsPerMinute ?? null,
    configured: { max_concurrency: configured.maxConcurrency, start_delay_ms: configured.startDelayMs },
    in_flight: inFlight,
    paused: pausedAnswer(stop),
    provider_pause: pause ? { until: timeOf(pause.until), reason: pause.reason } : null,
  }
}

const limitsAnswer = ({ jobs, stop, renderers }: LimitsStanding): LimitsAnswer => ({
  jobs: { limit: jobs.limit, processing: jobs.processing },
  paused: pausedAnswer(stop),
  renderers: Object.fromEntries(renderers.map((standing) => [standing.limit.name, rendererAnswer(standing)])),
})

const readLimitsRoute = createRoute({
  method: 'get',
  path: '/limits',
  summary: 'How much may go on at once, how much does, and what is paused',
  responses: { 200: jsonAnswer(limitsSchema, 'The limits in force') },
})

const setLimitsRoute = createRoute({
  method: 'put',
  path: '/limits',
  summary: 'Change limits while running: what is not named stays, null goes back to the configuration',
  request: { body: jsonBody('LimitsChange') },
  responses: { 200: jsonAnswer(limitsSchema, 'The limits in force from now on') },
})

const stopRoute = (path: '/pause' | '/resume', summary: string) =>
  createRoute({
    method: 'post',
    path,
    summary,
    request: { body: jsonBody('PauseRequest', false) },
    responses: { 200: jsonAnswer(limitsSchema, 'The limits in force from now on') },
  })

const pauseRoute = stopRoute('/pause', 'Start nothing new, of all or at one renderer; what runs, ends')
const resumeRoute = stopRoute('/resume', 'Go on after a pause of all, or of one renderer')

export function limitRoutes({ coordinator, limits }: VerbRoutes): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(readLimitsRoute, async (c) => c.json(limitsAnswer(await coordinator.limits()), 200))

  routes.openapi(setLimitsRoute, async (c) => {
    const standing = await coordinator.setLimits(await readJson(c, limits), askedBy(c))
    return c.json(limitsAnswer(standing), 200)
  })

  routes.openapi(pauseRoute, async (c) => {
    const standing = await coordinator.pause(await readOptionalJson(c, limits), askedBy(c))
    return c.json(limitsAnswer(standing), 200)
  })

  routes.openapi(resumeRoute, async (c) => {
    const standing = await coordinator.resume(await readOptionalJson(c, limits), askedBy(c))
    return c.json(limitsAnswer(standing), 200)
  })

  return routes
}
