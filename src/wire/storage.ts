/** Where the rows, the tasks and the bytes are: in this process's folder, or shared by several nodes. */
import { mkdir } from 'node:fs/promises'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { Config } from '../config.ts'
import type { Engine } from '../engine/engine.ts'
import type { Feed } from '../events/feed.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Signal } from '../events/signal.ts'
import type { Host } from '../host.ts'
import type { Log } from '../log.ts'
import type { OwnNode, RunningNodes } from '../nodes/nodes.ts'
import { ownerFolder } from '../owner-only.ts'
import type { Database } from '../store/database.ts'
import type { DatabaseClock } from '../store/database-clock.ts'
import { shownDatabaseUrl } from '../store/database-url.ts'
import { openEmbedded } from './embedded.ts'

export interface Storage {
  readonly database: Database
  /** The host that everything above the database uses: its clock is the same on all nodes. */
  readonly host: Host
  /** Of the database, if several nodes share it. */
  readonly clock?: DatabaseClock
  /** The database as it is shown to the operator. */
  readonly description: string
  /** Brings the tables to this version's schema. Call it before what follows. */
  migrate(): Promise<void>
  openArtifacts(): Promise<OpenArtifacts>
  createNodes(own: OwnNode, log: Log): RunningNodes
  openEvents(parts: { readonly node: string; readonly log: Log }): Promise<Events>
  openEngine(parts: { readonly signal: Signal; readonly log: Log }): Promise<Engine>
  /** Notes this server's URL for other processes. */
  listensOn(address: string): void
  close(): Promise<void>
}

export interface OpenArtifacts extends ArtifactStore {
  close?(): Promise<void>
}

/** How the parts of all nodes hear of changes. */
export interface Events {
  readonly signal: Signal
  readonly pubsub: PubSub
  readonly feed: Feed
  close(): Promise<void>
}

export type StorageConfig = Pick<Config, 'dataDir' | 'databaseUrl' | 'artifacts'>

/**
 * Opens the database; runs no migrations.
 * @throws {DatabaseError} `in_use` if another process, which the message names, holds the folder
 * @throws {ConfigError} if a package that the configuration needs is not installed
 */
export async function openStorage(
  config: StorageConfig,
  { host, log }: { readonly host: Host; readonly log: Log },
): Promise<Storage> {
  await mkdir(config.dataDir, { recursive: true, mode: ownerFolder })
  const { databaseUrl } = config
  if (databaseUrl === undefined) return openEmbedded(config, host)
  // Imported here: the embedded server needs none of its modules.
  const { openDistributed } = await import('./distributed.ts')
  return openDistributed({ ...config, databaseUrl }, { host, log })
}

/** Where the rows are, for messages: without the password. */
export const placeOf = ({ dataDir, databaseUrl }: Pick<Config, 'dataDir' | 'databaseUrl'>): string =>
  databaseUrl === undefined ? dataDir : shownDatabaseUrl(databaseUrl)
