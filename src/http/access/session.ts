/** The cookie of a browser that is signed in. No script can read it, and no other site can make a browser send it. */
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Token } from '../../access/keys.ts'

/** By the prefix, browsers refuse a cookie that another host, or plain HTTP, has set. */
const overHttps = '__Host-coordinator'
const overHttp = 'coordinator'

/** Only the browser knows whether it speaks HTTPS: a proxy may stand between. It says so where it signs in. */
const isSecure = (c: Context): boolean =>
  getCookie(c, overHttps) !== undefined || /^https:/i.test(c.req.header('origin') ?? '')

const optionsFor = (secure: boolean) => ({
  path: '/',
  httpOnly: true,
  sameSite: 'Strict' as const,
  secure,
})

export const sessionIn = (c: Context): string | undefined => getCookie(c, overHttps) ?? getCookie(c, overHttp)

export function keepSession(c: Context, { token, expiresAt }: Token): void {
  const secure = isSecure(c)
  setCookie(c, secure ? overHttps : overHttp, token, { ...optionsFor(secure), expires: new Date(expiresAt) })
}

export function endSession(c: Context): void {
  deleteCookie(c, overHttp, optionsFor(false))
  deleteCookie(c, overHttps, optionsFor(true))
}
