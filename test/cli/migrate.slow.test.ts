/** A history with films moves from a data folder to PostgreSQL and a shared folder, by the real command and real servers. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { type ServerProcess, ask, createJob, jobUntil, startServer } from '../server/process.ts'
import { postgresUrl } from '../store/postgres-server.ts'
import { run, start } from './command.ts'

let folder: string
let admin: string
let databaseUrl: string
const name = `moved_${systemHost.secret(6)}`

/** Statements outside transactions of this program. */
async function onServer(statement: string): Promise<void> {
  const { Client } = await import('pg')
  const client = new Client({ connectionString: admin })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-migrate-'))
  admin = await postgresUrl(inject('postgres'))
  await onServer(`create database ${name}`)
  const url = new URL(admin)
  url.pathname = `/${name}`
  // The test's server asks for none.
  url.password = 'a-secret-password'
  databaseUrl = url.href
})
afterAll(async () => {
  await onServer(`drop database ${name} with (force)`)
  await rm(folder, { recursive: true })
})

const filmOf = async (server: ServerProcess, jobId: number): Promise<string> => {
  const response = await fetch(`${server.url}/api/v3/videos/${jobId}/combined`)
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer()).toString('base64')
}
const approve = async (server: ServerProcess, jobId: number): Promise<void> => {
  const { status } = await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`, {})
  expect(status).toBe(200)
}
const completed = (server: ServerProcess, jobId: number) =>
  jobUntil(server, jobId, ({ status }) => status === 'completed')

it('moves films, running work and events; the nodes go on, and the folder starts no server again', async () => {
  const data = join(folder, 'data')
  const artifacts = `file://${join(folder, 'shared')}`
  const migrate = ['migrate', '--from', `sqlite:${data}`, '--artifacts', artifacts]
  const env = { DATABASE_URL: databaseUrl }

  const embedded = await startServer(data)
  const done = await createJob(embedded, 2)
  await approve(embedded, done)
  await completed(embedded, done)
  const film = await filmOf(embedded, done)
  const pending = await createJob(embedded, 1)
  const running = await createJob(embedded, 4)
  await approve(embedded, running)
  await jobUntil(embedded, running, ({ status }) => status === 'processing')
  const { events } = (await ask(embedded, 'GET', '/api/v3/events?limit=100')).body

  expect(await run(migrate, { env })).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(/data is in use by process \d+ .*, listening on http/),
  })
  await embedded.kill('SIGKILL')

  // It may be cut off anywhere.
  const cutOff = start(migrate, { env })
  const ended = once(cutOff, 'exit')
  await Promise.race([ended, systemHost.sleep(400)])
  cutOff.kill('SIGKILL')
  await ended

  const moved = await run(migrate, { env })
  expect(moved).toMatchObject({ code: 0, err: '' })
  expect(moved.out).toMatch(/^jobs +3 rows, digest (\w+) +3 rows, digest \1$/m)
  expect(moved.out).toMatch(/^artifacts +(\d+) +\1$/m)
  expect(moved.out).toContain('No server starts on it from now on')
  expect(await run(migrate, { env })).toMatchObject({
    code: 0,
    out: expect.stringContaining('was moved there before. Nothing was changed.'),
  })
  const again = await startServer(data).then(
    () => 'a server starts',
    (error: Error) => error.message,
  )
  expect(again).toMatch(/was moved to PostgreSQL, .*: set DATABASE_URL to it/)
  const examined = await run(['doctor'], { env: { DATA_DIR: data, PORT: '0' } })
  expect(examined.out).toMatch(/^problem +Database +No server starts on it$/m)
  for (const said of [moved.out, again, examined.out]) expect(said).not.toContain('a-secret-password')

  const node = await startServer(join(folder, 'node'), { ...env, ARTIFACTS_URL: artifacts })
  try {
    expect(await filmOf(node, done)).toBe(film)
    await completed(node, running)
    expect((await ask(node, 'GET', `/api/v3/jobs/${pending}`)).body.status).toBe('pending')
    await approve(node, pending)
    await completed(node, pending)
    const since = (await ask(node, 'GET', `/api/v3/events?limit=100&after=${events.at(-1).id}`)).body.events
    const types = since.filter((one: any) => one.job_id === running).map(({ type }: any) => type)
    expect(types).toContain('job_completed')
    const ids: number[] = since.map(({ id }: { id: number }) => id)
    expect(ids).toEqual(ids.toSorted((one, other) => one - other))
    expect(ids[0]).toBeGreaterThan(events.at(-1).id)
  } finally {
    await node.kill('SIGTERM')
  }
})

it('refuses a database that has the history of another folder', async () => {
  const other = join(folder, 'other')
  const server = await startServer(other)
  await server.kill('SIGTERM')
  const moved = await run(['migrate', '--from', `sqlite:${other}`, '--artifacts', `file://${other}/shared`], {
    env: { DATABASE_URL: databaseUrl },
  })
  expect(moved).toMatchObject({
    code: 1,
    err: expect.stringContaining('The target has a history of its own (1 rows in installation)'),
  })
  const stays = await startServer(other)
  expect(await stays.kill('SIGTERM')).toBe(0)
})
