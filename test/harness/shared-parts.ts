/** What a node stands on where several share a PostgreSQL, as the program opens it: in real time. */
import type { Engine } from '../../src/engine/engine.ts'
import type { Host } from '../../src/host.ts'
import type { Log } from '../../src/log.ts'
import type { Database } from '../../src/store/database.ts'
import { openDistributed } from '../../src/wire/distributed.ts'
import type { Events } from '../../src/wire/storage.ts'
import { databaseInFolder } from '../store/postgres-pool.ts'

export interface SharedParts {
  readonly database: Database
  readonly events: Events
  readonly engine: Engine
  /** Call it when the engine has stopped. */
  close(): Promise<void>
}

export async function openSharedParts(
  folder: string,
  { host: machine, log }: { readonly host: Host; readonly log: Log },
): Promise<SharedParts> {
  const { connectionString: databaseUrl } = await databaseInFolder(folder, 'pg-boss')
  const storage = await openDistributed(
    { databaseUrl, dataDir: folder, artifacts: undefined },
    { host: machine, log },
  )
  await storage.migrate()
  const { database, host } = storage
  const events = await storage.openEvents({ node: host.id(), log })
  const engine = await storage.openEngine({ signal: events.signal, log })
  return {
    database,
    events,
    engine,
    async close() {
      await events.close()
      await storage.close()
    },
  }
}
