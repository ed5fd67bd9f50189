/** The database without a running server, for commands. */
import { type KeyVerbs, keyVerbs } from '../access/keys.ts'
import { bind } from '../bind.ts'
import { type Installation, openInstallation } from '../coordinator/attempt/installation.ts'
import { type Host, systemHost } from '../host.ts'
import type { Log } from '../log.ts'
import { type Storage, type StorageConfig, openStorage, placeOf } from './storage.ts'

interface Parts {
  readonly log: Log
  readonly host?: Host
}

/**
 * Opens the database, of a data folder without a running server or of all nodes, and runs no migrations.
 * @throws {DatabaseError} `in_use` if a server holds the folder; the message names its URL
 */
export const openFolder = (config: StorageConfig, { log, host = systemHost }: Parts): Promise<Storage> =>
  openStorage(config, { host, log })

export interface OpenSecrets {
  readonly keys: KeyVerbs
  readonly installation: Installation
  /** The database as it is shown to the operator. */
  readonly where: string
  close(): Promise<void>
}

/**
 * Opens the keys and the secret without a running server: a reachable server needs a first key to start.
 * @throws {DatabaseError} `in_use` if a server holds the folder; the message names its URL
 */
export async function openSecrets(config: StorageConfig, parts: Parts): Promise<OpenSecrets> {
  const storage = await openFolder(config, parts)
  const { database, host, close } = storage
  const { log } = parts
  try {
    await storage.migrate()
    const installation = await openInstallation({ database, host, log })
    return {
      keys: bind({ database, host, log }, keyVerbs),
      installation,
      where: placeOf(config),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
