/**
 * A server that speaks S3, in a process of its own that ends with its standard input: the objects are those of `fauxqs`, which
 * checks nothing. So a door before it checks what S3 does: the signature (version 4) and its age, the hash of the body that was
 * signed, and the checksum that the client names. `node s3-server.ts` prints its address. S3_PORT: its port; S3_FOLDER: keeps the
 * objects when the process ends.
 */
import { buildApp, startFauxqs } from 'fauxqs'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { machineEnvironment } from '../environment.ts'

export const testCredentials = { accessKeyId: 'TESTKEY', secretAccessKey: 'a-secret-of-the-tests' }
export const testRegion = 'eu-central-1'

export interface S3Server {
  /** Its port on 127.0.0.1. */
  readonly endpoint: string
  close(): Promise<void>
}

export async function startS3Server(): Promise<S3Server> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: machineEnvironment,
  })
  const exited = once(child, 'exit')
  for await (const endpoint of createInterface(child.stdout))
    return {
      endpoint,
      async close() {
        child.stdin.end()
        await exited
      },
    }
  throw new Error('the S3 server did not start')
}

class Refusal extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

const headerOf = (asked: IncomingMessage, name: string): string => String(asked.headers[name] ?? '')

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest()

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest()

const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

const longestAgeMs = 900_000

/** @throws {Refusal} */
function checkSignature(asked: IncomingMessage): void {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      headerOf(asked, 'authorization'),
    )
  if (!parts) throw new Refusal('AccessDenied')
  const [, keyId, day = '', region = '', signed = '', signature] = parts
  if (keyId !== testCredentials.accessKeyId) throw new Refusal('InvalidAccessKeyId')
  const time = headerOf(asked, 'x-amz-date')
  const at = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(Date.now() - at) < longestAgeMs)) throw new Refusal('RequestTimeTooSkewed')
  const url = new URL(asked.url ?? '/', 'http://s3')
  const query = [...url.searchParams]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted()
    .join('&')
  const headers = signed.split(';').map((name) => `${name}:${headerOf(asked, name).trim()}\n`)
  const canonical = [
    asked.method,
    url.pathname,
    query,
    headers.join(''),
    signed,
    headerOf(asked, 'x-amz-content-sha256'),
  ].join('\n')
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical).toString('hex')}`
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(
    (made, text) => hmac(made, text),
    `AWS4${testCredentials.secretAccessKey}`,
  )
  if (hmac(key, toSign).toString('hex') !== signature) throw new Refusal('SignatureDoesNotMatch')
}

/** @throws {Refusal} */
function checkBody(asked: IncomingMessage, body: Buffer): void {
  const hash = headerOf(asked, 'x-amz-content-sha256')
  if (hash !== sha256(body).toString('hex')) throw new Refusal('XAmzContentSHA256Mismatch')
  const named = headerOf(asked, 'x-amz-checksum-sha256')
  if (named !== '' && named !== sha256(body).toString('base64')) throw new Refusal('BadDigest')
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  const crc = headerOf(asked, 'x-amz-checksum-crc32')
  if (crc !== '' && crc !== sum.toString('base64')) throw new Refusal('BadDigest')
  const isObject = /^\/[^/?]+\/[^?]/.test(asked.url ?? '')
  if (asked.method === 'PUT' && isObject && named === '' && crc === '') throw new Refusal('InvalidRequest')
}

async function serve(): Promise<void> {
  const { S3_PORT, S3_FOLDER } = process.env
  const inner = new URL(
    S3_FOLDER === undefined
      ? await buildApp({ logger: false }).listen({ port: 0, host: '127.0.0.1' })
      : `http://127.0.0.1:${(await startFauxqs({ logger: false, port: 0, dataDir: S3_FOLDER })).port}`,
  )
  const pass = (asked: IncomingMessage, body: Buffer, answer: ServerResponse): void => {
    const { method, url, headers } = asked
    const onwards = request({ host: inner.hostname, port: inner.port, method, path: url, headers })
    onwards.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(answer)
    })
    answer.on('close', () => onwards.destroy())
    onwards.on('error', () => answer.destroy())
    onwards.end(body)
  }
  const door = createServer((asked, answer) => {
    void (async () => {
      try {
        const body = await buffer(asked)
        checkSignature(asked)
        checkBody(asked, body)
        pass(asked, body, answer)
      } catch (error) {
        const code = error instanceof Refusal ? error.code : 'InternalError'
        const status = ['BadDigest', 'XAmzContentSHA256Mismatch', 'InvalidRequest'].includes(code) ? 400 : 403
        answer.writeHead(status, { 'content-type': 'application/xml' })
        answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`)
      }
    })()
  })
  await once(door.listen(Number(S3_PORT ?? 0), '127.0.0.1'), 'listening')
  const address = door.address()
  if (typeof address !== 'object' || !address) throw new Error('no port')
  process.stdin.resume().once('end', () => process.exit())
  console.log(`http://127.0.0.1:${address.port}`)
}

if (import.meta.main) await serve()
