/**
 * Serves stored bytes by RFC 9110, with ranges, validators and HEAD, as a video element needs for seeking.
 */
import type { Context } from 'hono'
import { ArtifactError, type ArtifactStore, type ByteRange } from '../../artifact/artifact.ts'
import { HttpProblem } from './problem.ts'

export interface ServedBytes {
  /** The artifact's id: a hash of the content, so also a strong validator. */
  readonly id: string
  readonly contentType: string
  /** When these bytes were first served at this address, ms since the epoch. */
  readonly modifiedAt: number
  /** The value of Content-Disposition. */
  readonly disposition: string
  /** Whether the bytes at this address never change; else clients revalidate them (304) each time. */
  readonly immutable: boolean
  /** Rejects with the reason why the bytes are missing, where it is known. */
  readonly refuseMissing?: () => Promise<void>
}

export async function serveBytes(
  c: Context,
  artifacts: ArtifactStore,
  served: ServedBytes,
): Promise<Response> {
  const stored = await artifacts.stat(served.id)
  if (!stored) {
    await served.refuseMissing?.()
    throw new ArtifactError('missing', `artifact ${served.id} is not in the store`)
  }
  const validators = { etag: `"${stored.id}"`, modifiedAt: served.modifiedAt }
  c.header('etag', validators.etag)
  c.header('last-modified', new Date(served.modifiedAt).toUTCString())
  c.header('cache-control', served.immutable ? 'private, max-age=31536000, immutable' : 'private, no-cache')
  c.header('accept-ranges', 'bytes')

  const headers = c.req.raw.headers
  const precondition = checkPreconditions(headers, validators)
  if (precondition === 'failed')
    throw new HttpProblem(412, { error: 'Precondition failed', reason: 'The bytes are not those you named' })
  if (precondition === 'not-modified') return c.body(null, 304)

  // RFC 9110 14.2: a range is defined for GET only; HEAD describes the whole.
  const range =
    c.req.method === 'GET' && appliesRange(headers.get('if-range'), validators)
      ? parseRange(headers.get('range'), stored.size)
      : undefined
  if (range === 'unsatisfiable')
    throw new HttpProblem(
      416,
      { error: 'Range not satisfiable', reason: `There are ${stored.size} bytes`, size: stored.size },
      { headers: { 'content-range': `bytes */${stored.size}` } },
    )

  c.header('content-type', served.contentType)
  c.header('content-disposition', served.disposition)
  c.header('content-length', String(range ? range.end - range.start + 1 : stored.size))
  if (range) c.header('content-range', `bytes ${range.start}-${range.end}/${stored.size}`)
  const body =
    c.req.method === 'HEAD' || stored.size === 0
      ? null
      : await streamOf(await artifacts.read(served.id, range))
  const status = range ? 206 : 200
  return body ? c.body(body, status) : c.body(null, status)
}

/**
 * Reads a chunk only when the connection wants one. The first is read before the answer starts: a file that
 * cannot be opened is then an error, not a broken download. An iterator that has started closes its file when
 * the client disconnects.
 */
async function streamOf(bytes: AsyncIterable<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const iterator = bytes[Symbol.asyncIterator]()
  let ahead: IteratorResult<Uint8Array> | undefined = await iterator.next()
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = ahead ?? (await iterator.next())
        ahead = undefined
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

interface Validators {
  /** In quotes, as in the header. */
  readonly etag: string
  readonly modifiedAt: number
}

/** HTTP dates have whole seconds. */
const seconds = (ms: number): number => Math.floor(ms / 1000)

const namesTag = (list: string, etag: string, comparison: 'strong' | 'weak'): boolean =>
  list.trim() === '*' ||
  list.split(',').some((entry) => {
    const tag = entry.trim()
    return tag === etag || (comparison === 'weak' && tag === `W/${etag}`)
  })

/** RFC 9110 13.2.2, in its order: a tag overrides a date. */
function checkPreconditions(
  headers: Headers,
  { etag, modifiedAt }: Validators,
): 'go-on' | 'failed' | 'not-modified' {
  const ifMatch = headers.get('if-match')
  const ifNoneMatch = headers.get('if-none-match')
  const date = (name: string): number => Date.parse(headers.get(name) ?? '')
  if (ifMatch !== null) {
    if (!namesTag(ifMatch, etag, 'strong')) return 'failed'
  } else if (seconds(modifiedAt) > seconds(date('if-unmodified-since'))) return 'failed'
  if (ifNoneMatch !== null) return namesTag(ifNoneMatch, etag, 'weak') ? 'not-modified' : 'go-on'
  return seconds(modifiedAt) <= seconds(date('if-modified-since')) ? 'not-modified' : 'go-on'
}

/**
 * If-Range: the range applies only to the same bytes that the client has in part (strong tag, or exact date).
 */
function appliesRange(ifRange: string | null, { etag, modifiedAt }: Validators): boolean {
  if (ifRange === null) return true
  const validator = ifRange.trim()
  return validator.endsWith('"') ? validator === etag : seconds(Date.parse(validator)) === seconds(modifiedAt)
}

/**
 * The single range of a Range header, for `size` bytes. Undefined for the whole: no header, another unit,
 * several ranges (which a server may ignore), or an invalid range.
 */
export function parseRange(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  const parts = /^\s*bytes\s*=\s*(?:(\d+)\s*)?-\s*(?:(\d+)\s*)?$/i.exec(header ?? '')
  if (!parts) return undefined
  const [, first = '', last = ''] = parts
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Number(last)
    return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return undefined
  return start >= size ? 'unsatisfiable' : { start, end }
}
