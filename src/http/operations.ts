/** What those who run the server ask it. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Log } from '../log.ts'
import { HttpProblem } from './problem.ts'

const statusRoute = <const Path extends string, const Status extends string>(path: Path, status: Status) =>
  createRoute({
    method: 'get',
    path,
    responses: {
      200: {
        content: { 'application/json': { schema: z.object({ status: z.literal(status) }) } },
        description: status,
      },
    },
  })

export function operationRoutes({
  coordinator,
  log,
}: {
  readonly coordinator: Coordinator
  readonly log: Log
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(statusRoute('/livez', 'alive'), (c) => c.json({ status: 'alive' as const }, 200))

  // Ready is who can read his rows.
  routes.openapi(statusRoute('/readyz', 'ready'), async (c) => {
    await coordinator.jobs({ limit: 1 }).catch((cause: unknown) => {
      log.warn({ err: cause }, 'Not ready: the database does not answer')
      throw new HttpProblem(503, { error: 'Not ready', reason: 'The database does not answer' }, { cause })
    })
    return c.json({ status: 'ready' as const }, 200)
  })

  return routes
}
