/** Serves the clip's bytes, whole or in ranges, with the faults of an unreliable connection. */
import type { Host } from '../host.ts'
import type { FaultOf } from './fault.ts'
import { type FakeRequest, type Reply, answerPage, answerProblem, notFound } from './reply.ts'

export interface OutputRequest {
  readonly request: FakeRequest
  readonly host: Host
  readonly clip: Uint8Array
  readonly etag: string
  readonly fault: FaultOf<'output'> | null
  /** Called when the last byte was sent. */
  readonly onEnd: () => void
}

const chunkBytes = 64 << 10

/** `output_slow`: the number of pieces, and the time between them. */
const slowPieces = 16
const slowMs = 500

export function serveOutput({ request, host, clip, etag, fault, onEnd }: OutputRequest): Reply {
  if (fault === 'output_error') return answerProblem(503, 'Service unavailable', 'Try again later')
  if (fault === 'output_absent') return notFound()
  if (fault === 'output_wrong') return answerPage(200, 'Just a moment...')
  const range = rangeOf(request.headers, clip.length, etag)
  if (range === 'unsatisfiable')
    return {
      kind: 'answer',
      status: 416,
      headers: new Headers({ 'content-range': `bytes */${clip.length}`, 'content-length': '0' }),
      body: new Uint8Array(),
    }
  const { from, to } = range ?? { from: 0, to: clip.length }
  const part = clip.subarray(from, to)
  const headers = new Headers({
    'content-type': 'video/mp4',
    'content-length': String(part.length),
    'accept-ranges': 'bytes',
    etag,
    ...(range && { 'content-range': `bytes ${from}-${to - 1}/${clip.length}` }),
  })
  const status = range ? 206 : 200
  if (request.method === 'HEAD') return { kind: 'answer', status, headers, body: new Uint8Array() }
  const isLast = to === clip.length
  return { kind: 'answer', status, headers, body: send(part, fault, host, () => isLast && onEnd()) }
}

async function* send(
  part: Uint8Array,
  fault: FaultOf<'output'> | null,
  host: Host,
  onEnd: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  const breaks = fault === 'output_truncated' || fault === 'output_cut'
  const end = breaks ? part.length >> 1 : part.length
  const step = fault === 'output_slow' ? Math.max(1, Math.ceil(end / slowPieces)) : chunkBytes
  for (let at = 0; at < end; at += step) {
    if (fault === 'output_slow' && at > 0) await host.sleep(slowMs)
    yield part.subarray(at, Math.min(at + step, end))
  }
  if (fault === 'output_cut') throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  if (!breaks) onEnd()
}

interface ByteRange {
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/** Null: the whole file, also for a request of several ranges, as with many servers. */
function rangeOf(headers: Headers, length: number, etag: string): ByteRange | 'unsatisfiable' | null {
  const condition = headers.get('if-range')
  if (condition !== null && condition !== etag) return null
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(headers.get('range') ?? '') ?? []
  if (first === '' && last === '') return null
  const from = first === '' ? Math.max(0, length - Number(last)) : Number(first)
  const to = first === '' || last === '' ? length : Math.min(Number(last) + 1, length)
  return from < to ? { from, to } : 'unsatisfiable'
}
