/** Refuses unknown query names: a misspelt filter must not be ignored. */
import { z } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import type { FieldProblem } from '../../job/errors.ts'
import { nearestOf, slipOf } from '../../job/nearest.ts'
import { malformed } from './problem.ts'

export interface QueryNames {
  readonly names: readonly string[]
  /** Whether any other name is allowed too. */
  readonly isOpen: boolean
}

/** `find`: the endpoints that match a request; the last one answers it. */
export function guardQueryNames(
  find: (c: Context) => readonly { readonly queryNames?: QueryNames | undefined }[],
): MiddlewareHandler {
  return async (c, next) => {
    const { search, searchParams } = new URL(c.req.url)
    const names = search === '' ? undefined : find(c).at(-1)?.queryNames
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
  // The parsed query cannot have a member of this name.
  if (isOpen && field === '__proto__') return [{ field, reason: `is not known here.${own}` }]
  if (isOpen) return []
  const there = names.length === 0 ? 'This takes no query' : `There are: ${names.join(', ')}`
  return [{ field, reason: `is not known here. ${there}` }]
}

export function namesOf(query: z.ZodObject | undefined): QueryNames {
  if (!query) return { names: [], isOpen: false }
  const others: unknown = query.def.catchall
  return {
    names: Object.keys(query.shape),
    isOpen: others !== undefined && !(others instanceof z.ZodNever),
  }
}
