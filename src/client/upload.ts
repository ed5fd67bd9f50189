/** Bytes that are sent piece by piece: each piece that is accepted shows that the connection is alive. */

export type Bytes = Blob | ArrayBuffer | Uint8Array<ArrayBuffer>

const pieceBytes = 64 << 10
/** What the system and proxies may hold, not yet sent on. */
const mostOnTheWay = 4 << 20
/** A slower connection counts as dead. */
const leastBytesPerSecond = 8 << 10

const sizeOf = (bytes: Bytes): number => (bytes instanceof Blob ? bytes.size : bytes.byteLength)

/** ms that so many bytes may take on their way. */
const travelMs = (bytes: number): number => (bytes / leastBytesPerSecond) * 1000

/** Browsers send no stream by HTTP/1.1, and do not report what they have sent. */
const sendsStreams = !(globalThis.navigator?.userAgent ?? '').startsWith('Mozilla/')

/** What `fetch` is given to send them. `onAlive`: so many ms later at most something has to happen again. */
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

/** The size is said where the body is a stream: the server refuses too much before it is sent. */
export const lengthHeader = (bytes: Bytes): Readonly<Record<string, string>> =>
  sendsStreams ? { 'content-length': String(sizeOf(bytes)) } : {}
