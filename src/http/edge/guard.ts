/**
 * Without keys, every client that reaches the port may spend money, even a page in a browser on this machine.
 * This blocks two such ways: a foreign name that resolves to this machine (DNS rebinding), and a form,
 * script, picture or frame of another site.
 */
import { isIP } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { HttpProblem } from './problem.ts'

/** Paths for probes: they show the server's health, and nothing of its jobs. */
const healthPaths: ReadonlySet<string> = new Set(['/livez', '/readyz'])

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']
const everyAddress = new Set(['0.0.0.0', '::', '[::]'])

const nameIn = (host: string): string => host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase()

/** An IP address is not resolved by DNS, so no foreign name can hide behind it. */
const isAddress = (name: string): boolean => isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0

/** `.example.com` means that name and all below it, `*.example.com` all below it, `*` any name. */
function answersTo(hosts: readonly string[]): (name: string) => boolean {
  const written = hosts.map((host) => (isIP(host) === 6 ? `[${host}]` : host).toLowerCase())
  const names = new Set([...loopbackNames, ...written.map((host) => host.replace(/^\./, ''))])
  const ends = written.filter((host) => /^\*?\./.test(host)).map((host) => host.replace('*', ''))
  const anyAddress = hosts.some((host) => everyAddress.has(host))
  const anyName = hosts.includes('*')
  return (name) =>
    anyName ||
    names.has(name) ||
    ends.some((end) => name.endsWith(end) && name.length > end.length) ||
    (anyAddress && isAddress(name))
}

/** `hosts`: the server's names besides those of this machine; see `ALLOWED_HOSTS`. */
export function guardOrigin(hosts: readonly string[]): MiddlewareHandler {
  const isOurs = answersTo(hosts)

  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    const name = nameIn(host)
    // Probes use any name, and their answers reveal nothing worth protecting.
    if (!isOurs(name) && !healthPaths.has(c.req.path))
      throw new HttpProblem(421, {
        error: 'Misdirected request',
        reason: `This server does not answer to the host name ${JSON.stringify(name.slice(0, 255))}. Its operator can add the name to ALLOWED_HOSTS`,
      })
    if (isCrossSite(c.req.raw.headers, host) && !isFollowedLink(c.req.raw))
      throw new HttpProblem(403, {
        error: 'Cross-site request refused',
        reason: 'A page of another site must not read or change anything here',
      })
    await next()
  }
}

/** The browser's own header decides before the comparison with Host, which a proxy may have rewritten. */
function isCrossSite(headers: Headers, host: string): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site !== 'same-origin' && site !== 'none'
  const origin = headers.get('origin')
  return origin !== null && origin.replace(/^https?:\/\//, '').toLowerCase() !== host.toLowerCase()
}

/** Whether the browser says that a page of this server sends the request. A program without a browser says nothing. */
export function isOfOwnPage({ headers, url }: Request): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin'
  const host = headers.get('host') ?? new URL(url).host
  return (
    headers
      .get('origin')
      ?.replace(/^https?:\/\//, '')
      .toLowerCase() === host.toLowerCase()
  )
}

/**
 * A link on another site that opens a whole page shows it only to the user: the other site sees nothing of
 * it.
 */
const isFollowedLink = ({ method, headers }: Request): boolean =>
  method === 'GET' &&
  headers.get('sec-fetch-mode') === 'navigate' &&
  headers.get('sec-fetch-dest') === 'document'
