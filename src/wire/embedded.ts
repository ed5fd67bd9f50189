/** One process with all it needs in its data folder: SQLite, the embedded engine, and artifacts as files. */
import { join } from 'node:path'
import { openDiskArtifacts } from '../artifact/disk.ts'
import { createEmbeddedEngine } from '../engine/embedded.ts'
import { createFeed } from '../events/feed.ts'
import { createPubSub } from '../events/pubsub.ts'
import { createSignal } from '../events/signal.ts'
import type { Host } from '../host.ts'
import { logLine } from '../log.ts'
import { createOneNode } from '../nodes/nodes.ts'
import { holdFolder } from '../store/lock.ts'
import { migrate } from '../store/migrate.ts'
import { migrations } from '../store/migrations/all.ts'
import { openSqlite } from '../store/sqlite.ts'
import { openSharedArtifacts } from './shared-artifacts.ts'
import type { Storage, StorageConfig } from './storage.ts'

/** @throws {DatabaseError} `in_use` if another process, which the message names, holds the folder */
export function openEmbedded({ dataDir, artifacts }: StorageConfig, host: Host): Storage {
  const hold = holdFolder(dataDir, host)
  try {
    const path = join(dataDir, 'coordinator.db')
    const database = openSqlite({ path, host })
    return {
      database,
      host,
      description: `SQLite, ${path}`,
      migrate: async () => void (await migrate(database, migrations)),
      openArtifacts: () =>
        artifacts === undefined
          ? openDiskArtifacts(dataDir, host)
          : openSharedArtifacts(artifacts, { scratch: dataDir, host }),
      createNodes: (own) => createOneNode(own, host),
      async openEvents({ log }) {
        const pubsub = createPubSub((error, event) => logLine.listenerFailed(log, event.topic, error))
        const feed = createFeed({ database, onEvent: (wake) => pubsub.subscribe('*', wake), host, log })
        return { signal: createSignal(), pubsub, feed, close: async () => feed.close() }
      },
      openEngine: async ({ log }) => createEmbeddedEngine({ database, host, log }),
      listensOn: (address) => hold.listensOn(address),
      close: async () => {
        await database.close()
        hold.release()
      },
    }
  } catch (error) {
    hold.release()
    throw error
  }
}
