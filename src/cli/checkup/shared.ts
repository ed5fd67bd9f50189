/** Checks what several nodes share: the PostgreSQL of their rows, and the folder or bucket of their files. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasKey as hasUsableKey } from '../../access/keys.ts'
import { type ArtifactsConfig, ConfigError } from '../../config.ts'
import { isDiskFull } from '../../disk-full.ts'
import { systemHost } from '../../host.ts'
import { createLog } from '../../log.ts'
import { newestAssets } from '../../store/assets.ts'
import { accountsInFlight } from '../../store/attempts.ts'
import { type Database, DatabaseError } from '../../store/database.ts'
import { openDatabaseClock } from '../../store/database-clock.ts'
import { shownDatabaseUrl } from '../../store/database-url.ts'
import { migrations } from '../../store/migrations/all.ts'
import { refuseSealed } from '../../store/seal.ts'
import { count, spokenDuration } from '../words.ts'
import type { Folder } from './database.ts'
import { type Found, messageOf, ok, problem, warning } from './finding.ts'

/** What a node uses at most: of transactions, tasks and messages, and one to ask after silent ones. */
const connectionsOfNode = 15

export async function checkSharedDatabase(connectionString: string): Promise<Folder> {
  const nothing = { server: undefined, hasKey: undefined }
  const place = shownDatabaseUrl(connectionString)
  try {
    const { needing } = await import('../../wire/packages.ts')
    const { openPostgres } = await needing(
      'DATABASE_URL',
      ['pg', 'pg-boss'],
      () => import('../../store/postgres.ts'),
    )
    const database = await openPostgres({ connectionString, poolSize: 2 })
    try {
      return await lookInto(database, { place, connectionString })
    } finally {
      await database.close()
    }
  } catch (error) {
    const toDo =
      error instanceof ConfigError
        ? 'Install it where serve runs'
        : error instanceof DatabaseError && error.code === 'too_old'
          ? 'Upgrade PostgreSQL'
          : 'Look at DATABASE_URL, the server there, and the network and rights between'
    return { ...nothing, found: problem(`${place}: ${messageOf(error)}`, toDo) }
  }
}

interface Asked {
  readonly place: string
  readonly connectionString: string
}

async function lookInto(database: Database, asked: Asked): Promise<Folder> {
  const done = await stepsDone(database)
  const isMigrated = migrations.every(({ id }) => done.includes(id))
  const found = await databaseFound(database, done, asked)
  return {
    found,
    server: undefined,
    hasKey: await hasKeyIn(database),
    ...(found.state !== 'problem' &&
      isMigrated && {
        accounts: await accountsInFlight(database, 'replicate'),
        photographs: await newestAssets(database),
      }),
  }
}

async function databaseFound(
  database: Database,
  done: readonly number[],
  { place, connectionString }: Asked,
): Promise<Found> {
  if (done.length > 0) await refuseSealed(database)
  if (done.some((id) => !migrations.some((migration) => migration.id === id)))
    return problem(`${place} was used by a newer version of this program`, 'Use the newer version')
  const server = (await database.get(
    `select current_setting('server_version') as version, current_setting('fsync') as fsync,
       current_setting('max_connections')::int as most, (select count(*) from pg_stat_activity where datid is not null) as used,
       has_schema_privilege(current_user, coalesce(current_schema(), 'public'), 'create') as may_create`,
  ))!
  if (server['may_create'] !== 1)
    return problem(`${place}: this user may create no tables`, 'Let it create tables in the schema')
  const clock = await openDatabaseClock(database, systemHost)
  const missing = migrations.length - done.length
  const state = missing === 0 ? 'up to date' : `${count(missing, 'step')} behind, which serve will make up`
  const ahead = Math.round(clock.aheadMs())
  const words =
    `${place}, version ${String(server['version'])}, ${state}; ${await nodesWords(database, done)}; its clock, which counts, ` +
    (Math.abs(ahead) < 1000
      ? 'is within a second of this machine'
      : `is ${spokenDuration(Math.abs(ahead))} ${ahead > 0 ? 'behind' : 'ahead of'} this machine`)
  if (server['fsync'] === 'off')
    return warning(
      `${words}; it syncs nothing to its disk (fsync off)`,
      'Set fsync = on: a power cut loses rows',
    )
  const free = Number(server['most']) - Number(server['used'])
  if (free < connectionsOfNode)
    return warning(
      `${words}; ${free} of ${String(server['most'])} connections are free`,
      `Raise max_connections: each node uses up to ${connectionsOfNode}`,
    )
  if (!(await hearsItself(connectionString)))
    return warning(
      `${words}; a message (NOTIFY) to this program did not come back`,
      'Connect to PostgreSQL directly, or through a pooler in session mode: nodes hear of each other late otherwise',
    )
  return ok(`${words}; messages between nodes arrive`)
}

const stepsDone = async (database: Database): Promise<readonly number[]> =>
  (await hasTable(database, 'migrations'))
    ? (await database.all('select id from migrations order by id')).map((row) => Number(row['id']))
    : []

const hasTable = async (database: Database, name: string): Promise<boolean> =>
  (await database.get('select to_regclass($1)::text as name', [name]))?.['name'] !== null

const hasKeyIn = async (database: Database): Promise<boolean> =>
  (await hasTable(database, 'keys')) &&
  hasUsableKey({ database, host: systemHost, log: createLog({ level: 'silent' }) })

/** As nodes judge each other. */
async function nodesWords(database: Database, done: readonly number[]): Promise<string> {
  if (done.length === 0 || !(await hasTable(database, 'nodes'))) return 'no node has used it'
  const { deadAfterMs } = await import('../../nodes/nodes.ts')
  const row = await database.get(
    `select count(*) as n from nodes where heard_at > (extract(epoch from clock_timestamp()) * 1000)::bigint - $1::bigint`,
    [deadAfterMs],
  )
  return `${count(Number(row?.['n']), 'node')} heard of now`
}

const messageMs = 3000

async function hearsItself(connectionString: string): Promise<boolean> {
  const { openChannel } = await import('../../store/postgres-channel.ts')
  const text = `doctor ${randomUUID()}`
  const heard = new AbortController()
  const channel = await openChannel({
    connectionString,
    onMessage: (message) => message === text && heard.abort(),
    onLost: () => undefined,
  })
  try {
    await channel.send(text)
    await systemHost.sleep(messageMs, heard.signal)
    return heard.signal.aborted
  } finally {
    await channel.close()
  }
}

const twoHours = 7_200_000

/** Stores a few bytes, reads them, and removes them again; looks for one of the `photographs` that rows name. */
export async function checkSharedArtifacts(
  artifacts: ArtifactsConfig,
  photographs: readonly string[],
): Promise<Found> {
  const place =
    artifacts.kind === 'folder' ? artifacts.directory : `s3://${artifacts.bucket}/${artifacts.prefix}`
  const scratch = await mkdtemp(join(tmpdir(), 'coordinator-doctor-'))
  try {
    const { isAnother, openSharedArtifacts } = await import('../../wire/shared-artifacts.ts')
    const store = await openSharedArtifacts(artifacts, { scratch, host: systemHost })
    try {
      const path = join(scratch, 'doctor')
      await writeFile(path, `doctor ${randomUUID()}`)
      const begun = performance.now()
      const { id, size } = await store.adopt(path)
      let read = 0
      for await (const chunk of await store.read(id)) read += chunk.length
      const removed = await store.remove(id, systemHost.now() + twoHours)
      if (read !== size || removed !== size)
        return problem(`${place} gives back other bytes`, 'Look at its server')
      if (await isAnother(store, photographs))
        return problem(
          `${place} has none of the newest photographs that the database names`,
          'Mount the folder that the other nodes use, or name their bucket in ARTIFACTS_URL',
        )
      return ok(`${place}: stored, read and removed a file in ${Math.ceil(performance.now() - begun)} ms`)
    } finally {
      await store.close?.()
    }
  } catch (error) {
    return problem(
      `${place}: ${messageOf(error)}`,
      isDiskFull(error)
        ? 'Make room there'
        : 'Look at ARTIFACTS_URL, its credentials and rights: nodes store, read, list and remove there',
    )
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
