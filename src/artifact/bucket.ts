/**
 * A bucket of any server that speaks S3: requests with deadlines, retries with backoff by AWS's client, and errors without
 * secrets. The client is loaded only here, and only when a bucket is opened.
 */
import type * as S3 from '@aws-sdk/client-s3'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { ArtifactError, type ByteRange } from './artifact.ts'

export interface BucketPlace {
  readonly bucket: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
  readonly region: string
  /** Of a server other than AWS. */
  readonly endpoint?: string | undefined
  /** Undefined: from the machine's role or AWS's files. */
  readonly credentials?:
    | {
        readonly accessKeyId: string
        readonly secretAccessKey: string
        readonly sessionToken?: string | undefined
      }
    | undefined
}

export interface StoredObject {
  readonly key: string
  readonly size: number
  /** By the server's clock, ms since the epoch. */
  readonly modifiedAt: number
}

/** Keys are without the prefix. Each method throws an ArtifactError `store_unavailable`, or `disk_full` if the store has no room. */
export interface Bucket {
  /** A file whose SHA-256 is `sha256` (hex); the server verifies it. When it resolves, the whole object is visible. */
  upload(
    key: string,
    file: { readonly path: string; readonly size: number; readonly sha256: string },
  ): Promise<void>
  /** An object without bytes. */
  mark(key: string): Promise<void>
  head(key: string): Promise<StoredObject | undefined>
  /** Undefined if it does not exist. The stream ends early, by an error or not, if the connection does. */
  get(
    key: string,
    range?: ByteRange,
  ): Promise<{ readonly size: number; readonly bytes: AsyncIterable<Uint8Array> } | undefined>
  list(keyPrefix: string): Promise<readonly StoredObject[]>
  /**
   * Resolves to whether the request was sent. `maySend` is its fence: asked after each try is signed, as the server refuses
   * what was signed long ago.
   */
  remove(key: string, maySend?: () => boolean): Promise<boolean>
  /** Resolves to a short description. */
  check(signal: AbortSignal): Promise<string>
  close(): void
}

/** Larger files are sent in parts of this size, so this is the memory of a part. */
const partBytes = 8 << 20
const mostParts = 9000
const partsAtOnce = 2
/** For requests without a file. A try that fails is repeated within it. */
const smallMs = 20_000
/** A try of a part, which has to get through a slow connection. */
const partMs = 120_000
/** Longest silence on a connection. */
const silenceMs = 30_000
const triesEach = 4

const inTime = () => ({ abortSignal: AbortSignal.timeout(smallMs) })

/** It is long because the methods share the client. */
export async function openBucket(place: BucketPlace): Promise<Bucket> {
  const { bucket: Bucket, prefix } = place
  const [s3, { Upload }] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')])
  const client = new s3.S3Client({
    region: place.region,
    maxAttempts: triesEach,
    ...(place.endpoint !== undefined && { endpoint: place.endpoint, forcePathStyle: true }),
    ...(place.credentials && { credentials: credentialsOf(place.credentials) }),
    requestHandler: {
      connectionTimeout: 5000,
      requestTimeout: partMs,
      throwOnRequestTimeout: true,
      socketTimeout: silenceMs,
    },
  })
  const said = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw problemOf(error, Bucket)
    })
  const at = (key: string) => ({ Bucket, Key: `${prefix}${key}` })

  return {
    upload: (key, { path, size, sha256 }) =>
      said(
        size <= partBytes
          ? readFile(path).then((Body) =>
              client.send(new s3.PutObjectCommand({ ...at(key), Body, ChecksumSHA256: base64(sha256) })),
            )
          : new Upload({
              client,
              params: { ...at(key), Body: createReadStream(path), ChecksumAlgorithm: 'SHA256' },
              partSize: Math.max(partBytes, Math.ceil(size / mostParts)),
              queueSize: partsAtOnce,
            }).done(),
      ).then(() => undefined),

    mark: (key) =>
      said(client.send(new s3.PutObjectCommand({ ...at(key), Body: Buffer.alloc(0) }), inTime())).then(
        () => undefined,
      ),

    head: (key) =>
      said(
        client.send(new s3.HeadObjectCommand(at(key)), inTime()).then(
          ({ ContentLength = 0, LastModified }) => ({
            key,
            size: ContentLength,
            modifiedAt: LastModified?.getTime() ?? 0,
          }),
          absentObject,
        ),
      ),

    get: (key, range) =>
      said(
        client
          .send(
            new s3.GetObjectCommand({
              ...at(key),
              ...(range && { Range: `bytes=${range.start}-${range.end}` }),
            }),
          )
          .then(
            ({ ContentLength = 0, Body }) => ({
              size: ContentLength,
              // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- in Node, a Readable
              bytes: Body as unknown as AsyncIterable<Uint8Array>,
            }),
            absentObject,
          ),
      ),

    list: (keyPrefix) =>
      said(
        (async () => {
          const found: StoredObject[] = []
          let token: string | undefined
          do {
            const page: S3.ListObjectsV2CommandOutput = await client.send(
              new s3.ListObjectsV2Command({
                Bucket,
                Prefix: `${prefix}${keyPrefix}`,
                ...(token !== undefined && { ContinuationToken: token }),
              }),
              inTime(),
            )
            for (const { Key = '', Size = 0, LastModified } of page.Contents ?? [])
              found.push({
                key: Key.slice(prefix.length),
                size: Size,
                modifiedAt: LastModified?.getTime() ?? 0,
              })
            token = page.IsTruncated ? page.NextContinuationToken : undefined
          } while (token !== undefined)
          return found
        })(),
      ),

    remove(key, maySend = () => true) {
      const command = new s3.DeleteObjectCommand(at(key))
      command.middlewareStack.add(
        (next) => (request) => {
          if (!maySend()) throw new TooLateError()
          return next(request)
        },
        { step: 'finalizeRequest', priority: 'low' },
      )
      const sent = client.send(command, inTime()).then(() => undefined, absentObject)
      return said(
        sent.then(
          () => true,
          (error: unknown) => {
            if (error instanceof TooLateError) return false
            throw error
          },
        ),
      )
    },

    async check(signal) {
      const asked = new s3.ListObjectsV2Command({ Bucket, Prefix: prefix, MaxKeys: 1 })
      await said(client.send(asked, { abortSignal: signal }))
      return `S3, ${Bucket}/${prefix}${place.endpoint === undefined ? '' : ` at ${new URL(place.endpoint).host}`}`
    },

    close: () => client.destroy(),
  }
}

class TooLateError extends Error {}

/** Its types want no `undefined` where a member may be absent. */
const credentialsOf = ({
  accessKeyId,
  secretAccessKey,
  sessionToken,
}: NonNullable<BucketPlace['credentials']>) => ({
  accessKeyId,
  secretAccessKey,
  ...(sessionToken !== undefined && { sessionToken }),
})

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'Error')

const statusOf = (error: unknown): number | undefined => {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined
  const { $metadata: metadata } = error
  return typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
    ? Number(metadata.httpStatusCode)
    : undefined
}

/** A missing bucket is a problem, not a missing object. A HEAD's answer names neither. */
function absentObject(error: unknown): undefined {
  if (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') return undefined
  throw error
}

/** Without the client's message and cause: they may hold addresses, headers and keys. */
function problemOf(error: unknown, bucket: string): ArtifactError {
  if (error instanceof ArtifactError) return error
  const name = nameOf(error)
  const status = statusOf(error)
  if (status === 507 || /QuotaExceeded|StorageFull|InsufficientStorage/.test(name))
    return new ArtifactError('disk_full', `the bucket ${bucket} has no room left (${name})`)
  if (name === 'NoSuchBucket')
    return new ArtifactError('store_unavailable', `the bucket ${bucket} does not exist`)
  if (status === 401 || status === 403)
    return new ArtifactError(
      'store_unavailable',
      `the bucket ${bucket} refuses the request (${name}, HTTP ${status}): check its credentials and rights`,
    )
  const code = error instanceof Error && 'code' in error ? ` ${String(error.code)}` : ''
  return new ArtifactError(
    'store_unavailable',
    `the bucket ${bucket} cannot be used (${name}${code}${status === undefined ? '' : `, HTTP ${status}`})`,
  )
}
