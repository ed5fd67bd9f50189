/** The S3 server of a run, on a port of its own, that is killed and started again with its objects. */
import { CreateBucketCommand, GetObjectCommand, S3Client, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { testCredentials, testRegion } from '../artifact/s3-server.ts'
import { machineEnvironment } from '../environment.ts'
import type { Keeper } from './keeper.ts'

export const bucket = 'films'
const program = fileURLToPath(new URL('../artifact/s3-server.ts', import.meta.url))

export interface Store {
  readonly port: number
  /** The artifacts, read without a node. */
  read(): Promise<readonly { readonly id: string; readonly sha256: string }[]>
  kill(): Promise<void>
  /** Resolves when it answers again. */
  start(): Promise<void>
}

export async function startStore(keeper: Keeper, folder: string, port: number): Promise<Store> {
  mkdirSync(folder)
  const startOnce = async (): Promise<ChildProcess> => {
    const child = keeper.start(process.execPath, [program], {
      env: { ...machineEnvironment, S3_PORT: String(port), S3_FOLDER: folder },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    for await (const address of createInterface(child.stdout!)) if (address !== '') return child
    throw new Error('the S3 server did not start')
  }
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: testRegion,
    forcePathStyle: true,
    credentials: testCredentials,
  })
  let server = await startOnce()
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return {
    port,
    read: async () => {
      const found: { id: string; sha256: string }[] = []
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket }))
        for (const { Key = '' } of Contents) {
          const id = /\/artifacts\/..\/([0-9a-f]{64})$/.exec(Key)?.[1]
          if (id === undefined) continue
          const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
          const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array()
          found.push({ id, sha256: createHash('sha256').update(bytes).digest('hex') })
        }
      return found
    },
    kill: async () => {
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    },
    start: async () => void (server = await startOnce()),
  }
}
