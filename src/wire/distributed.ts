/** One node of several: the rows and tasks are in PostgreSQL, the bytes in a shared folder or bucket. */
import { createEmbeddedEngine } from '../engine/embedded.ts'
import type { Host } from '../host.ts'
import type { Log } from '../log.ts'
import { createNodes } from '../nodes/nodes.ts'
import { openDatabaseClock } from '../store/database-clock.ts'
import { shownDatabaseUrl } from '../store/database-url.ts'
import { needing } from './packages.ts'
import { openSharedArtifacts } from './shared-artifacts.ts'
import type { Storage, StorageConfig } from './storage.ts'

interface DistributedConfig extends StorageConfig {
  readonly databaseUrl: string
}

/** @throws {ConfigError} if a package is not installed */
export async function openDistributed(
  { databaseUrl, artifacts, dataDir }: DistributedConfig,
  { host: machine }: { readonly host: Host; readonly log: Log },
): Promise<Storage> {
  const { openPostgres } = await needing(
    'DATABASE_URL',
    ['pg', 'pg-boss'],
    () => import('../store/postgres.ts'),
  )
  const database = await openPostgres({ connectionString: databaseUrl, host: machine })
  try {
    const clock = await openDatabaseClock(database, machine)
    const { host } = clock
    return {
      database,
      host,
      clock,
      description: shownDatabaseUrl(databaseUrl),
      openArtifacts: () => openSharedArtifacts(artifacts!, { scratch: dataDir, host }),
      createNodes: (own, log) => createNodes(own, { database, host, log }),
      createEngine: ({ log }) => createEmbeddedEngine({ database, host, log }),
      listensOn: () => {},
      close: () => database.close(),
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
