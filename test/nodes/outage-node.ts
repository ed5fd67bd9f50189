/** One node in this process, whose database is a PostgreSQL of its own behind a door. */
import { chmodSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '../../src/config.ts'
import { systemHost } from '../../src/host.ts'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { createLog } from '../../src/log.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { type Workflow, openWorkflow } from '../../src/wire.ts'
import { freePort } from './cluster.ts'
import { type Door, openDoor } from './door.ts'
import { type Keeper, openKeeper } from './keeper.ts'
import { type Postgres, startPostgres } from './postgres.ts'

export interface Server {
  readonly keeper: Keeper
  readonly folder: string
  readonly postgres: Postgres
  /** Runs a statement over a connection of its own. */
  admin(statement: string): Promise<void>
  close(): Promise<void>
}

export async function openServer(): Promise<Server> {
  const keeper = openKeeper()
  const folder = await mkdtemp(join(tmpdir(), 'outage-'))
  keeper.holdFolder(folder)
  // PostgreSQL may run as another user than ours.
  chmodSync(folder, 0o711)
  const postgres = await startPostgres(keeper, join(folder, 'postgres'), await freePort())
  const connectionString = `postgres://postgres@127.0.0.1:${postgres.port}/postgres`
  return {
    keeper,
    folder,
    postgres,
    async admin(statement) {
      const database = await openPostgres({ connectionString, poolSize: 1 })
      // Connections read only, unless they are in a transaction.
      await database.all('set default_transaction_read_only = off')
      await database.all(statement).finally(() => database.close())
    },
    close: () => keeper.close(),
  }
}

export interface OutageNode {
  readonly url: string
  /** Past the door. */
  readonly databaseUrl: string
  readonly door: Door
  readonly workflow: Workflow
  readonly lines: readonly string[]
  close(): Promise<void>
}

/** @param addresses of the database, given the door's; the default is that alone */
export async function openNode(
  { folder, postgres, admin }: Server,
  {
    addresses = (own) => own,
    env = {},
  }: {
    readonly addresses?: (own: string) => string
    readonly env?: Readonly<Record<string, string>>
  } = {},
): Promise<OutageNode> {
  const name = `outage_${systemHost.id().replaceAll('-', '')}`
  await admin(`create database ${name}`)
  const door = await openDoor(() => postgres.port)
  const lines: string[] = []
  const log = createLog({ level: 'debug', destination: { write: (line: string) => void lines.push(line) } })
  const data = join(folder, name)
  const config = readConfig({
    DATABASE_URL: `postgres://postgres@${addresses(`127.0.0.1:${door.port}`)}/${name}`,
    ARTIFACTS_URL: `file://${join(data, 'shared')}`,
    DATA_DIR: join(data, 'own'),
    MIN_FREE_DISK_MB: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    SHUTDOWN_GRACE_MS: '500',
    ...env,
  })
  let workflow: Workflow | undefined
  let server: Listening | undefined
  try {
    workflow = await openWorkflow(config, { log })
    server = await listen(workflow.app, { host: '127.0.0.1', port: 0 })
  } catch (error) {
    await workflow?.close()
    await door.close()
    throw error
  }
  const { url } = server
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await server.close({ graceMs: 500 })
    await workflow.close()
    await door.close()
  }
  return {
    url,
    databaseUrl: `postgres://postgres@127.0.0.1:${postgres.port}/${name}`,
    door,
    workflow,
    lines,
    close: () => (closing ??= close()),
  }
}

export interface Told {
  readonly status: number | 'none'
  readonly body: any
  readonly retryAfter: string | null
  readonly tookMs: number
}

/** One request, without a repetition. */
export async function tell(
  { url }: Pick<OutageNode, 'url'>,
  method: string,
  path: string,
  { body, key, withinMs = 30_000 }: { body?: object; key?: string; withinMs?: number } = {},
): Promise<Told> {
  const begun = performance.now()
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(withinMs),
  }).catch(() => undefined)
  const text = await response?.text().catch(() => undefined)
  const tookMs = performance.now() - begun
  if (!response || text === undefined) return { status: 'none', body: undefined, retryAfter: null, tookMs }
  return {
    status: response.status,
    body: text.startsWith('{') ? JSON.parse(text) : text,
    retryAfter: response.headers.get('retry-after'),
    tookMs,
  }
}

/** Asks until `reached`; the deadline fails the test. */
export async function until(
  what: string,
  reached: () => Promise<boolean> | boolean,
  withinMs = 60_000,
): Promise<number> {
  const begun = performance.now()
  while (!(await reached())) {
    if (performance.now() - begun > withinMs) throw new Error(`After ${withinMs} ms, not yet: ${what}`)
    await sleep(100)
  }
  return performance.now() - begun
}
