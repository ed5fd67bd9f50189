/** The package's client, for the commands: an error becomes one line, in the server's words. */
import { openAsBlob } from 'node:fs'
import { commandLine } from '../command-name.ts'
import { networkWords } from '../network-words.ts'
import { ApiError, type AssetAnswer, type Client, createClient } from '../client/client.ts'
import { CommandError, usageError } from './command-error.ts'
import type { CommandContext } from './command.ts'

export type { Client } from '../client/client.ts'

/** The request of `createJob` and `estimateJob`; the server validates it. */
export type Wish = Parameters<Client['createJob']>[0]

/** ms. The server decodes a large photograph before it answers, after those of other clients. */
const timeoutMs = 120_000

/** Aborts all requests when `signal` fires. */
export function connect(url: string, signal: AbortSignal, key?: string): Client {
  const send: typeof fetch = async (address, init) => {
    const signals = init?.signal ? AbortSignal.any([signal, init.signal]) : signal
    const response = await fetch(address, { ...init, signal: signals }).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw isUnreachable(cause) ? new UnreachableError(url, cause) : cause
    })
    if (response.status === 401)
      throw new CommandError(
        key
          ? `The key is not, or no longer, valid at ${url}`
          : `${url} needs a key: set COORDINATOR_KEY, or give --key`,
      )
    return response
  }
  return createClient({ url, fetch: send, timeoutMs, ...(key && { key }) })
}

export function clientFor(
  { url, key: given }: { readonly url: string; readonly key?: string | undefined },
  { env, signal }: CommandContext,
): Client {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError(`--url must be an address such as http://127.0.0.1:4000, not "${url}"`)
  const key = given ?? env['COORDINATOR_KEY']
  // The message does not show the key: it may be valid but for one character.
  if (key && !/^[\x21-\x7e]+$/.test(key))
    throw usageError(
      `${given === undefined ? 'COORDINATOR_KEY' : '--key'} must be a key, without spaces and line breaks`,
    )
  return connect(url, signal, key)
}

/** Errors name the file. */
export async function uploadFile(client: Client, path: string): Promise<AssetAnswer> {
  const bytes = await openAsBlob(path).catch((cause: unknown) => {
    throw new CommandError(`${path}: cannot be read (${whyOf(cause)})`, 1, { cause })
  })
  return client.uploadAsset(bytes).catch((cause: unknown) => {
    throw cause instanceof ApiError ? new CommandError(`${path}: ${refusalOf(cause)}`, 1, { cause }) : cause
  })
}

/** No server answers at the address. */
export class UnreachableError extends CommandError {
  constructor(url: string, cause: unknown) {
    super(
      `Cannot reach ${url} (${whyOf(cause)}). Is the server running? Start it with: ${commandLine('serve')}`,
      1,
      { cause },
    )
    this.name = 'UnreachableError'
  }
}

/** Errors that mean no server is there: an immediate retry would not help. */
const absent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

const isUnreachable = (error: unknown): boolean =>
  error instanceof Error &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  absent.has(String(error.cause.code))

/** The cause of a failed request, below `fetch failed`. */
export const whyOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  if ('code' in cause && cause.code === 'ENOENT') return 'there is no such file'
  if ('code' in cause && cause.code === 'ECONNREFUSED') return 'nothing listens there'
  return networkWords(cause) ?? (cause.message || String('code' in cause ? cause.code : cause.name))
}

/** A refusal or a lost connection is not a bug of this program: it becomes a CommandError. */
export function asCommandError(error: unknown): unknown {
  if (error instanceof ApiError) return new CommandError(refusalOf(error), 1, { cause: error })
  if (error instanceof TypeError && /^(?:fetch failed|terminated)$/.test(error.message))
    return new CommandError(`The connection to the server was lost (${whyOf(error)})`, 1, { cause: error })
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new CommandError(`The server did not answer: ${error.message}`, 1, { cause: error })
  return error
}

export const refusalOf = ({ status, body }: ApiError): string =>
  status >= 500 && body.reason === undefined
    ? `The server answered ${status} ${body.error}`
    : problemWords(body)

/** A refusal's members as a sentence. */
export function problemWords(problem: Readonly<Record<string, unknown>>): string {
  const { error, reason, field, current_status: state } = problem
  // For these errors the reason is the sentence, and the error only its heading.
  const said = error === 'Image refused' || error === 'Invalid request' ? [field, reason] : [error, reason]
  const words = said.filter((part) => typeof part === 'string' && part !== '').join(': ')
  return typeof state === 'string' ? `${words} (it is ${state})` : words
}
