/** Why a request got no answer, in words for people: what sockets say of it is a code, which follows in brackets. */

const broken = 'the other side broke the connection off'
const late = 'no answer came in time'
const noWay = 'the network has no way to it'
const noHttp = 'what came is not HTTP'

const words: ReadonlyMap<string, string> = new Map([
  ['ECONNRESET', broken],
  ['ECONNABORTED', broken],
  ['EPIPE', broken],
  ['UND_ERR_SOCKET', broken],
  ['UND_ERR_CLOSED', broken],
  ['UND_ERR_DESTROYED', broken],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'the answer is shorter or longer than announced'],
  ['ECONNREFUSED', 'nothing listens there'],
  ['ETIMEDOUT', late],
  ['UND_ERR_HEADERS_TIMEOUT', late],
  ['UND_ERR_BODY_TIMEOUT', 'the answer stopped coming'],
  ['UND_ERR_CONNECT_TIMEOUT', 'no connection could be made in time'],
  ['ENOTFOUND', 'its name is unknown to the name servers'],
  ['ENODATA', 'its name has no address'],
  ['EAI_AGAIN', 'the name servers did not answer'],
  ['EHOSTUNREACH', noWay],
  ['EHOSTDOWN', noWay],
  ['ENETUNREACH', noWay],
  ['ENETDOWN', noWay],
  ['EPROTO', 'no secure connection could be made'],
  ['UND_ERR_HEADERS_OVERFLOW', 'the headers of the answer are too long'],
])

/** What `fetch` says where the error below it says nothing. */
const wordless = /^(?:fetch failed|terminated|other side closed|socket hang up)$/i

/** Undefined where the error is none of a connection, or speaks for itself. */
export function networkWords(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const known = words.get(code) ?? kindOf(code, error)
  if (known !== undefined) return `${known} (${[code, placeOf(error)].filter(Boolean).join(' ')})`
  return wordless.test(error.message) ? broken : undefined
}

function kindOf(code: string, { message }: Error): string | undefined {
  if (code.startsWith('ERR_SSL_')) return 'no secure connection could be made'
  if (code.startsWith('HPE_')) return noHttp
  if (/CERT|SIGNATURE|_CA$/.test(code)) return `its certificate is not trusted: ${message}`
  return undefined
}

/** Which name or address was meant: one of several may be wrong. */
function placeOf(error: Error): string {
  if ('hostname' in error && typeof error.hostname === 'string') return error.hostname
  const address = 'address' in error && typeof error.address === 'string' ? error.address : ''
  const port = 'port' in error && typeof error.port === 'number' ? `:${error.port}` : ''
  return address && (address.includes(':') ? `[${address}]` : address) + port
}
