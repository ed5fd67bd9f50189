/** Webhooks and storage, by the real command at a real server. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, createJob, startServer } from '../server/process.ts'
import { run } from './command.ts'

let folder: string
let server: ServerProcess
let receiver: Server
let hook: string
let status = 204
const received: { readonly type: string; readonly signature: string }[] = []

const ask = (...args: string[]) => run([...args, '--url', server.url])
const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).out)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-operating-'))
  receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      received.push({ type: JSON.parse(body).type, signature: String(request.headers['webhook-signature']) })
      response.writeHead(status).end()
    })
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  server = await startServer(folder, { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' })
})
afterAll(async () => {
  await server.kill('SIGTERM')
  receiver.closeAllConnections()
  receiver.close()
  await rm(folder, { recursive: true })
})

test('an endpoint is made, tried, told of events, and taken away', async () => {
  expect((await ask('webhooks', 'list')).out).toBe('There are no endpoints\n')
  const made = await ask('webhooks', 'create', hook, '--types', 'job_created, job_completed')
  expect(made.out).toContain(`${hook} receives job_created, job_completed from now on, as endpoint `)
  const secret = /^whsec_\S+$/m.exec(made.out)![0]
  const [{ endpoint_id: id }] = (await askJson('webhooks', 'list')).endpoints
  expect((await ask('webhooks', 'list')).out).toContain(`${id}  enabled  job_created, job_completed  ${hook}`)
  expect((await ask('webhooks', 'secret', id)).out).toContain(secret)

  expect(await ask('webhooks', 'test', id)).toMatchObject({
    code: 0,
    out: expect.stringMatching(new RegExp(`^${hook} answered 204 in \\d+ ms\n$`)),
  })
  expect(received).toMatchObject([{ type: 'ping', signature: expect.stringMatching(/^v1,/) }])
  const jobId = await createJob(server, 1)
  while (received.length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
  const told = (await ask('webhooks', 'deliveries', id)).out
  expect(told).toMatch(new RegExp(`job_created of job ${jobId} +delivered +1 +204$`, 'm'))
  const { deliveries } = await askJson('webhooks', 'deliveries', id, '--status', 'delivered', '--limit', '1')
  expect(deliveries).toMatchObject([{ type: 'job_created' }])

  expect((await ask('webhooks', 'redeliver', deliveries[0].delivery_id)).out).toContain('answered 204')
  expect(received.map(({ type }) => type)).toEqual(['ping', 'job_created', 'job_created'])
  status = 500
  const refused = await ask('webhooks', 'redeliver', deliveries[0].delivery_id)
  expect([refused.code, refused.out]).toEqual([1, ''])
  expect(refused.err).toMatch(/did not accept it: .*500.*\. Next try at 20/)

  const rotated = (await ask('webhooks', 'rotate', id)).out
  expect(rotated).toMatch(/signed with it, and with the one before until 20.*:\n\nwhsec_/)
  expect(rotated).not.toContain(secret)
  expect((await ask('webhooks', 'disable', id)).out).toBe(`${hook} receives nothing from now on\n`)
  expect((await ask('webhooks', 'show', id)).out).toMatch(/^Status +disabled$/m)
  expect((await askJson('webhooks', 'enable', id)).status).toBe('enabled')
  expect((await ask('webhooks', 'delete', id)).code).toBe(0)
  expect(await ask('webhooks', 'show', id)).toMatchObject({ code: 1, out: '' })
})

test("the secret of jobs' own addresses is shown and changed without an endpoint", async () => {
  const { secret } = await askJson('webhooks', 'secret')
  expect((await askJson('webhooks', 'rotate')).previous).toMatchObject([{ secret }])
})

test('an address that may not be reached is refused, with what to do', async () => {
  expect(await ask('webhooks', 'create', 'http://10.0.0.1/hook')).toMatchObject({
    code: 1,
    err: expect.stringContaining('WEBHOOK_ALLOWED_NETWORKS'),
  })
  expect(await ask('webhooks', 'show')).toMatchObject({
    code: 2,
    err: expect.stringContaining("webhooks show needs an endpoint's id"),
  })
})

test('what is stored is told, and what may go is removed when asked for', async () => {
  const { out } = await ask('storage')
  expect(out).toMatch(/^photographs +\d+ +.* ever +20/m)
  expect(out).toMatch(/^events +90 days +20/m)
  expect(out).toMatch(/free on the disk, and no limit to what is stored\n$/)
  expect((await ask('storage', 'prune', '--dry-run')).out).toMatch(/^0 bytes would be removed$/m)
  expect(await askJson('storage', 'prune')).toMatchObject({ dry_run: false, bytes: 0 })
  expect((await askJson('storage')).stored.inputs.files).toBeGreaterThan(0)
})
