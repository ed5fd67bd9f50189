/** The real server and the real command: who is let in, from the first key on. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Ran, run } from '../cli/command.ts'
import { jsonOf } from '../harness/ask.ts'
import { type ServerProcess, createJob, picture, startServer, upload } from './process.ts'

let dataDir: string
const servers: ServerProcess[] = []
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'keys-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.kill('SIGKILL')))
  rmSync(dataDir, { recursive: true, force: true })
})

const start = async (env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> => {
  const server = await startServer(dataDir, env)
  servers.push(server)
  return server
}

const command = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  run(args, { env: { DATA_DIR: dataDir, COORDINATOR_KEY: '', ...env } })

/** What a listener on every address is reached under from here. */
const urlOf = (server: ServerProcess): string => server.url.replace('0.0.0.0', '127.0.0.1')

const get = (server: ServerProcess, path: string, key?: string) =>
  fetch(`${urlOf(server)}${path}`, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } })

const firstKey = async (): Promise<string> => {
  const { out, err, code } = await command(['keys', 'create', '--name', 'ops', '--scopes', 'admin'])
  expect([code, err]).toEqual([0, ''])
  expect(out).toContain(`Key ops may do everything at ${dataDir}. It is shown only now:`)
  return /^wck_\S+$/m.exec(out)![0]
}

describe('a server that others reach', () => {
  it.each([
    { HOST: '0.0.0.0' },
    { HOST: '127.0.0.1', PUBLIC_BASE_URL: 'https://films.example' },
    { HOST: '127.0.0.1', ALLOWED_HOSTS: 'films.example' },
    { HOST: '127.0.0.1', REQUIRE_KEYS: 'true' },
  ])('%j does not start without a key, and says how to make one', async (env) => {
    await expect(startServer(dataDir, env)).rejects.toThrow(
      /\(1\): coordinator: .*npm run coordinator -- keys create --name ops --scopes admin/s,
    )
  })

  it('answers to the names that it was given, and says how to give it others', async () => {
    const key = await firstKey()
    const server = await start({ ALLOWED_HOSTS: 'coordinator,.films.example' })
    const at = async (host: string, path = '/api/v3/jobs') => {
      const sent = request(`${server.url}${path}`, {
        headers: { host, authorization: `Bearer ${key}` },
      }).end()
      const [response] = await once(sent, 'response')
      return { status: response.statusCode, said: await text(response) }
    }
    for (const host of ['coordinator:4000', 'films.example', 'a.films.example', '127.0.0.1'])
      expect((await at(host)).status).toBe(200)
    const { status, said } = await at('other.example')
    expect(status).toBe(421)
    expect(said).toContain('ALLOWED_HOSTS')
    expect((await at('other.example', '/readyz')).status).toBe(200)
  })

  it('starts with one, lets in who has it, and nobody else', async () => {
    const key = await firstKey()
    const server = await start({ HOST: '0.0.0.0' })
    expect((await get(server, '/api/v3/jobs', key)).status).toBe(200)
    const refused = await get(server, '/api/v3/jobs')
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect((await get(server, '/api/v3/jobs', `${key}x`)).status).toBe(401)
    expect((await get(server, '/livez')).status).toBe(200)
    const wrong = Array.from({ length: 30 }, () => get(server, '/api/v3/jobs', 'wck_wrong'))
    const statuses = (await Promise.all(wrong)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(8)
    const limits = (await get(server, '/api/v3/jobs', key)).headers
    expect(limits.get('ratelimit-limit')).toBe('1200')
    expect(server.lines.join('\n')).not.toContain(key.slice(17))
  })

  it('does not start again when its last key is revoked', async () => {
    await firstKey()
    expect((await command(['keys', 'revoke', 'ops'])).out).toBe('Key ops is revoked\n')
    await expect(startServer(dataDir, { HOST: '0.0.0.0' })).rejects.toThrow('need a key')
  })
})

it('a server of this machine alone needs no key', async () => {
  const server = await start()
  expect((await get(server, '/api/v3/keys')).status).toBe(200)
  expect((await get(server, '/api/v3/keys')).headers.get('ratelimit-limit')).toBe(null)
})

describe('coordinator keys', () => {
  it('works on the folder while no server runs: makes, lists, rotates, revokes', async () => {
    const key = await firstKey()
    const made = JSON.parse(
      (
        await command([
          'keys',
          'create',
          '--name=shop',
          '--scopes=read, submit',
          '--expires=2099-01-01T00:00:00Z',
          '--json',
        ])
      ).out,
    )
    expect(made).toMatchObject({
      name: 'shop',
      scopes: ['read', 'submit'],
      expires_at: '2099-01-01T00:00:00.000Z',
    })
    const client = ['keys', 'create', '--name=acme', '--scopes=submit', '--client=acme']
    expect((await command(client)).out).toContain('Key acme may submit for client acme only at')
    const rotated = await command(['keys', 'rotate', 'shop', '--grace', '0'])
    expect(rotated.out).toContain('Key shop has a new secret. The earlier one is not valid any more.')
    await command(['keys', 'revoke', 'shop'])
    const { out } = await command(['keys', 'list'])
    expect(out).toMatch(/NAME +BEGINS WITH +MAY +LAST USED \(UTC\) +STATE/)
    expect(out).toContain(`ops                   ${key.slice(0, 16)}  admin                 never\n`)
    expect(out).toMatch(/shop +wck_\w{12} {2}read,submit +never +revoked 20/)
    expect(out).toMatch(/acme +wck_\w{12} {2}submit for acme +never\n/)
    expect(out).not.toContain(key.slice(17))
  })

  it('asks the server that runs, and names it where it was not told of it', async () => {
    const key = await firstKey()
    const server = await start({ REQUIRE_KEYS: 'true' })
    const held = await command(['keys', 'list'])
    expect(held.code).toBe(1)
    expect(held.err).toContain(
      `listening on ${server.url}. Change it at that server, with --url and an admin's --key`,
    )
    const there = ['--url', server.url]
    const made = await command([
      'keys',
      'create',
      '--name',
      'eye',
      '--scopes',
      'read',
      ...there,
      '--key',
      key,
    ])
    const eye = /^wck_\S+$/m.exec(made.out)![0]
    expect((await command(['list', ...there], { COORDINATOR_KEY: eye })).out).toContain(
      'There are no such jobs',
    )
    const forbidden = await command(['keys', 'list', ...there], { COORDINATOR_KEY: eye })
    expect(forbidden).toMatchObject({
      code: 1,
      err: 'coordinator: Forbidden: This needs a key with the scope admin\n',
    })
    const rotated = await command(['keys', 'rotate', 'eye', ...there], { COORDINATOR_KEY: key })
    expect(rotated.out).toMatch(/The earlier one is valid until 20\d\d-/)
    await command(['keys', 'revoke', 'eye', ...there, '--key', key])
    const ended = await command(['list', ...there, '--key', eye])
    expect(ended.err).toBe(`coordinator: The key is not, or no longer, valid at ${server.url}\n`)
    const none = await command(['list', ...there])
    expect(none.err).toBe(`coordinator: ${server.url} needs a key: set COORDINATOR_KEY, or give --key\n`)
    const broken = await command(['list', ...there, '--key', `${eye}\n`])
    expect(broken).toMatchObject({ code: 2, err: expect.not.stringContaining(eye) })
  })

  it.each([
    [['keys'], 2, 'keys needs one of create, list, rotate or revoke'],
    [['keys', 'create', '--name', 'x'], 2, 'keys create needs --name and --scopes'],
    [['keys', 'create', '--name', 'x', '--scopes', 'all'], 1, 'scopes[0]: must be one of read'],
    [['keys', 'revoke'], 2, 'keys revoke needs the name of a key'],
    [['keys', 'revoke', 'ghost'], 1, 'There is no key "ghost"'],
    [['keys', 'list', 'x'], 2, 'keys list takes no "x"'],
  ])('%j is refused with exit code %i', async (args, code, words) => {
    expect(await command(args)).toMatchObject({ code, err: expect.stringContaining(words) })
  })
})

it('killed while it takes jobs, it has each of them once when they are sent again', async () => {
  const server = await start()
  const jobId = await createJob(server, 1)
  const { parameters } = await jsonOf(get(server, `/api/v3/jobs/${jobId}`))
  const asset = await upload(server, await picture(0))
  expect(parameters.photos[0].asset_id).toBe(asset)
  const send = (to: ServerProcess, index: number) =>
    fetch(`${to.url}/api/v3/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': `film-${index}` },
      body: JSON.stringify({ type: 'property_photos', parameters, video_name: `Film ${index}` }),
    })
  const count = 60
  let answered = 0
  const sent = Array.from({ length: count }, async (_, index) => {
    const response = await send(server, index)
    // As soon as some are answered, others are at every place of their way.
    if (++answered === 15) void server.kill('SIGKILL')
    return response.status
  })
  await Promise.allSettled(sent)
  const again = await start()
  const ids = new Set<number>()
  for (let index = 0; index < count; index++) {
    const response = await send(again, index)
    expect(response.status).toBe(201)
    ids.add((await jsonOf(response)).job_id)
  }
  expect(ids.size).toBe(count)
  const { jobs } = await jsonOf(get(again, '/api/v3/jobs?limit=200'))
  const names = jobs.map(({ video_name }: { video_name: string }) => video_name)
  expect(names.length).toBe(count + 1)
  expect(new Set(names).size).toBe(names.length)
})
