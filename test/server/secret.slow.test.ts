/** The secret of signed addresses is rotated at a real server that buys renders, and in the folder of one that doesn't run. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run } from '../cli/command.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { type ServerProcess, ask, createJob, jobUntil, startServer } from './process.ts'

let dataDir: string
let fake: FakeReplicate
let port: number
const servers: ServerProcess[] = []

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'secret-'))
  fake = await startFakeReplicate({ renderMs: [4000, 4000] })
  port = await freePort()
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.kill('SIGKILL')))
  await fake.kill()
  rmSync(dataDir, { recursive: true, force: true })
})

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as { port: number }
      probe.close(() => resolve(free))
    })
  })

async function start(): Promise<ServerProcess> {
  const server = await startServer(dataDir, {
    PORT: String(port),
    PUBLIC_BASE_URL: `http://127.0.0.1:${port}`,
    REPLICATE_API_TOKEN: fake.token,
    REPLICATE_BASE_URL: fake.url,
    REPLICATE_START_DELAY_MS: '0',
  })
  servers.push(server)
  return server
}

const rotate = (...args: string[]) =>
  run(['secret', 'rotate', ...args], { env: { DATA_DIR: dataDir, HOST: '127.0.0.1', REQUIRE_KEYS: '' } })

/** The address of the picture that the provider was given. */
async function pictureAddress(): Promise<string> {
  for (;;) {
    const response = await fetch(`${fake.url}/v1/predictions`, {
      headers: { authorization: `Bearer ${fake.token}` },
    })
    const { results } = (await response.json()) as { results: { input: { image: string } }[] }
    if (results[0]) return results[0].input.image
    await setTimeout(20)
  }
}

test('addresses given away before a rotation count through it and over a restart, until they are ended', async () => {
  const server = await start()
  const jobId = await createJob(server, 1, { model: 'google/veo-3.1-fast', clip_duration: 4 })
  await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`, {})
  const address = await pictureAddress()
  expect(address).toMatch(/\?expires=\d+&signature=[\w-]{43}$/)
  const status = async (): Promise<number> => (await fetch(address)).status
  expect(await status()).toBe(200)

  const held = await rotate()
  expect(held).toMatchObject({
    code: 1,
    err: expect.stringContaining('Change it at that server, with --url'),
  })
  const rotated = await rotate('--url', server.url)
  expect(rotated).toMatchObject({ code: 0, err: '' })
  expect(rotated.out).toMatch(/new secret at http\S+\.\nEarlier addresses are valid until 20/)
  expect(await status()).toBe(200)
  const { job } = await jobUntil(server, jobId, (one) => one.status === 'completed')
  expect(job.costs).toMatchObject({ spent: 0.4, reserved: 0 })
  const told = (await fake.ledger()).filter((entry) => entry.what === 'webhook')
  expect(new Set(told.map((entry) => entry.what === 'webhook' && entry.status))).toEqual(new Set([200]))

  await server.kill('SIGTERM')
  await start()
  expect(await status()).toBe(200)
  await servers.at(-1)!.kill('SIGTERM')
  const ended = await rotate('--grace', '0', '--json')
  expect(JSON.parse(ended.out)).toEqual({ rotated_at: expect.any(String), previous_valid_until: null })
  await start()
  expect(await status()).toBe(403)
})

test.each([
  [['secret'], 2, 'secret needs rotate'],
  [['secret', 'show'], 2, 'secret needs rotate'],
  [['secret', 'rotate', '--grace', 'long'], 2, '--grace must be a number'],
  [['secret', 'rotate', '--grace=-1'], 1, 'grace_seconds'],
])('%j is refused with exit code %i', async (args, code, words) => {
  const ran = await run(args, { env: { DATA_DIR: dataDir, HOST: '127.0.0.1' } })
  expect(ran).toMatchObject({ code, err: expect.stringContaining(words) })
})
