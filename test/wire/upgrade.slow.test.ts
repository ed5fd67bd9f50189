/** Nodes of two versions on one database, and nodes that all start at once. */
import { Client } from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listen } from '../../src/http/edge/server.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { type LaunchedServer, createJob, jobUntil, launchServer } from '../server/process.ts'
import { type Site, newSite } from './nodes.ts'

let site: Site
let servers: LaunchedServer[]
beforeEach(async () => {
  servers = []
  site = await newSite()
})
afterEach(async () => {
  await Promise.all(servers.map(({ kill }) => kill('SIGKILL')))
  await site.remove()
})

async function inDatabase<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: site.env('any')['DATABASE_URL'] })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

const launch = (name: string): LaunchedServer => {
  const { DATA_DIR, ...env } = site.env(name)
  const launched = launchServer(DATA_DIR!, env)
  servers.push(launched)
  return launched
}

it('refuses a database of a newer version, and says so', async () => {
  const node = await site.open('one')
  await node.close()
  await inDatabase((client) => client.query(`insert into migrations (id, name) values (9999, 'hologram')`))
  await expect(site.open('two')).rejects.toMatchObject({
    code: 'too_old',
    message:
      'This program is older than its database, which has migration 9999 (hologram): use a newer version',
  })
  const launched = launch('three')
  await expect(launched.listening).rejects.toThrow('coordinator: This program is older than its database')
  expect(await launched.ended).toBe(1)
})

it.each([1, 2])('starts three nodes at once on an empty database (%d)', async () => {
  const three = ['one', 'two', 'three'].map(launch)
  const urls = await Promise.all(three.map(({ listening }) => listening))
  for (const url of urls) expect((await fetch(`${url}/readyz`)).status).toBe(200)
  const { rows } = await inDatabase((client) => client.query('select id from migrations order by id'))
  expect(rows.map(({ id }) => Number(id))).toEqual(migrations.map(({ id }) => id))
})

it('goes on beside a newer version, which has added columns, kinds of tasks and leads', async () => {
  const node = await site.open('old')
  const server = await listen(node.app, { host: '127.0.0.1', port: 0 })
  try {
    const asked = server as unknown as Parameters<typeof createJob>[0]
    const before = await createJob(asked, 1)
    await inDatabase(async (client) => {
      for (const table of ['jobs', 'scenes', 'attempts', 'events', 'nodes', 'films'])
        await client.query(`alter table ${table} add column novelty text not null default 'new'`)
      await client.query(`create table novelties (id bigint primary key)`)
      await client.query(`insert into migrations (id, name) values (9999, 'novelties')`)
      await client.query(
        `select workflow_tasks.create_queue('bake-hologram', '{"policy":"stately","heartbeatSeconds":10}'::jsonb)`,
      )
      const task = (name: string, subject: string): string =>
        `insert into workflow_tasks.job_common (name, singleton_key, policy, data) values ('${name}', '${subject}',
           '${name === 'lead' ? 'exclusive' : 'stately'}', '{"subject":"${subject}","jobId":${before},"tries":0,"crashes":0}')`
      await client.query(task('bake-hologram', 'scene'))
      await client.query(task('lead', 'bake holograms'))
    })
    await node.coordinator.approveJob(before, {})
    await jobUntil(asked, before, ({ status }) => status === 'completed')
    const after = await createJob(asked, 1)
    await node.coordinator.approveJob(after, {})
    await jobUntil(asked, after, ({ status }) => status === 'completed')
    const { rows } = await inDatabase((client) =>
      client.query(`select name, singleton_key as subject from workflow_tasks.job_common
        where name = 'bake-hologram' or singleton_key = 'bake holograms'`),
    )
    // Left to a node that knows them.
    expect(rows).toEqual(
      expect.arrayContaining([
        { name: 'bake-hologram', subject: 'scene' },
        { name: 'lead', subject: 'bake holograms' },
      ]),
    )
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect((await fetch(`${server.url}/api/v3/jobs/${before}`)).status).toBe(200)
  } finally {
    await server.close({ graceMs: 100 })
  }
})
