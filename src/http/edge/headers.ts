/** What each answer says to browsers: also those that never came as far as the app. */
import type { MiddlewareHandler } from 'hono'

/**
 * No answer is ever guessed to be of another type, kept by a cache unasked, or read or framed by a foreign page. There
 * are no CORS headers at all: no other site may read anything.
 */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
} as const

/** For data that a browser was made to show as a page: it loads and runs nothing. */
export const dataPolicy = "default-src 'none'; frame-ancestors 'none'"

/** Films and pictures are shown by a page that the browser makes around them, which has to load them. */
const mediaPolicy = "frame-ancestors 'none'"

export const standardHeaders: MiddlewareHandler = async (c, next) => {
  for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value)
  await next()
  const { headers } = c.res
  // A page of ours says itself what it may load.
  if (headers.has('content-security-policy')) return
  const isMedia = /^(?:video|image|audio)\//.test(headers.get('content-type') ?? '')
  c.header('content-security-policy', isMedia ? mediaPolicy : dataPolicy)
}
