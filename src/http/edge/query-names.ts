/** Names in the query that a route does not have: ignored, they would be wishes that nobody grants. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { FieldProblem } from '../../job/errors.ts'
import { nearestOf, slipOf } from '../../job/nearest.ts'
import { malformed } from './problem.ts'

interface QueryNames {
  readonly names: readonly string[]
  /** Whether any other name means something, too. */
  readonly isOpen: boolean
}

/** Of all routes that the app has when the first request comes. */
export function guardQueryNames(app: OpenAPIHono): MiddlewareHandler {
  let known: ReadonlyMap<string, QueryNames> | undefined
  return async (c, next) => {
    const { search, searchParams } = new URL(c.req.url)
    if (search === '') return next()
    known ??= namesByRoute(app)
    const route = matchedRoutes(c).findLast(({ method }) => method !== 'ALL')
    const names = route && known.get(`${route.method} ${route.path}`)
    if (names) {
      const problems = [...new Set(searchParams.keys())].flatMap((name) => problemOf(name, names))
      if (problems.length > 0) throw malformed(problems)
    }
    return next()
  }
}

function problemOf(field: string, { names, isOpen }: QueryNames): FieldProblem[] {
  if (names.includes(field)) return []
  const meant = isOpen ? slipOf(field, names) : nearestOf(field, names)
  const own = isOpen ? ` A member of your own that is called so is metadata.${field}` : ''
  if (meant !== undefined) return [{ field, reason: `is not known here. Did you mean ${meant}?${own}` }]
  // The queries that handlers get have no member of this name.
  if (isOpen && field === '__proto__') return [{ field, reason: `is not known here.${own}` }]
  if (isOpen) return []
  const there = names.length === 0 ? 'This takes no query' : `There are: ${names.join(', ')}`
  return [{ field, reason: `is not known here. ${there}` }]
}

function namesByRoute(app: OpenAPIHono): ReadonlyMap<string, QueryNames> {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== 'route') return []
      const { method, path, request } = definition.route
      const at = `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      return [[at, namesOf(request?.query)] as const]
    }),
  )
}

function namesOf(query: unknown): QueryNames {
  if (!(query instanceof z.ZodObject)) return { names: [], isOpen: false }
  const others: unknown = query.def.catchall
  return {
    names: Object.keys(query.shape),
    isOpen: others !== undefined && !(others instanceof z.ZodNever),
  }
}
