/** PostgreSQL's address as a person writes it: `postgres://user:password@one:5432,two:5432/database?sslmode=require`. */

// No @ in the path: of a password with an @ and a /, the rest would be taken for a host and a database, and be shown.
const pattern =
  /^(?<scheme>postgres(?:ql)?:\/\/)(?:(?<login>[^@/]*)@)?(?<hosts>[^@/?#]*)(?<rest>(?:\/[^@?#]*)?(?:\?[^#]*)?)$/

/** Says what is wrong without quoting the URL, which may hold a password; undefined: it is usable. */
export function problemOfDatabaseUrl(url: string): string | undefined {
  const groups = pattern.exec(url)?.groups
  if (!groups) return 'must be a PostgreSQL URL such as postgres://user:password@host:5432/database'
  const { scheme = '', login, hosts = '', rest = '' } = groups
  const at = login === undefined ? '' : `${login}@`
  // Without a host, the folder of a socket is in the query.
  if (hosts === '' && !/[?&]host=/.test(rest)) return 'must name a host'
  if (!canDecode(hosts) || !canDecode(rest)) return 'must have its special characters percent-encoded'
  const all = hosts.split(',').map((host) => `${scheme}${at}${host}${rest}`)
  return all.every((one) => URL.canParse(one.replace('@/', '@localhost/').replace(':///', '://localhost/')))
    ? undefined
    : 'must have hosts with ports from 1 to 65535, separated by commas'
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** The URL for people: without its password and its options. */
export function shownDatabaseUrl(url: string): string {
  const { login = '', hosts = '', rest = '' } = pattern.exec(url)?.groups ?? {}
  const user = login.split(':')[0]!
  const socket = /[?&]host=([^&]*)/.exec(rest)?.[1]
  const where = decodeURIComponent(hosts === '' && socket !== undefined ? socket : hosts)
  return `PostgreSQL, ${user === '' ? '' : `${user}@`}${where}${rest.split('?')[0]}`
}
