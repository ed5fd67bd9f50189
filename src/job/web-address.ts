/** Web addresses from users: which of them may be contacted, and how logs show them. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** A network in CIDR notation, such as 10.0.0.0/8. */
export type Network = ReturnType<typeof ipaddr.parseCIDR>

/** @returns undefined if the text is not CIDR notation. */
export const readNetwork = (text: string): Network | undefined =>
  ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : undefined

/** Globally routed IPv6; special ranges inside are excluded by their name. */
const routed = ipaddr.parseCIDR('2000::/3')
/** A public address that, on Azure, reaches the host of the virtual machine. */
const closed = ipaddr.parseCIDR('168.63.129.16/32')

const isIn = (address: ReturnType<typeof ipaddr.parse>, networks: readonly Network[]): boolean =>
  ipaddr.subnetMatch(address, { those: [...networks] }, '') === 'those'

/** Whether an IP address is on the public internet, or in a network that the operator allows. */
export function isReachable(address: string, allowed: readonly Network[]): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.parse(address)
  if (isIn(parsed, allowed)) return true
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' ? !isIn(parsed, [closed]) : isIn(parsed, [routed])
}

/** The host of an address without brackets and trailing dots. */
export const hostIn = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '')

const maxLength = 2048

/** Names that only resolve within one network; a public name has a dot. */
const isLocalName = (name: string): boolean =>
  !name.includes('.') ||
  /\.(?:localhost|local|internal|intranet|lan|home\.arpa|onion|test|invalid)$/.test(name)

const hint = 'the operator may allow it with WEBHOOK_ALLOWED_NETWORKS'

/**
 * The problem with an address, judged by its text; undefined if there is none. A name may still resolve to a private
 * address, which is checked when connecting.
 */
export function addressProblem(given: string, allowed: readonly Network[]): string | undefined {
  if (given.length > maxLength) return `must have at most ${maxLength} characters`
  if (!URL.canParse(given)) return 'must be a complete address, such as https://example.com/webhooks'
  const url = new URL(given)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https:// or http://'
  if (url.username !== '' || url.password !== '')
    return 'must not contain a user name or a password: every message is signed instead'
  const host = hostIn(url)
  if (isIP(host) !== 0)
    return isReachable(host, allowed) ? undefined : `must be on the public internet; ${host} is not: ${hint}`
  // If private networks are allowed, a local name is resolved and checked when connecting.
  if (allowed.length === 0 && isLocalName(host))
    return `must be on the public internet; ${host} is a local name: ${hint}`
  return undefined
}

/** An address for logs, without its query, which may hold a secret. */
export function loggedAddress(given: string): string {
  const { origin, pathname } = new URL(given)
  return `${origin}${pathname}`
}
