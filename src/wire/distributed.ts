/** One node of several: the rows and tasks are in PostgreSQL, the bytes in a shared folder or bucket. */
import { type EngineHint, engineHints } from '../engine/engine.ts'
import { fencedDatabase } from '../engine/fence.ts'
import { openSharedEvents } from '../events/shared.ts'
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import { createNodes } from '../nodes/nodes.ts'
import { openDatabaseClock } from '../store/database-clock.ts'
import { shownDatabaseUrl } from '../store/database-url.ts'
import { continueEventIds } from '../store/event-order.ts'
import { type FolderHold, holdFolder } from '../store/lock.ts'
import { migrate } from '../store/migrate.ts'
import { migrations } from '../store/migrations/all.ts'
import { needing } from './packages.ts'
import { openSharedArtifacts } from './shared-artifacts.ts'
import type { Storage, StorageConfig } from './storage.ts'

interface DistributedConfig extends StorageConfig {
  readonly databaseUrl: string
}

/** Of pg-boss's tables, beside those of this program. */
export const taskSchema = 'workflow_tasks'

/** Modules that need packages which the embedded server does not. */
const loadDrivers = async () => {
  const [{ openPostgres }, { openChannel }, { openPgBossEngine }] = await Promise.all([
    import('../store/postgres.ts'),
    import('../store/postgres-channel.ts'),
    import('../engine/pg-boss.ts'),
  ])
  return { openPostgres, openChannel, openPgBossEngine }
}

/** @throws {ConfigError} if a package is not installed */
export async function openDistributed(
  { databaseUrl: connectionString, artifacts, dataDir }: DistributedConfig,
  { host: machine }: { readonly host: Host; readonly log: Log },
): Promise<Storage> {
  const drivers = await needing('DATABASE_URL', ['pg', 'pg-boss'], loadDrivers)
  const server = await drivers.openPostgres({ connectionString, host: machine })
  let hold: FolderHold | undefined
  try {
    const clock = await openDatabaseClock(server, machine)
    const { host } = clock
    const database = fencedDatabase(server)
    return {
      database,
      host,
      clock,
      description: shownDatabaseUrl(connectionString),
      async migrate() {
        await migrate(database, migrations)
        server.setAppendBase(await continueEventIds(database))
      },
      async openArtifacts() {
        // It empties the folder, in which another node may be at work.
        hold ??= holdFolder(dataDir, machine)
        return openSharedArtifacts(artifacts!, { scratch: dataDir, host })
      },
      createNodes: (own, log) => createNodes(own, { database, host, log }),
      openEvents: ({ node, log }) =>
        openSharedEvents({
          database,
          open: (options) => drivers.openChannel({ connectionString, ...options }),
          node,
          host,
          log,
          onListenerError: (error, event) => logLine.listenerFailed(log, event.topic, error),
        }),
      async openEngine({ signal, log }) {
        const hint = (kind: EngineHint): void => signal.notify(nameOf(kind))
        const engine = await drivers.openPgBossEngine({
          database: server,
          connectionString,
          schema: taskSchema,
          host,
          log,
          hint,
        })
        const ends = engineHints.map((kind) => signal.on(nameOf(kind), () => engine.wake(kind)))
        return {
          ...engine,
          async stop(options) {
            for (const end of ends) end()
            await engine.stop(options)
          },
        }
      },
      listensOn: (address) => hold?.listensOn(address),
      async close() {
        await database.close()
        hold?.release()
      },
    }
  } catch (error) {
    await server.close()
    throw error
  }
}

const nameOf = (kind: EngineHint): string => `engine:${kind}`
