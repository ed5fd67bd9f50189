/** What those who run the server ask it. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Readiness } from '../../telemetry/readiness.ts'
import { HttpProblem } from '../edge/problem.ts'

const livezRoute = createRoute({
  method: 'get',
  path: '/livez',
  responses: {
    200: {
      content: { 'application/json': { schema: z.object({ status: z.literal('alive') }) } },
      description: 'The process answers',
    },
  },
})

const readyzRoute = createRoute({
  method: 'get',
  path: '/readyz',
  responses: {
    200: {
      content: {
        'application/json': {
          schema: z.object({
            status: z.literal('ready'),
            checks: z
              .record(z.string(), z.string())
              .describe('database, disk, ffmpeg and draining: each `ok`, or what is wrong, which is 503'),
          }),
        },
      },
      description: 'It can do its work',
    },
  },
})

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  responses: {
    200: {
      content: { 'text/plain': { schema: z.string() } },
      description: "Prometheus' text format",
    },
  },
})

export interface OperationOptions {
  readonly readiness: Pick<Readiness, 'now'>
  /** Left out where nobody counts. */
  readonly metrics?: Pick<Metrics, 'text' | 'contentType'> | undefined
}

export function operationRoutes({ readiness, metrics }: OperationOptions): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(livezRoute, (c) => c.json({ status: 'alive' as const }, 200))

  routes.openapi(readyzRoute, async (c) => {
    const { isReady, checks } = await readiness.now()
    if (isReady) return c.json({ status: 'ready' as const, checks: { ...checks } }, 200)
    const reason = Object.values(checks)
      .filter((state) => state !== 'ok')
      .join('; ')
    throw new HttpProblem(503, { error: 'Not ready', reason, checks })
  })

  if (metrics)
    routes.openapi(metricsRoute, async (c) =>
      c.text(await metrics.text(), 200, { 'content-type': metrics.contentType }),
    )

  return routes
}
