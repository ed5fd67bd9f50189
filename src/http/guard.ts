/**
 * Without keys, whoever reaches the port may spend money. A page in a browser on this machine reaches it, so
 * two ways of doing that unasked are closed: a foreign name that was made to point here (DNS rebinding), and a
 * form or script of another site.
 */
import { isIP } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { HttpProblem } from './problem.ts'

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']
const everyAddress = new Set(['0.0.0.0', '::', '[::]'])

const nameIn = (host: string): string => host.replace(/:\d+$/, '').toLowerCase()

/** An address needs no name service, so no foreign name can stand behind it. */
const isAddress = (name: string): boolean => isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0

/** `hosts`: the names under which the server is reached, besides those of this machine. */
export function guardOrigin(hosts: readonly string[]): MiddlewareHandler {
  const names = new Set([
    ...loopbackNames,
    ...hosts.map((host) => (isIP(host) === 6 ? `[${host}]` : host).toLowerCase()),
  ])
  const anyAddress = hosts.some((host) => everyAddress.has(host))

  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    const name = nameIn(host)
    if (!names.has(name) && !(anyAddress && isAddress(name)))
      throw new HttpProblem(421, {
        error: 'Misdirected request',
        reason: `This server does not answer to the host name ${JSON.stringify(name.slice(0, 255))}`,
      })
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') refuseForeign(c.req.raw.headers, host)
    await next()
  }
}

function refuseForeign(headers: Headers, host: string): void {
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const foreignSite = site !== null && site !== 'same-origin' && site !== 'none'
  const foreignOrigin =
    origin !== null && origin.replace(/^https?:\/\//, '').toLowerCase() !== host.toLowerCase()
  if (foreignSite || foreignOrigin)
    throw new HttpProblem(403, {
      error: 'Cross-site request refused',
      reason: 'A page of another site must not change anything here',
    })
}
