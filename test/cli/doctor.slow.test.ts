/** What doctor finds on machines that are well and on those that are not. */
import { execSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { insertAttempt, setPosted } from '../../src/store/attempts.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { type ServerProcess, startServer } from '../server/process.ts'
import { canMountSmallDisk, mountSmallDisk } from '../server/small-disk.ts'
import { openFile } from '../harness/data.ts'
import { run } from './command.ts'

let dataDir: string
let replicate: FakeReplicate
const servers: ServerProcess[] = []

beforeAll(async () => {
  replicate = await startFakeReplicate({ token: 'r8_right' })
})
afterAll(() => replicate.kill())
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'doctor-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.kill('SIGKILL')))
  await rm(dataDir, { recursive: true, force: true })
})

interface Check {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'problem'
  readonly found: string
  readonly to_do: string | null
}

const standard = { HOST: '127.0.0.1', PORT: '0' }

async function examine(env: Readonly<Record<string, string>> = {}) {
  const { code, out, err } = await run(['doctor', '--json'], {
    env: { ...standard, DATA_DIR: dataDir, ...env },
  })
  const { ok, checks } = JSON.parse(out) as { readonly ok: boolean; readonly checks: readonly Check[] }
  expect(ok).toBe(code === 0)
  for (const { state, to_do } of checks) expect(to_do === null).toBe(state === 'ok')
  const found = (name: string): Check => checks.find(({ check }) => check === name)!
  return { code, out, err, checks, found, problems: checks.filter(({ state }) => state === 'problem') }
}

const withToken = (token: string) => ({ REPLICATE_API_TOKEN: token, REPLICATE_BASE_URL: replicate.url })

describe('a machine that is well', () => {
  test('is told so, and nothing is left behind or changed', async () => {
    await rm(dataDir, { recursive: true })
    const { code, found, checks } = await examine()
    expect(code).toBe(0)
    expect(new Set(checks.map(({ state }) => state))).toEqual(new Set(['ok']))
    expect(found('FFmpeg').found).toMatch(/\(packaged\), encoded 12 frames in/)
    expect(found('Pictures').found).toMatch(/^sharp .* libvips .* read a JPEG$/)
    expect(found('Database').found).toContain('There is none yet')
    expect(found('Replicate').found).toContain('everything is rendered on this machine')
    await mkdir(dataDir, { mode: 0o700 })
    await examine()
    expect(await readdir(dataDir)).toEqual([])
    const { out } = await run(['doctor'], { env: { ...standard, DATA_DIR: dataDir } })
    expect(out).toMatch(/^ok {7}Node {8}24\./)
    expect(out).toMatch(/\n\nAll is well\n$/)
  })

  test('whose token is right is told whose it is, and never the token', async () => {
    const { code, found, out } = await examine(withToken('r8_right'))
    expect(code).toBe(0)
    expect(found('Replicate').found).toContain('The token of fake (user) is accepted')
    expect(found('Clock').found).toBe("Within seconds of the provider's")
    expect(out).not.toContain('r8_right')
  })

  test('whose renders were sent from another account is told whose token would tell of them', async () => {
    const database = await openFile(dataDir)
    const attempt = {
      id: 'a',
      jobId: 1,
      sceneId: 's',
      renderer: 'replicate',
      model: 'google/veo-3.1',
      costMicros: 400_000,
      clientId: '',
      day: '2026-11-25',
      renderKey: 'k',
      settings: null,
    }
    await database.transaction(async (tx) => {
      await insertAttempt(tx, attempt, 1)
      await setPosted(tx, 'a', { marks: [], inputs: [], account: 'acme', prompt: 'Slowly.' }, 2)
    })
    await database.close()
    expect((await examine(withToken('r8_right'))).found('Replicate')).toMatchObject({
      state: 'warning',
      found: expect.stringMatching(/1 render that is not settled was sent from the account acme$/),
    })
  })

  test('whose database was used before is told that it is whole and up to date', async () => {
    const server = await startServer(dataDir)
    await server.kill('SIGTERM')
    expect((await examine()).found('Database').found).toBe('Whole, and up to date')
  })

  test('whose server runs is told so by that server', async () => {
    const server = await startServer(dataDir, { PUBLIC_BASE_URL: '' })
    servers.push(server)
    const { code, found } = await examine({ PUBLIC_BASE_URL: server.url })
    expect(code).toBe(0)
    expect(found('Database').found).toBe(`In use by the server at ${server.url}, which is ready`)
    expect(found('Access').found).toContain(`A server listens at ${server.url}`)
    expect(found('Public URL').found).toBe(`${server.url} leads here`)
  })
})

describe('a problem is told with what to do, and makes it fail:', () => {
  test('an FFmpeg that is none', async () => {
    const { code, err, problems } = await examine({ FFMPEG_PATH: '/bin/false' })
    expect([code, err]).toEqual([1, 'coordinator: 1 problem found\n'])
    expect(problems).toMatchObject([
      {
        check: 'FFmpeg',
        found: expect.stringContaining('/bin/false'),
        to_do: expect.stringContaining('libx264'),
      },
    ])
  })

  test('a variable that is wrong', async () => {
    const { problems, checks } = await examine({ PORT: 'http' })
    expect(problems).toMatchObject([{ check: 'Settings', found: 'PORT must be a whole number' }])
    expect(checks.map(({ check }) => check)).toEqual(['Node', 'Settings', 'Pictures'])
  })

  test('a token that is refused, which is not shown', async () => {
    const { problems, out } = await examine(withToken('r8_wrong'))
    expect(problems).toMatchObject([
      {
        check: 'Replicate',
        found: 'The token is refused: You did not pass a valid authentication token',
        to_do: expect.stringContaining('https://replicate.com/account/api-tokens'),
      },
    ])
    expect(out).not.toContain('r8_wrong')
  })

  test('a provider that is not there, and one that shows the token', async () => {
    const gone = { REPLICATE_API_TOKEN: 'r8_x', REPLICATE_BASE_URL: 'http://127.0.0.1:9' }
    expect((await examine(gone)).problems).toMatchObject([{ check: 'Replicate' }])
    const echo = createServer((request, response) =>
      response.writeHead(401).end(JSON.stringify({ detail: `no ${request.headers.authorization}` })),
    ).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    const url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`
    const { out, problems } = await examine({ REPLICATE_API_TOKEN: 'tok_en', REPLICATE_BASE_URL: url })
    expect(problems).toHaveLength(1)
    expect(out).not.toContain('tok_en')
    echo.closeAllConnections()
    echo.close()
  })

  test('a clock that is far from the provider’s', async () => {
    const late = createServer((_request, response) =>
      response
        .writeHead(200, { date: new Date(Date.now() + 3_600_000).toUTCString() })
        .end(JSON.stringify({ type: 'user', username: 'x' })),
    ).listen(0, '127.0.0.1')
    await once(late, 'listening')
    const url = `http://127.0.0.1:${(late.address() as AddressInfo).port}`
    const { problems } = await examine({ REPLICATE_API_TOKEN: 'r8_x', REPLICATE_BASE_URL: url })
    expect(problems).toMatchObject([
      { check: 'Clock', found: expect.stringMatching(/^60 min behind|^59 min .* behind/) },
    ])
    late.closeAllConnections()
    late.close()
  })

  test('a folder that is a file, and a database that is none', async () => {
    const file = join(dataDir, 'file')
    await writeFile(file, '')
    expect((await examine({ DATA_DIR: file })).problems[0]).toMatchObject({
      check: 'Disk',
      found: `${file} is no folder`,
    })
    await writeFile(
      join(dataDir, 'coordinator.db'),
      'not a database, but long enough to be taken for one'.repeat(50),
    )
    expect((await examine()).problems).toMatchObject([
      { check: 'Database', found: expect.stringContaining('file is not a database') },
    ])
  })

  test('a folder whose files others may read', async () => {
    const server = await startServer(dataDir)
    await server.kill('SIGTERM')
    const isOk = { state: 'ok', found: `Only its owner may read what is in ${dataDir}` }
    expect((await examine()).found('Rights')).toMatchObject(isOk)
    await chmod(join(dataDir, 'coordinator.db'), 0o640)
    await chmod(join(dataDir, 'artifacts'), 0o755)
    const { code, found } = await examine()
    expect(code).toBe(0)
    const { state, found: words, to_do } = found('Rights')
    expect(state).toBe('warning')
    expect(words).toMatch(/coordinator\.db, and 1 more|artifacts, and 1 more/)
    execSync(to_do!.replace(/^.*: /, ''))
    expect((await examine()).found('Rights')).toMatchObject(isOk)
  })

  // To root every folder is open, but for one on a disk that is read alone.
  const isRoot = process.getuid?.() === 0
  test.skipIf(isRoot && !canMountSmallDisk())('a folder that may not be written to', async () => {
    const disk = isRoot ? mountSmallDisk(1) : undefined
    disk?.protect()
    await chmod(dataDir, 0o500)
    expect((await examine({ DATA_DIR: disk?.directory ?? dataDir })).problems).toMatchObject([
      { check: 'Disk', to_do: expect.stringContaining('let this user write to it') },
    ])
    await chmod(dataDir, 0o700)
    disk?.remove()
  })

  test.skipIf(!canMountSmallDisk())('a disk that is full', async () => {
    const disk = mountSmallDisk(4)
    disk.fill()
    expect((await examine({ DATA_DIR: disk.directory })).problems).toMatchObject([
      { check: 'Disk', found: expect.stringContaining('No room left'), to_do: 'Make room there' },
    ])
    disk.remove()
  })

  test('too little room', async () => {
    expect((await examine({ MIN_FREE_DISK_MB: '999999999' })).problems).toMatchObject([
      { check: 'Disk', to_do: expect.stringContaining('MIN_FREE_DISK_MB') },
    ])
  })

  test('no key, where serve would not start without one', async () => {
    const reached = { HOST: '0.0.0.0' }
    expect((await examine(reached)).problems).toMatchObject([
      { check: 'Access', to_do: expect.stringContaining('npm run coordinator -- keys create') },
    ])
    const env = { DATA_DIR: dataDir }
    await run(['keys', 'create', '--name', 'ops', '--scopes', 'admin'], { env })
    expect((await examine(reached)).problems).toEqual([])
  })

  test('a port that is taken by something else', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    expect((await examine({ PORT: String(port) })).problems).toMatchObject([
      { check: 'Access', found: `Another program listens at 127.0.0.1:${port}` },
    ])
    other.close()
  })

  test('models that cannot be read', async () => {
    const file = join(dataDir, 'models.json')
    await writeFile(file, '{')
    expect((await examine({ MODELS_FILE: file })).problems).toMatchObject([
      { check: 'Models', found: expect.stringContaining(file) },
    ])
  })

  test('a server that holds the folder and does not answer', async () => {
    const server = await startServer(dataDir)
    servers.push(server)
    process.kill(Number(/process (\d+) on/.exec((await examineHeld()).found)![1]), 'SIGSTOP')
    const { problems } = await examine()
    expect(problems).toMatchObject([{ check: 'Database', to_do: expect.stringContaining('nothing is lost') }])
  })
})

/** What a second server is told of the first. */
const examineHeld = async (): Promise<{ readonly found: string }> => {
  const { err } = await run(['keys', 'list'], { env: { DATA_DIR: dataDir } })
  return { found: err }
}

describe('a warning is told with what to do, and is no failure:', () => {
  test('others who reach it need no key', async () => {
    const { code, found } = await examine({ HOST: '0.0.0.0', REQUIRE_KEYS: 'false' })
    expect(code).toBe(0)
    expect(found('Access')).toMatchObject({
      state: 'warning',
      to_do: expect.stringContaining('REQUIRE_KEYS'),
    })
  })

  test('a public address that leads elsewhere', async () => {
    const server = await startServer(dataDir)
    servers.push(server)
    const { code, found } = await examine({ PUBLIC_BASE_URL: replicate.url, REQUIRE_KEYS: 'false' })
    expect(code).toBe(0)
    expect(found('Public URL')).toMatchObject({ state: 'warning' })
  })

  test('webhooks that reach every network', async () => {
    const { found } = await examine({ WEBHOOK_ALLOWED_NETWORKS: '0.0.0.0/0' })
    expect(found('Webhooks').state).toBe('warning')
  })
})
