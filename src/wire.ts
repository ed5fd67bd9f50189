/** The only place that picks adapters: builds a running workflow from a configuration. */
import { access, constants, mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactStore } from './artifact/artifact.ts'
import { openDiskArtifacts } from './artifact/disk.ts'
import { bind } from './bind.ts'
import { type Config, ConfigError } from './config.ts'
import { commandLine } from './command-name.ts'
import { markOf } from './coordinator/attempt/reconcile.ts'
import type { RendererLimit } from './coordinator/admission/rules.ts'
import { type Coordinator, createCoordinator } from './coordinator/coordinator.ts'
import { type Installation, openInstallation } from './coordinator/attempt/installation.ts'
import { type WaitFor, createWaitFor } from './coordinator/read/wait-for.ts'
import { type KeyVerbs, hasKey, keyVerbs } from './access/keys.ts'
import { type DiskRoom, createDiskRoom, isDiskFull } from './disk-full.ts'
import { createEmbeddedEngine } from './engine/embedded.ts'
import { type Feed, createFeed } from './events/feed.ts'
import { type PubSub, createPubSub } from './events/pubsub.ts'
import { type Host, systemHost } from './host.ts'
import { createApp } from './http/app.ts'
import { packageVersion } from './package-version.ts'
import { addressOf } from './http/edge/path.ts'
import type { ProviderGate } from './http/routes/parts.ts'
import type { Catalogue } from './job/catalogue.ts'
import { type Log, logLine } from './log.ts'
import { openCatalogue } from './models-file.ts'
import { type OwnParts, modelsOfOwn, refuseClashes, refuseUnpriced } from './own-parts.ts'
import type { Media } from './media/media.ts'
import { createMedia } from './media/pool.ts'
import { createGuardedFetch, createGuardedOutbound } from './outbound/guarded.ts'
import { ownerFolder } from './owner-only.ts'
import { createClips } from './pipeline/clips.ts'
import { startWebhooks } from './webhooks/sender.ts'
import { startPrune } from './retention/prune.ts'
import { startReconciling } from './pipeline/follow/reconcile.ts'
import { handleTasks } from './pipeline/tasks.ts'
import { type Studio, createStudio } from './pipeline/studio.ts'
import { type TakeAsset, createTakeAsset } from './pipeline/take-asset.ts'
import { createLocalRenderer } from './renderer/local.ts'
import type { Provider } from './renderer/provider.ts'
import type { Renderer } from './renderer/renderer.ts'
import { createReplicate } from './renderer/replicate/replicate.ts'
import { createUrlSigner, verifySignature } from './renderer/replicate/signature.ts'
import { type Database, DatabaseError } from './store/database.ts'
import { holdFolder } from './store/lock.ts'
import { migrate } from './store/migrate.ts'
import { migrations } from './store/migrations/all.ts'
import { probeWrite } from './store/counts.ts'
import { openSqlite } from './store/sqlite.ts'
import { logEvents } from './telemetry/event-log.ts'
import { openMetrics } from './telemetry/metrics.ts'
import { type Check, createReadiness, roomFor, saying } from './telemetry/readiness.ts'
import { tracedProvider } from './telemetry/tracing.ts'

export { openDiskArtifacts }

export interface Workflow {
  readonly coordinator: Coordinator
  readonly pubsub: PubSub
  /** Events from a cursor in the log onwards, without gaps. */
  readonly feed: Feed
  readonly artifacts: ArtifactStore
  readonly waitFor: WaitFor
  /** Stores a photograph. @throws {RefusedError} `asset_refused` */
  readonly takeAsset: TakeAsset
  /** Answers HTTP requests, with or without a port. */
  readonly app: ReturnType<typeof createApp>
  readonly facts: WorkflowFacts
  /** Makes /readyz report `draining`; requests are still answered. */
  drain(): void
  /** Notes this server's URL for other processes that try to open the data folder. */
  listensOn(address: string): void
  /** Starts no more work, gives running work its grace time, and releases all resources. The rest resumes at the next start. */
  close(): Promise<void>
}

/** Shown to the operator at start. */
export interface WorkflowFacts {
  readonly database: string
  readonly ffmpeg: string
  readonly renderers: string
}

export interface WorkflowParts extends OwnParts {
  readonly log: Log
  readonly host?: Host
}

/**
 * Opens the data folder, resumes what was interrupted, and runs until `close()`. It is long because it names every part once,
 * in the order in which they begin.
 * @throws {DatabaseError} `in_use` if another process, which the message names, holds the folder
 * @throws {DatabaseError} `disk_full` if the disk is full
 * @throws {MediaError} `unusable` without a working FFmpeg
 * @throws {ConfigError} if a renderer or provider has the name or a model of another, or a model without a price
 */
export async function openWorkflow(
  config: Config,
  { log, host = systemHost, ...own }: WorkflowParts,
): Promise<Workflow> {
  refuseClashes(own)
  await mkdir(config.dataDir, { recursive: true, mode: ownerFolder })
  const closing: (() => void | Promise<void>)[] = []
  const closed = new AbortController()
  const close = async (): Promise<void> => {
    closed.abort(new Error('The workflow was closed'))
    for (const end of closing.splice(0).toReversed()) await end()
  }
  try {
    const hold = holdFolder(config.dataDir, host)
    closing.push(() => hold.release())
    const database = openSqlite({ path: join(config.dataDir, 'coordinator.db'), host })
    closing.push(() => database.close())
    await migrate(database, migrations)
    if (config.keysRequired) await requireKey(config, () => hasKey({ database, host, log }))
    const artifacts = own.artifacts ?? (await openDiskArtifacts(config.dataDir, host))
    const media = openMedia(config, host)
    closing.push(() => media.close())
    const ffmpeg = await media.describe()
    const local = createLocalRenderer({ media, maxConcurrency: config.localMaxConcurrency })
    const renderers = [local, ...(own.renderers ?? [])]
    const catalogue = await openCatalogue(config, modelsOfOwn({ ...own, renderers }))
    refuseUnpriced(own, catalogue)
    const installation = await openInstallation({ database, host, log })
    const outside = openProviders(config, { catalogue, installation, host })
    closing.push(() => outside.close())
    const providers = [...outside.providers, ...(own.providers ?? []).map(tracedProvider)]

    const room = createDiskRoom({
      reserveBytes: config.minFreeDiskBytes,
      freeBytes: () => freeBytes(config.dataDir),
    })
    // The configured ones until the coordinator knows the limits in force.
    let rendersAtOnce = (): number => renderers.reduce((sum, { maxConcurrency }) => sum + maxConcurrency, 0)
    const studio = createStudio({
      media,
      artifacts,
      database,
      host,
      renderSlots: () => rendersAtOnce(),
    })
    const running = await startCoordinator({
      config,
      database,
      artifacts,
      room,
      studio,
      renderers,
      catalogue,
      installation,
      providers,
      host,
      log,
    })
    closing.push(running.stop)
    rendersAtOnce = running.coordinator.rendersAtOnce
    const { coordinator, pubsub, feed, metrics, prune } = running
    closing.push(() => feed.close())
    const readiness = createReadiness({
      checks: checksOf(config, { database, media, room, artifacts }),
      host,
      log,
    })
    const takeAsset = createTakeAsset({ coordinator, artifacts, studio, room })
    const app = createApp({
      coordinator,
      artifacts,
      takeAsset,
      log,
      hosts: [
        config.host,
        ...config.allowedHosts,
        ...(config.publicBaseUrl ? [new URL(config.publicBaseUrl).hostname] : []),
      ],
      ...(outside.gate && { gate: outside.gate }),
      installation,
      access: { keysRequired: config.keysRequired, ratePerMinute: config.ratePerMinute },
      feed,
      metrics,
      storage: prune,
      readiness,
      host,
    })
    return {
      coordinator,
      pubsub,
      feed,
      artifacts,
      waitFor: createWaitFor({ readJob: coordinator.job, pubsub, closed: closed.signal }),
      takeAsset,
      app,
      facts: {
        database: `SQLite, ${join(config.dataDir, 'coordinator.db')}`,
        ffmpeg: `${ffmpeg.version} (${config.ffmpegPath ?? 'packaged'})`,
        renderers: [...renderers, ...providers]
          .map(({ name, maxConcurrency }) => `${name} (${maxConcurrency} at once)`)
          .join(', '),
      },
      drain: () => readiness.drain(),
      listensOn: (address) => hold.listensOn(address),
      close,
    }
  } catch (error) {
    await close()
    if (isDiskFull(error)) throw noRoom(config.dataDir, error)
    throw error
  }
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** Readiness checks: the database, free disk space, FFmpeg and the artifact store. */
const checksOf = (
  { dataDir }: Config,
  {
    database,
    media,
    room,
    artifacts,
  }: {
    readonly database: Database
    readonly media: Media
    readonly room: DiskRoom
    readonly artifacts: ArtifactStore
  },
): readonly Check[] => [
  {
    name: 'database',
    keptMs: 5000,
    look: saying('The database does not answer', () => database.transaction(probeWrite)),
  },
  {
    name: 'disk',
    keptMs: 1000,
    look: roomFor(room, () => access(dataDir, constants.W_OK)),
  },
  {
    name: 'ffmpeg',
    keptMs: 60_000,
    isSlow: true,
    look: saying('FFmpeg cannot be used', () => media.describe()),
  },
  ...(artifacts.check
    ? [
        {
          name: 'artifacts',
          keptMs: 5000,
          isSlow: true,
          look: saying('The artifact store cannot be used', () =>
            artifacts.check!(AbortSignal.timeout(2000)),
          ),
        },
      ]
    : []),
]

/** Replaces SQLite's message, which is "disk I/O error". */
const noRoom = (dataDir: string, cause: unknown): DatabaseError =>
  new DatabaseError(
    'disk_full',
    `The disk of ${dataDir} is full. Nothing is lost: free some space and start again`,
    { cause },
  )

/** Refuses to start a reachable server without a valid key, since it would refuse every request. */
async function requireKey(
  { host, allowedHosts, publicBaseUrl, dataDir }: Config,
  hasKeys: () => Promise<boolean>,
): Promise<void> {
  if (await hasKeys()) return
  const named = allowedHosts.length === 0 ? '' : `, ALLOWED_HOSTS ${allowedHosts.join(',')}`
  const reached = publicBaseUrl === undefined ? '' : `, reached at ${publicBaseUrl}`
  throw new ConfigError(
    `Requests to this server (HOST ${host}${named}${reached}) need a key, and ${dataDir} has no valid key. ` +
      `Create one with the same DATA_DIR: ${commandLine('keys create --name ops --scopes admin')}. ` +
      'If everyone who can reach the server may spend your money, set REQUIRE_KEYS=false',
  )
}

/** Media with the configured FFmpeg. */
export const openMedia = ({ ffmpegPath }: Pick<Config, 'ffmpegPath'>, host: Host): Media =>
  createMedia({ host, ...(ffmpegPath !== undefined && { ffmpegPath }) })

export interface OpenFolder {
  readonly database: Database
  close(): Promise<void>
}

/**
 * Opens the database of a data folder without a running server, and runs no migrations.
 * @throws {DatabaseError} `in_use` if the server runs; the message names its URL
 */
export async function openFolder(
  { dataDir }: Pick<Config, 'dataDir'>,
  { host = systemHost }: { readonly host?: Host } = {},
): Promise<OpenFolder> {
  const hold = holdFolder(dataDir, host)
  try {
    const database = openSqlite({ path: join(dataDir, 'coordinator.db'), host })
    return {
      database,
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

export interface OpenSecrets {
  readonly keys: KeyVerbs
  readonly installation: Installation
  close(): Promise<void>
}

/**
 * Opens the keys and the secret of a data folder without a running server: a reachable server needs a first key to start.
 * @throws {DatabaseError} `in_use` if the server runs; the message names its URL
 */
export async function openSecrets(
  { dataDir }: Pick<Config, 'dataDir'>,
  { log, host = systemHost }: WorkflowParts,
): Promise<OpenSecrets> {
  await mkdir(dataDir, { recursive: true, mode: ownerFolder })
  const { database, close } = await openFolder({ dataDir }, { host })
  try {
    await migrate(database, migrations)
    const installation = await openInstallation({ database, host, log })
    return { keys: bind({ database, host, log }, keyVerbs), installation, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Outside {
  readonly providers: readonly Provider[]
  /** Serves pictures to a provider and receives its webhooks; undefined if the provider cannot reach this server. */
  readonly gate: ProviderGate | undefined
  close(): Promise<void>
}

function openProviders(
  { replicate: config, publicBaseUrl }: Config,
  parts: { readonly catalogue: Catalogue; readonly installation: Installation; readonly host: Host },
): Outside {
  if (!config) return { providers: [], gate: undefined, close: async () => {} }
  const { catalogue, installation, host } = parts
  const signer = createUrlSigner({
    secrets: () => installation.secrets(),
    now: () => host.now(),
  })
  const outside = (path: string): string => `${publicBaseUrl}${path}`
  const reached = publicBaseUrl !== undefined
  // A provider must not make us reach private networks, even those allowed for webhooks.
  const guarded = createGuardedFetch({ allowed: [] })
  const provider = createReplicate({
    ...config,
    fetchOutside: guarded.fetch,
    catalogue,
    inputUrl: reached
      ? (attemptId, n) => outside(addressOf.input(markOf(installation.id, attemptId), n, signer.sign))
      : undefined,
    webhookUrl: reached ? (attemptId) => outside(addressOf.webhook(attemptId, signer.sign)) : undefined,
    host,
  })
  const gate: ProviderGate = {
    isOurs: signer.verify,
    async isProviders(message) {
      const check = (secrets: readonly string[]) =>
        verifySignature({ ...message, secrets: [...config.webhookSecrets, ...secrets], nowMs: host.now() })
      const verdict = check(await provider.webhookSecrets())
      // The secret may have been rotated since it was fetched.
      if (verdict.ok || (verdict.reason !== 'wrong_signature' && verdict.reason !== 'no_secret'))
        return verdict
      return check(await provider.webhookSecrets({ fresh: true }))
    },
  }
  return {
    providers: [tracedProvider(provider)],
    gate: reached ? gate : undefined,
    close: () => guarded.close(),
  }
}

interface Running {
  readonly config: Config
  readonly database: Database
  readonly artifacts: ArtifactStore
  readonly room: DiskRoom
  readonly studio: Studio
  readonly renderers: readonly Renderer[]
  readonly providers: readonly Provider[]
  readonly catalogue: Catalogue
  readonly installation: Installation
  readonly host: Host
  readonly log: Log
}

const limitsOf = (
  renderers: readonly Renderer[],
  providers: readonly Provider[],
): readonly RendererLimit[] => [
  ...renderers.map(({ name, models, maxConcurrency }) => ({
    name,
    models,
    maxConcurrency,
    startDelayMs: 0,
    task: 'render-scene' as const,
  })),
  ...providers.map(({ name, models, maxConcurrency, startDelayMs }) => ({
    name,
    models,
    maxConcurrency,
    startDelayMs,
    task: 'follow-render' as const,
  })),
]

async function startCoordinator(running: Running) {
  const { config, database, artifacts, room, studio, renderers, providers, catalogue, host, log } = running
  const installationId = running.installation.id
  const pubsub = createPubSub((error, event) => logLine.listenerFailed(log, event.topic, error))
  const engine = createEmbeddedEngine({ database, host, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host,
    log,
    renderers: limitsOf(renderers, providers),
    catalogue,
    budgets: config.budgets,
    webhookNetworks: config.webhookNetworks,
    room,
    installationId,
  })
  handleTasks(engine, {
    coordinator,
    renderers,
    providers,
    artifacts,
    clips: createClips({ artifacts, studio }),
    studio,
    room,
    host,
    markOf: (attemptId) => markOf(installationId, attemptId),
    isNotified: config.publicBaseUrl !== undefined,
    shortClips: config.shortClips,
  })
  const feed = createFeed({ database, onEvent: (wake) => pubsub.subscribe('*', wake), host, log })
  const metrics = await openMetrics({
    coordinator,
    database,
    pubsub,
    feed,
    host,
    version: packageVersion(),
    freeBytes: () => freeBytes(config.dataDir),
  })
  const endEventLog = logEvents(pubsub, log)
  await coordinator.start()
  const reconciling = startReconciling({ coordinator, providers, host, log })
  const prune = startPrune({
    coordinator,
    artifacts,
    limits: config.retention,
    host,
    log,
    freeBytes: () => freeBytes(config.dataDir),
  })
  const webhooks = startWebhooks({
    coordinator: {
      ...coordinator,
      deliveryTried(sending, tried) {
        metrics.webhookTried(tried.error === null ? 'delivered' : 'failed')
        return coordinator.deliveryTried(sending, tried)
      },
    },
    outbound: createGuardedOutbound({ allowed: config.webhookNetworks, host }),
    host,
    log,
    onEvent: (wake) => pubsub.subscribe('*', wake),
  })
  return {
    coordinator,
    pubsub,
    feed,
    metrics,
    prune,
    stop: async () => {
      await coordinator.stop()
      await Promise.all([reconciling.stop(), prune.stop()])
      const grace = { graceMs: config.shutdownGraceMs }
      await Promise.all([webhooks.stop(grace), engine.stop(grace)])
      metrics.stop()
      endEventLog()
    },
  }
}
