/** Sends bytes in pieces: each accepted piece shows that the connection is alive. */

export type Bytes = Blob | ArrayBuffer | Uint8Array<ArrayBuffer>

const pieceBytes = 64 << 10
/** Bytes that the system and proxies may buffer. */
const mostOnTheWay = 4 << 20
/** A slower connection counts as lost. */
const leastBytesPerSecond = 8 << 10

const sizeOf = (bytes: Bytes): number => (bytes instanceof Blob ? bytes.size : bytes.byteLength)

/** The longest time that these bytes may be in transit, ms. */
const travelMs = (bytes: number): number => (bytes / leastBytesPerSecond) * 1000

/** Browsers cannot stream a request body over HTTP/1.1, and report no upload progress. */
const sendsStreams = !(globalThis.navigator?.userAgent ?? '').startsWith('Mozilla/')

/**
 * The body for `fetch`. `onAlive(ms)`: the connection is alive, and the bytes sent so far may be in transit
 * for `ms`.
 */
export function bodyOf(
  bytes: Bytes,
  onAlive: (ms: number) => void,
): { readonly body: Bytes | ReadableStream<Uint8Array>; readonly duplex?: 'half' } {
  const size = sizeOf(bytes)
  if (!sendsStreams) {
    onAlive(travelMs(size))
    return { body: bytes }
  }
  const whole = bytes instanceof Blob ? bytes : new Blob([bytes])
  let sent = 0
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        onAlive(travelMs(Math.min(sent, mostOnTheWay)))
        if (sent >= size) return controller.close()
        const piece = await whole.slice(sent, sent + pieceBytes).arrayBuffer()
        sent += piece.byteLength
        controller.enqueue(new Uint8Array(piece))
      },
    },
    { highWaterMark: 0 },
  )
  return { body, duplex: 'half' }
}

/** A stream needs an explicit size: the server refuses an oversized body before it is sent. */
export const lengthHeader = (bytes: Bytes): Readonly<Record<string, string>> =>
  sendsStreams ? { 'content-length': String(sizeOf(bytes)) } : {}
