/** The only place that picks adapters: from a configuration to a house in which everything runs. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactStore } from './artifact/artifact.ts'
import { openDiskArtifacts } from './artifact/disk.ts'
import type { Config } from './config.ts'
import { type Coordinator, createCoordinator } from './coordinator/coordinator.ts'
import { isDiskFull } from './disk-full.ts'
import { createEmbeddedEngine } from './engine/embedded.ts'
import { type PubSub, createPubSub } from './events/pubsub.ts'
import { type Host, systemHost } from './host.ts'
import { createApp } from './http/app.ts'
import { localPrices } from './job/price.ts'
import { type Log, logLine } from './log.ts'
import { createCommandMedia } from './media/command.ts'
import { createPackagedMedia } from './media/packaged.ts'
import { handleTasks } from './pipeline/tasks.ts'
import { type Studio, createStudio } from './pipeline/studio.ts'
import { type TakeAsset, createTakeAsset } from './pipeline/take-asset.ts'
import { createLocalRenderer } from './renderer/local.ts'
import type { Renderer } from './renderer/renderer.ts'
import { type Database, DatabaseError } from './store/database.ts'
import { holdFolder } from './store/lock.ts'
import { migrate } from './store/migrate.ts'
import { migrations } from './store/migrations/all.ts'
import { openSqlite } from './store/sqlite.ts'

export interface Workflow {
  readonly coordinator: Coordinator
  readonly pubsub: PubSub
  readonly artifacts: ArtifactStore
  /** Takes a photograph in. @throws {RefusedError} `asset_refused` */
  readonly takeAsset: TakeAsset
  /** Answers HTTP requests, with or without a port. */
  readonly app: ReturnType<typeof createApp>
  readonly facts: WorkflowFacts
  /** Tells others who want this data folder where we are to be found. */
  listensOn(address: string): void
  /** Takes no more work, gives running work its grace time, and lets go of everything; the rest waits for the next start. */
  close(): Promise<void>
}

/** What an operator wants to see at start. */
export interface WorkflowFacts {
  readonly database: string
  readonly ffmpeg: string
  readonly renderers: string
}

export interface WorkflowParts {
  readonly log: Log
  readonly host?: Host
}

/**
 * Opens the data folder, resumes what was interrupted, and runs until `close()`.
 * @throws {DatabaseError} `in_use` where another process holds the folder, which it names
 * @throws {DatabaseError} `disk_full` where there is no room to open it
 * @throws {MediaError} `unusable` where there is no FFmpeg to work with
 */
export async function openWorkflow(
  config: Config,
  { log, host = systemHost }: WorkflowParts,
): Promise<Workflow> {
  await mkdir(config.dataDir, { recursive: true })
  const closing: (() => void | Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end()
  }
  try {
    const hold = holdFolder(config.dataDir, host)
    closing.push(() => hold.release())
    const database = openSqlite({ path: join(config.dataDir, 'coordinator.db'), host })
    closing.push(() => database.close())
    await migrate(database, migrations)
    const artifacts = await openDiskArtifacts(config.dataDir)
    const media = config.ffmpegPath
      ? createCommandMedia({ ffmpegPath: config.ffmpegPath, host })
      : createPackagedMedia({ host })
    closing.push(() => media.close())
    const ffmpeg = await media.describe()
    const renderers = [createLocalRenderer({ media, maxConcurrency: config.localMaxConcurrency })]

    const studio = createStudio({ media, artifacts, database, host })
    const running = await startCoordinator({ config, database, artifacts, studio, renderers, host, log })
    closing.push(running.stop)
    const { coordinator, pubsub } = running
    const takeAsset = createTakeAsset({ coordinator, artifacts, studio })
    const app = createApp({
      coordinator,
      artifacts,
      takeAsset,
      log,
      hosts: [config.host],
      host,
    })
    return {
      coordinator,
      pubsub,
      artifacts,
      takeAsset,
      app,
      facts: {
        database: `SQLite, ${join(config.dataDir, 'coordinator.db')}`,
        ffmpeg: `${ffmpeg.version} (${config.ffmpegPath ?? 'packaged'})`,
        renderers: renderers
          .map(({ name, maxConcurrency }) => `${name} (${maxConcurrency} at once)`)
          .join(', '),
      },
      listensOn: (address) => hold.listensOn(address),
      close,
    }
  } catch (error) {
    await close()
    if (isDiskFull(error)) throw noRoom(config.dataDir, error)
    throw error
  }
}

/** SQLite itself says "disk I/O error". */
const noRoom = (dataDir: string, cause: unknown): DatabaseError =>
  new DatabaseError(
    'disk_full',
    `There is no room left on the disk that holds ${dataDir}. Nothing is lost: make some room and start again`,
    { cause },
  )

interface Running {
  readonly config: Config
  readonly database: Database
  readonly artifacts: ArtifactStore
  readonly studio: Studio
  readonly renderers: readonly Renderer[]
  readonly host: Host
  readonly log: Log
}

async function startCoordinator({ config, database, artifacts, studio, renderers, host, log }: Running) {
  const pubsub = createPubSub((error, event) => logLine.listenerFailed(log, event.topic, error))
  const engine = createEmbeddedEngine({ database, host, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host,
    log,
    renderers,
    priceBook: localPrices,
  })
  handleTasks(engine, { coordinator, renderers, artifacts, studio, host })
  await coordinator.start()
  return {
    coordinator,
    pubsub,
    stop: async () => {
      await coordinator.stop()
      await engine.stop({ graceMs: config.shutdownGraceMs })
    },
  }
}
