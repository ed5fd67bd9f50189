/** The S3 server of a run, on a port of its own, that is killed and started again with its objects. */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { ChildProcess } from 'node:child_process'
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
  /** For who reads the objects without a node. */
  openClient(): S3Client
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
    for await (const _address of createInterface(child.stdout!)) return child
    throw new Error('the S3 server did not start')
  }
  const openClient = (): S3Client =>
    new S3Client({
      endpoint: `http://127.0.0.1:${port}`,
      region: testRegion,
      forcePathStyle: true,
      credentials: testCredentials,
    })
  let server = await startOnce()
  const client = openClient()
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
  return {
    port,
    openClient,
    kill: async () => {
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    },
    start: async () => void (server = await startOnce()),
  }
}
