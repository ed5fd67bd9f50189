/** Buckets of the tests' S3 server: each its own. TEST_S3_URL names an existing server, with the credentials of the tests. */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { randomUUID } from 'node:crypto'
import { type S3Server, startS3Server, testCredentials, testRegion } from './s3-server.ts'

export interface TestBuckets {
  readonly endpoint: string
  /** Creates a bucket, and resolves to where a store finds it. */
  create(): Promise<{
    readonly bucket: string
    readonly prefix: string
    readonly region: string
    readonly endpoint: string
    readonly credentials: typeof testCredentials
  }>
  /** Writes an object as another program would. */
  put(bucket: string, key: string, bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

export async function openTestBuckets(): Promise<TestBuckets> {
  const existing = process.env['TEST_S3_URL']
  const server: S3Server | undefined = existing === undefined ? await startS3Server() : undefined
  const endpoint = existing ?? server!.endpoint
  const client = new S3Client({
    endpoint,
    region: testRegion,
    forcePathStyle: true,
    credentials: testCredentials,
  })
  return {
    endpoint,
    async create() {
      const bucket = `test-${randomUUID()}`
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
      return { bucket, prefix: 'films/', region: testRegion, endpoint, credentials: testCredentials }
    },
    async put(bucket, key, bytes) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
    },
    async close() {
      client.destroy()
      await server?.close()
    },
  }
}
