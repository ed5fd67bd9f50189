/** Probes and metrics for operators. */
import { z } from '@hono/zod-openapi'
import { allJobs } from '../access/access.ts'
import { HttpProblem } from '../edge/problem.ts'
import { endpoint, json, resource, whole } from './endpoint.ts'

const aliveSchema = z.object({ status: z.literal('alive') })

export type AliveAnswer = z.infer<typeof aliveSchema>

const readySchema = z.object({
  status: z.literal('ready'),
  checks: z
    .record(z.string(), z.string())
    .describe(
      'database, disk, ffmpeg, draining, and artifacts where nodes share them: each `ok`, or what is wrong, which is 503',
    ),
})

export type ReadyAnswer = z.infer<typeof readySchema>

export const operationEndpoints = resource('operations', [
  endpoint({
    id: 'isAlive',
    route: 'GET /livez',
    access: 'health',
    summary: 'Whether the process answers',
    description: 'For a liveness probe: whether the process answers. It looks at nothing else.',
    answer: json(200, aliveSchema, 'The process answers'),
    handle: () => ({ status: 'alive' }) as const,
  }),

  endpoint({
    id: 'isReady',
    route: 'GET /readyz',
    access: 'health',
    summary: 'Whether it can do its work',
    description:
      'For a readiness probe: whether database, disk and FFmpeg can be used. While the server drains it is not ready.',
    answer: json(200, readySchema, 'It can do its work'),
    handle: async (_, { readiness }) => {
      const { isReady, checks } = await readiness.now()
      if (isReady) return { status: 'ready', checks: { ...checks } } as const
      const reason = Object.values(checks)
        .filter((state) => state !== 'ok')
        .join('; ')
      throw new HttpProblem(503, { error: 'Not ready', reason, checks })
    },
  }),

  endpoint({
    id: 'readMetrics',
    route: 'GET /metrics',
    access: allJobs('read'),
    summary: 'Metrics in the text format of Prometheus',
    description:
      'Counters and gauges of jobs, renders, money, queue and storage in the text format of Prometheus.',
    answer: whole("Prometheus' text format", { 'text/plain': { schema: z.string() } }),
    needs: 'metrics',
    handle: async ({ c }, { metrics }) =>
      c.text(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  }),
])
