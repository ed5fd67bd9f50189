/** Why a request got no response, in plain words, with the error code of the socket in brackets. */

const broken = 'the server closed the connection'
const late = 'the request timed out'
const noWay = 'no network route to the host'
const noHttp = 'the response is not valid HTTP'

const words: ReadonlyMap<string, string> = new Map([
  ['ECONNRESET', broken],
  ['ECONNABORTED', broken],
  ['EPIPE', broken],
  ['UND_ERR_SOCKET', broken],
  ['UND_ERR_CLOSED', broken],
  ['UND_ERR_DESTROYED', broken],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'the response length differs from its Content-Length'],
  ['ECONNREFUSED', 'nothing listens there'],
  ['ETIMEDOUT', late],
  ['UND_ERR_HEADERS_TIMEOUT', late],
  ['UND_ERR_BODY_TIMEOUT', 'the response stalled'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connecting timed out'],
  ['ENOTFOUND', 'the host name is unknown to DNS'],
  ['ENODATA', 'the host name has no address'],
  ['EAI_AGAIN', 'the DNS servers did not answer'],
  ['EHOSTUNREACH', noWay],
  ['EHOSTDOWN', noWay],
  ['ENETUNREACH', noWay],
  ['ENETDOWN', noWay],
  ['EPROTO', 'the TLS connection failed'],
  ['UND_ERR_HEADERS_OVERFLOW', 'the response headers are too long'],
])

/** Messages of `fetch` that name no cause. */
const wordless = /^(?:fetch failed|terminated|other side closed|socket hang up)$/i

/** Undefined for errors that are not of a connection, or that have a clear message. */
export function networkWords(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const known = words.get(code) ?? kindOf(code, error)
  if (known !== undefined) return `${known} (${[code, placeOf(error)].filter(Boolean).join(' ')})`
  return wordless.test(error.message) ? broken : undefined
}

function kindOf(code: string, { message }: Error): string | undefined {
  if (code.startsWith('ERR_SSL_')) return 'the TLS connection failed'
  if (code.startsWith('HPE_')) return noHttp
  if (/CERT|SIGNATURE|_CA$/.test(code)) return `the certificate is not trusted: ${message}`
  return undefined
}

/** The host name or address, since a request may try several. */
function placeOf(error: Error): string {
  if ('hostname' in error && typeof error.hostname === 'string') return error.hostname
  const address = 'address' in error && typeof error.address === 'string' ? error.address : ''
  const port = 'port' in error && typeof error.port === 'number' ? `:${error.port}` : ''
  return address && (address.includes(':') ? `[${address}]` : address) + port
}
