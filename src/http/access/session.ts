/** The cookie of a browser that is signed in. No script can read it, and no other site can make a browser send it. */
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Token } from '../../access/keys.ts'

type Transport = 'https' | 'http'

/**
 * Browsers send a cookie to every port of a host, so its name holds the port: two coordinators on one host keep their own.
 * By `__Host-`, browsers refuse a cookie that another host, or plain HTTP, has set.
 */
function nameOf(c: Context, transport: Transport): string {
  const port = /:(\d{1,5})$/.exec(c.req.header('host') ?? new URL(c.req.url).host)?.[1]
  return `${transport === 'https' ? '__Host-' : ''}coordinator${port === undefined ? '' : `-${port}`}`
}

/** A proxy may stand between. Where it says that the browser speaks HTTPS, a cookie that plain HTTP could have set means nothing. */
const isSaidHttps = (c: Context): boolean => /^https\b/i.test(c.req.header('x-forwarded-proto') ?? '')

/** The browser itself says it where it signs in. */
const isSecure = (c: Context): boolean =>
  isSaidHttps(c) ||
  getCookie(c, nameOf(c, 'https')) !== undefined ||
  /^https:/i.test(c.req.header('origin') ?? '')

const optionsFor = (secure: boolean) => ({
  path: '/',
  httpOnly: true,
  sameSite: 'Strict' as const,
  secure,
})

export const sessionIn = (c: Context): string | undefined =>
  getCookie(c, nameOf(c, 'https')) ?? (isSaidHttps(c) ? undefined : getCookie(c, nameOf(c, 'http')))

export function keepSession(c: Context, { token, expiresAt }: Token): void {
  const secure = isSecure(c)
  setCookie(c, nameOf(c, secure ? 'https' : 'http'), token, {
    ...optionsFor(secure),
    expires: new Date(expiresAt),
  })
}

export function endSession(c: Context): void {
  deleteCookie(c, nameOf(c, 'http'), optionsFor(false))
  deleteCookie(c, nameOf(c, 'https'), optionsFor(true))
}
