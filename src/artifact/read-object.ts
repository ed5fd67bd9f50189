/** Reads an object as the consumer pulls, goes on where a connection was cut, and verifies the bytes of a whole object. */
import { createHash } from 'node:crypto'
import { ArtifactError, type ByteRange } from './artifact.ts'
import type { Bucket } from './bucket.ts'

/** Connections in a row that bring no byte. */
const mostCuts = 4

export interface ReadOptions {
  readonly range?: ByteRange
  /** Of the whole object, in hex. Its last bytes come only if all of them match. */
  readonly sha256?: string
  readonly onDamage: () => void
}

/** Undefined if it does not exist. */
export async function readObject(
  bucket: Bucket,
  key: string,
  options: ReadOptions,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const first = await bucket.get(key, options.range)
  return first && read(bucket, key, first, options)
}

async function* read(
  bucket: Bucket,
  key: string,
  first: NonNullable<Awaited<ReturnType<Bucket['get']>>>,
  { range, sha256, onDamage }: ReadOptions,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256')
  let at = range?.start ?? 0
  const end = at + first.size
  let held: Uint8Array | undefined
  let bytes = first.bytes
  for (let cuts = 0; ;) {
    try {
      for await (const chunk of bytes) {
        at += chunk.length
        cuts = 0
        if (sha256 !== undefined) hash.update(chunk)
        if (held) yield held
        held = chunk
      }
    } catch (error) {
      if (++cuts > mostCuts) throw cut(key, error)
    }
    if (at >= end) break
    if (++cuts > mostCuts) throw cut(key)
    const again = await bucket.get(key, { start: at, end: end - 1 })
    if (!again) throw cut(key)
    bytes = again.bytes
  }
  if (at > end || (sha256 !== undefined && hash.digest('hex') !== sha256)) {
    onDamage()
    throw new ArtifactError('missing', `the bytes of ${key} in the bucket do not match its name`)
  }
  if (held) yield held
}

const cut = (key: string, error?: unknown): ArtifactError =>
  new ArtifactError(
    'store_unavailable',
    `the connection was cut while ${key} was read${error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''}`,
  )
