/** The only place that picks adapters: builds a running workflow from a configuration. */
import type { ArtifactStore } from './artifact/artifact.ts'
import { openDiskArtifacts } from './artifact/disk.ts'
import type { Config } from './config.ts'
import { markOf } from './coordinator/attempt/reconcile.ts'
import type { RendererLimit } from './coordinator/admission/rules.ts'
import { type Coordinator, createCoordinator } from './coordinator/coordinator.ts'
import { type Installation, openInstallation } from './coordinator/attempt/installation.ts'
import { type WaitFor, createWaitFor } from './coordinator/read/wait-for.ts'
import { hasKey } from './access/keys.ts'
import { type DiskRoom, createDiskRoom, isDiskFull } from './disk-full.ts'
import { outsideFence } from './engine/fence.ts'
import type { Feed } from './events/feed.ts'
import type { PubSub } from './events/pubsub.ts'
import { type Host, systemHost } from './host.ts'
import { createApp } from './http/app.ts'
import { packageVersion } from './package-version.ts'
import type { Catalogue } from './job/catalogue.ts'
import type { Log } from './log.ts'
import { answersRequests } from './job/node.ts'
import { openCatalogue } from './models-file.ts'
import { type OwnParts, modelsOfOwn, refuseClashes, refuseUnpriced } from './own-parts.ts'
import type { Media } from './media/media.ts'
import { createMedia } from './media/pool.ts'
import type { Nodes, OwnNode, RunningNodes } from './nodes/nodes.ts'
import { createGuardedOutbound } from './outbound/guarded.ts'
import { createClips } from './pipeline/clips.ts'
import { runWebhooks } from './webhooks/sender.ts'
import { createPrune } from './retention/prune.ts'
import { leadReconciling } from './pipeline/follow/reconcile.ts'
import { createPreviews } from './pipeline/preview.ts'
import { handleTasks } from './pipeline/tasks.ts'
import { type Studio, createStudio } from './pipeline/studio.ts'
import { type TakeAsset, createTakeAsset } from './pipeline/take-asset.ts'
import { createLocalRenderer } from './renderer/local.ts'
import type { Provider } from './renderer/provider.ts'
import type { Renderer } from './renderer/renderer.ts'
import { logEvents } from './telemetry/event-log.ts'
import { openMetrics } from './telemetry/metrics.ts'
import { createReadiness } from './telemetry/readiness.ts'
import { tracedProvider } from './telemetry/tracing.ts'
import { checksOf, freeBytes, noRoom, requireKey, requireSameStore } from './wire/checks.ts'
import { createAddresses } from './wire/addresses.ts'
import { openProviders } from './wire/providers.ts'
import { type Events, openStorage, type Storage } from './wire/storage.ts'

export { openDiskArtifacts }
export { openFolder, type OpenSecrets, openSecrets } from './wire/folder.ts'

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
  /** The given log; with this node's name and id where there are several. */
  readonly log: Log
  /** Makes /readyz report `draining`; requests are still answered. Where there are several nodes, this one begins no more tasks. */
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
  { log: given, host: machine = systemHost, ...own }: WorkflowParts,
): Promise<Workflow> {
  refuseClashes(own)
  const closing: (() => void | Promise<void>)[] = []
  const closed = new AbortController()
  const close = async (): Promise<void> => {
    closed.abort(new Error('The workflow was closed'))
    for (const end of closing.splice(0).toReversed()) await end()
  }
  try {
    const storage = await openStorage(config, { host: machine, log: given })
    closing.push(() => storage.close())
    const { database, host } = storage
    await storage.migrate()
    if (config.keysRequired) await requireKey(config, () => hasKey({ database, host, log: given }))
    const artifacts = own.artifacts ?? (await openOwnArtifacts(storage, closing))
    if (config.artifacts && !own.artifacts) await requireSameStore(database, artifacts, host)
    const media = openMedia(config, host)
    closing.push(() => media.close())
    const ffmpeg = await media.describe()
    const local = createLocalRenderer({ media, maxConcurrency: config.localMaxConcurrency })
    const renderers = [local, ...(own.renderers ?? [])]
    const catalogue = await openCatalogue(config, modelsOfOwn({ ...own, renderers }))
    refuseUnpriced(own, catalogue)
    const nodes = storage.createNodes(ownNode(config, renderers, catalogue), given)
    const { areShared } = nodes
    const log = areShared ? given.child({ node: config.nodeName, node_id: nodes.id }) : given
    const installation = await openInstallation({ database, host, log })
    const addresses = createAddresses(config, { installation, host, areShared })
    const outside = openProviders(config, { catalogue, installation, addresses, host })
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
    const events = await storage.openEvents({ node: nodes.id, log })
    closing.push(() => events.close())
    const running = await startCoordinator({
      config,
      storage,
      nodes,
      events,
      artifacts,
      room,
      studio,
      renderers,
      catalogue,
      installation,
      providers,
      log,
    })
    closing.push(running.stop)
    rendersAtOnce = running.coordinator.rendersAtOnce
    const { pubsub, feed } = events
    const { coordinator, metrics, prune } = running
    closing.push(() => feed.close())
    const readiness = createReadiness({
      checks: checksOf(config, { database, media, room, artifacts }),
      host,
      log,
    })
    const takeAsset = createTakeAsset({ coordinator, artifacts, studio, room })
    const previews = createPreviews({ coordinator, artifacts, studio, renderer: local })
    closing.push(previews.stop)
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
      addresses,
      access: {
        keysRequired: config.keysRequired,
        ratePerMinute: config.ratePerMinute,
        sharedBy: () => nodes.countAnswering(),
      },
      onlyOperations: !answersRequests(config.role),
      feed,
      metrics,
      storage: prune,
      previews,
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
        database: storage.description,
        ffmpeg: `${ffmpeg.version} (${config.ffmpegPath ?? 'packaged'})`,
        renderers: [...renderers, ...providers]
          .map(({ name, maxConcurrency }) => `${name} (${maxConcurrency} at once)`)
          .join(', '),
      },
      log,
      drain() {
        readiness.drain()
        running.drain()
      },
      listensOn(address) {
        storage.listensOn(address)
        nodes.listensOn(address)
      },
      close,
    }
  } catch (error) {
    await close()
    if (isDiskFull(error)) throw noRoom(config.dataDir, error)
    throw error
  }
}

async function openOwnArtifacts(
  storage: Storage,
  closing: (() => void | Promise<void>)[],
): Promise<ArtifactStore> {
  const artifacts = await storage.openArtifacts()
  closing.push(() => artifacts.close?.())
  return artifacts
}

/** Media with the configured FFmpeg. */
export const openMedia = ({ ffmpegPath }: Pick<Config, 'ffmpegPath'>, host: Host): Media =>
  createMedia({ host, ...(ffmpegPath !== undefined && { ffmpegPath }) })

const ownNode = (config: Config, renderers: readonly Renderer[], { version }: Catalogue): OwnNode => ({
  name: config.nodeName,
  role: config.role,
  version: packageVersion(),
  slots: Object.fromEntries(renderers.map(({ name, maxConcurrency }) => [name, maxConcurrency])),
  settings: sharedSettings(config, version),
})

/** Without the token and the secrets. */
function sharedSettings(config: Config, prices: string): OwnNode['settings'] {
  const { artifacts, budgets, replicate, retention } = config
  const { job, client, day, total } = budgets
  const provider = replicate && [
    new URL(replicate.baseUrl).host,
    replicate.maxConcurrency,
    replicate.startDelayMs,
  ]
  // Machines may mount the same folder at different places.
  const files = artifacts?.kind === 's3' ? `s3://${artifacts.bucket}/${artifacts.prefix}` : 'file:'
  return {
    ARTIFACTS_URL: files,
    'BUDGET_*': JSON.stringify([job, client, day, total]),
    'REPLICATE_*': JSON.stringify(provider ?? null),
    MODELS_FILE: prices,
    'RETAIN_*, MAX_STORED_GB': JSON.stringify(retention),
  }
}

interface Running {
  readonly config: Config
  readonly storage: Storage
  readonly nodes: RunningNodes
  readonly events: Events
  readonly artifacts: ArtifactStore
  readonly room: DiskRoom
  readonly studio: Studio
  readonly renderers: readonly Renderer[]
  readonly providers: readonly Provider[]
  readonly catalogue: Catalogue
  readonly installation: Installation
  readonly log: Log
}

const limitsOf = (
  renderers: readonly Renderer[],
  providers: readonly Provider[],
  nodes: Nodes,
): readonly RendererLimit[] => [
  ...renderers.map(({ name, models }) => ({
    name,
    models,
    // Of all nodes together, which come and go.
    get maxConcurrency() {
      return nodes.slotsOf(name)
    },
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
  const { config, storage, nodes, artifacts, room, studio, renderers, providers, catalogue, log } = running
  const { signal, pubsub, feed } = running.events
  const { database, host } = storage
  const installationId = running.installation.id
  const engine = await storage.openEngine({ signal, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    signal,
    host,
    log,
    renderers: limitsOf(renderers, providers, nodes),
    nodes,
    onBeat: async () => {
      await Promise.all([storage.clock?.measure(), running.installation.refresh()])
    },
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
  leadReconciling({ coordinator, providers, host, log, lead: engine.lead })
  const prune = createPrune({
    coordinator,
    artifacts,
    limits: config.retention,
    host,
    log,
    freeBytes: () => freeBytes(config.dataDir),
    lead: engine.lead,
  })
  engine.lead('webhooks', (ended) =>
    runWebhooks(
      {
        coordinator: {
          ...coordinator,
          deliveryTried(sending, tried) {
            metrics.webhookTried(tried.error === null ? 'delivered' : 'failed')
            // Its token is the delivery's lease: a node that has lost the lead records what it has sent.
            return outsideFence(() => coordinator.deliveryTried(sending, tried))
          },
          deliveryCutOff: (sending) => outsideFence(() => coordinator.deliveryCutOff(sending)),
        },
        outbound: createGuardedOutbound({ allowed: config.webhookNetworks, host }),
        host,
        log,
        onEvent: (wake) => pubsub.subscribe('*', wake),
        graceMs: config.shutdownGraceMs,
      },
      ended,
    ),
  )
  await coordinator.start()
  let stopped: Promise<void> | undefined
  return {
    coordinator,
    metrics,
    prune,
    drain() {
      nodes.drain()
      if (!nodes.areShared) return
      // Others do the rest; what runs here ends, or is handed over at the end of the grace time.
      stopped ??= coordinator
        .drain()
        .then(() => engine.stop({ graceMs: config.drainMs + config.shutdownGraceMs }))
    },
    stop: async () => {
      await coordinator.stop()
      await prune.stop()
      await (stopped ?? engine.stop({ graceMs: config.shutdownGraceMs }))
      await nodes.stop()
      metrics.stop()
      endEventLog()
    },
  }
}
