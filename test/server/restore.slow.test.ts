/** PostgreSQL and the shared files are restored from a backup while a job was at work, by the words of docs/operating.md. */
import { cpSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { expect, inject, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { postgresUrl } from '../store/postgres-server.ts'
import { ask, createJob, jobUntil, startServer } from './process.ts'

const [, raise] = /--command='(update event_base [^']+)'/.exec(readFileSync('docs/operating.md', 'utf8'))!

it('nodes go on with a restored database: with its tasks and films, and above all ids of events that were given', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'restore-'))
  const name = `restore_${systemHost.secret(6)}`
  const admin = await postgresUrl(inject('postgres'))
  const on = (database: string): string => Object.assign(new URL(admin), { pathname: `/${database}` }).href
  const query = async (database: string, ...statements: readonly string[]): Promise<void> => {
    const client = new Client({ connectionString: on(database) })
    await client.connect()
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }
  const start = (database: string, files: string) =>
    startServer(join(folder, `node-${database}`), {
      DATABASE_URL: on(database),
      ARTIFACTS_URL: `file://${join(folder, files)}`,
    })
  try {
    await query('postgres', `create database ${name}`)
    const node = await start(name, 'files')
    const approve = (server: typeof node, jobId: number) =>
      ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`, {})
    const film = async (server: typeof node, jobId: number): Promise<string> => {
      const response = await fetch(`${server.url}/api/v3/videos/${jobId}/combined`)
      expect(response.status).toBe(200)
      return Buffer.from(await response.arrayBuffer()).toString('base64')
    }
    const done = await createJob(node, 2)
    await approve(node, done)
    await jobUntil(node, done, ({ status }) => status === 'completed')
    const bytes = await film(node, done)
    const running = await createJob(node, 4)
    await approve(node, running)
    await jobUntil(node, running, (_, scenes) => scenes.some(({ status }) => status === 'processing'))
    await node.kill('SIGKILL')

    // As pg_dump and pg_restore: the rows, and the tasks of a node that is gone. First the database, then the files.
    await query(
      'postgres',
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      `create database ${name}_restored template ${name}`,
    )
    cpSync(join(folder, 'files'), join(folder, 'restored'), { recursive: true })

    // After the backup, the lost server gave ids that clients have seen.
    const lost = await start(name, 'files')
    await createJob(lost, 1)
    const seen = (await ask(lost, 'GET', '/api/v3/events?limit=500')).body.events.at(-1).id
    await lost.kill('SIGKILL')

    await query(`${name}_restored`, raise!)
    const restored = await start(`${name}_restored`, 'restored')
    try {
      expect(await film(restored, done)).toBe(bytes)
      await jobUntil(restored, running, ({ status }) => status === 'completed')
      expect((await film(restored, running)).length).toBeGreaterThan(1000)
      const since = (await ask(restored, 'GET', `/api/v3/events?limit=500&after=${seen}`)).body
      expect(since.reset).toBeUndefined()
      expect(since.events.map(({ type }: { type: string }) => type)).toContain('job_completed')
    } finally {
      await restored.kill('SIGTERM')
    }
  } finally {
    for (const database of [name, `${name}_restored`])
      await query('postgres', `drop database if exists ${database} with (force)`)
    await rm(folder, { recursive: true })
  }
}, 240_000)
