/** Addresses that users give us to send to: which of them may be reached, and how they are told in logs. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** All addresses that begin with the same bits, such as 10.0.0.0/8. */
export type Network = ReturnType<typeof ipaddr.parseCIDR>

/** @returns undefined for what is no network in CIDR notation. */
export const readNetwork = (text: string): Network | undefined =>
  ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : undefined

/** All of IPv6 that the internet routes; what is special within it is left out by its range. */
const routed = ipaddr.parseCIDR('2000::/3')
/** Public by its number, and yet answered by the machine that a server at Azure runs on. */
const closed = ipaddr.parseCIDR('168.63.129.16/32')

const isIn = (address: ReturnType<typeof ipaddr.parse>, networks: readonly Network[]): boolean =>
  ipaddr.subnetMatch(address, { those: [...networks] }, '') === 'those'

/** Whether an address of IPv4 or IPv6 is one of the public internet, or of a network that the operator allows. */
export function isReachable(address: string, allowed: readonly Network[]): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.parse(address)
  if (isIn(parsed, allowed)) return true
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' ? !isIn(parsed, [closed]) : isIn(parsed, [routed])
}

/** The host of an address without what is only notation: brackets, and dots at its end. */
export const hostIn = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '')

const maxLength = 2048

/** Names that mean something within one network only; a public name has a dot. */
const isLocalName = (name: string): boolean =>
  !name.includes('.') ||
  /\.(?:localhost|local|internal|intranet|lan|home\.arpa|onion|test|invalid)$/.test(name)

const hint = 'the operator may allow it with WEBHOOK_ALLOWED_NETWORKS'

/**
 * What is wrong with an address, as far as it tells by itself; undefined where nothing is. A name may still stand for a
 * private address: that is seen when it is connected to.
 */
export function addressProblem(given: string, allowed: readonly Network[]): string | undefined {
  if (given.length > maxLength) return `must have at most ${maxLength} characters`
  if (!URL.canParse(given)) return 'must be a whole address, such as https://example.com/webhooks'
  const url = new URL(given)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https:// or http://'
  if (url.username !== '' || url.password !== '')
    return 'must not contain a user name or a password: every message is signed instead'
  const host = hostIn(url)
  if (isIP(host) !== 0)
    return isReachable(host, allowed)
      ? undefined
      : `must be on the public internet, and ${host} is not: ${hint}`
  // What a name of one's own network stands for is known when it is connected to.
  if (allowed.length === 0 && isLocalName(host))
    return `must have a name of the public internet, and ${host} is none: ${hint}`
  return undefined
}

/** An address as it may be logged: what a query says may be a secret. */
export function loggedAddress(given: string): string {
  const { origin, pathname } = new URL(given)
  return `${origin}${pathname}`
}
