/** Security headers of every answer, including those sent before the app sees the request. */
import type { MiddlewareHandler } from 'hono'

/**
 * They forbid guessing another content type, caching by default, and reading or framing by another site.
 * There are no CORS headers, so no other site can read an answer.
 */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
} as const

/** For data that a browser is made to show as a page: it loads and runs nothing. */
export const dataPolicy = "default-src 'none'; frame-ancestors 'none'"

/** A browser shows a film or picture in a page of its own, which has to load it. */
const mediaPolicy = "frame-ancestors 'none'"

export const standardHeaders: MiddlewareHandler = async (c, next) => {
  for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value)
  await next()
  const { headers } = c.res
  // Our own page sets its own policy.
  if (headers.has('content-security-policy')) return
  const isMedia = /^(?:video|image|audio)\//.test(headers.get('content-type') ?? '')
  c.header('content-security-policy', isMedia ? mediaPolicy : dataPolicy)
}
