/** The verbs, bound to one context: the only code that changes the state of a job. */
import { type DiskRoom, endlessRoom } from '../disk-full.ts'
import type { Engine } from '../engine/engine.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { Catalogue } from '../job/catalogue.ts'
import { loadOf, runsTasks } from '../job/node.ts'
import type { Network } from '../job/web-address.ts'
import { type Log, logLine } from '../log.ts'
import { type OwnNode, type RunningNodes, createOneNode } from '../nodes/nodes.ts'
import { packageVersion } from '../package-version.ts'
import type { Database } from '../store/database.ts'
import { createEmit } from '../events/emit.ts'
import { accountFor, accountIs, isUnwanted, marksAt } from './attempt/reconcile.ts'
import type { RendererLimit } from './admission/rules.ts'
import { createAdmission } from './admission/admission.ts'
import { approveJob } from './job/approve-job.ts'
import { retryJob } from './job/retry-job.ts'
import { beginOrder, beginPost, getAttempt, onSignal, picturesFetched } from './attempt/order.ts'
import { canRead, cannotRead, renderHeld, renderStillUnknown, renderUnknown } from './attempt/unknown.ts'
import { clipFetched, clipKept, clipLost, takeFailed } from './attempt/clip.ts'
import { hintRefused, knownRenders, renderAccepted, webhookReceived } from './attempt/accept.ts'
import { renderEnded, renderRefused } from './attempt/end.ts'
import { type Bound, bind } from '../bind.ts'
import { getBudgets, setBudgets } from './admission/budgets.ts'
import { createClockWatch } from './clock.ts'
import type { Context } from './context.ts'
import { deliveryVerbs } from '../webhooks/deliveries.ts'
import { settleDependents } from './job/dependents.ts'
import { deleteJob, showFilm } from './job/ended-jobs.ts'
import { shareFilm } from './job/share-film.ts'
import { estimateEta } from './read/eta.ts'
import { createIdempotent } from '../access/idempotency.ts'
import { addAsset, letClientSee } from './job/assets.ts'
import { cancelJob } from './job/cancel-job.ts'
import { completeJob, failJob, updateProgress } from './job/report-job.ts'
import { createJob, estimateJob } from './job/create-job.ts'
import { pauseJob, resumeJob } from './job/pause-job.ts'
import { updateJob } from './job/update-job.ts'
import { keyVerbs } from '../access/keys.ts'
import { getLimits, pauseRendering, resumeRendering, setLimits } from './admission/limits.ts'
import { createOpenJobsQuota } from './job/open-jobs.ts'
import { getAsset, getFilm, getFilmVersion, getFilms, getPaidClip } from './read/films.ts'
import {
  getCosts,
  getDependencies,
  getEta,
  getJob,
  getJobView,
  getJobWithEta,
  getOwner,
  getResult,
  getScene,
  getSceneView,
  getScenes,
  getWaiting,
} from './read/job-view.ts'
import { getAttention } from './read/attention.ts'
import { getChanges } from './read/changes.ts'
import { getLedger, getLedgerTotals, getSpend } from './read/ledger.ts'
import { getActiveJobs, getRunningTasks, searchJobs } from './read/lists.ts'
import { getModels } from './read/models.ts'
import { getNodes } from './read/nodes.ts'
import { getQueue } from './read/queue.ts'
import { getStatistics } from './read/statistics.ts'
import { recover } from './recover.ts'
import { refuseRemoved, retentionVerbs } from '../retention/retention.ts'
import { rejectJob, submitJob } from './job/review.ts'
import { addScene } from './scene/add-scene.ts'
import { deleteScene } from './scene/delete-scene.ts'
import { regenerateScene } from './scene/regenerate-scene.ts'
import { resolveScene } from './scene/resolve-scene.ts'
import { updateScene } from './scene/update-scene.ts'
import {
  beginAttempt,
  beginTaking,
  clipFitted,
  clipGivenUp,
  clipPutOff,
  clipTaken,
  clipUnusable,
  sceneFailed,
  sceneProgressed,
  sceneRendered,
} from './scene/scene-verbs.ts'
import { type Signal, createSignal } from '../events/signal.ts'
import { createScheduler } from './admission/scheduler.ts'
import type { ConfiguredBudgets } from './admission/budget-snapshot.ts'
import { endpointVerbs } from '../webhooks/endpoints.ts'

/** The verbs of the library and the HTTP API. */
const verbs = {
  createJob,
  estimateJob,
  approveJob,
  retryJob,
  cancelJob,
  updateJob,
  pauseJob,
  resumeJob,
  updateProgress,
  completeJob,
  failJob,
  rejectJob,
  submitJob,
  showFilm,
  shareFilm,
  deleteJob,
  addAsset,
  letClientSee,

  addScene,
  updateScene,
  regenerateScene,
  deleteScene,
  resolveScene,

  job: getJob,
  owner: getOwner,
  jobs: searchJobs,
  attention: getAttention,
  /** Commits of the database; undefined where others write to it, too. */
  commits: ({ database }: Context) => database.commits?.(),
  scenes: getScenes,
  scene: getScene,
  view: getJobView,
  viewWithEta: getJobWithEta,
  sceneView: getSceneView,
  costs: getCosts,
  waiting: getWaiting,
  dependencies: getDependencies,
  eta: getEta,
  estimateEta,
  ledger: getLedger,
  ledgerTotals: getLedgerTotals,
  spend: getSpend,
  films: getFilms,
  filmVersion: getFilmVersion,
  film: getFilm,
  result: getResult,
  paidClip: getPaidClip,
  asset: getAsset,
  activeJobs: getActiveJobs,
  nodes: getNodes,
  statistics: getStatistics,
  queue: getQueue,
  changes: getChanges,
  models: getModels,
  processingTasks: getRunningTasks,

  budgets: getBudgets,
  setBudgets,
  limits: getLimits,
  setLimits,
  pause: pauseRendering,
  resume: resumeRendering,

  ...keyVerbs,
  ...endpointVerbs,

  refuseRemoved,
  attempt: getAttempt,
  webhookReceived,
  picturesFetched,
}

/** The reports of the pipeline and of the background loops. */
const reports = {
  beginAttempt,
  sceneProgressed,
  sceneRendered,
  sceneFailed,
  beginTaking,
  clipTaken,
  clipUnusable,
  clipPutOff,
  clipGivenUp,
  clipFitted,

  beginOrder,
  beginPost,
  knownRenders,
  renderAccepted,
  renderRefused,
  renderUnknown,
  renderStillUnknown,
  renderHeld,
  hintRefused,
  renderEnded,
  cannotRead,
  canRead,
  clipFetched,
  clipKept,
  takeFailed,
  clipLost,
  onSignal,

  settleDependents,

  accountIs,
  marksAt,
  accountFor,
  isUnwanted,

  ...deliveryVerbs,
  ...retentionVerbs,
}

export type Coordinator = Bound<typeof verbs> & ReturnType<typeof createIdempotent>

/** The coordinator as the wiring and the pipeline see it. */
export interface RunningCoordinator extends Coordinator, Bound<typeof reports> {
  /** Resumes interrupted work, then admits scenes. Call it after every task kind has its handler. */
  start(): Promise<void>
  /** Admits no more scenes, and tells the other nodes that this one stops. */
  drain(): Promise<void>
  /** Admits no more scenes. */
  stop(): Promise<void>
  /** Renders that may run on this machine at once, by the limits in force. */
  rendersAtOnce(): number
}

export interface CoordinatorOptions {
  readonly database: Database
  readonly engine: Engine
  readonly pubsub: PubSub
  /** Default: wakes this process alone. */
  readonly signal?: Signal
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly catalogue: Catalogue
  readonly budgets?: ConfiguredBudgets
  /** Checked before jobs are created and scenes started. Default: no reserve. */
  readonly room?: DiskRoom
  /** Private networks that webhooks may be sent to. */
  readonly webhookNetworks?: readonly Network[]
  /** Marks our renders at a provider: 12 hex digits. */
  readonly installationId?: string
  /** Tries of a scene in total. */
  readonly maxTries?: number
  /** Default: this process alone. */
  readonly nodes?: RunningNodes
  /** Called at each heartbeat of this node. */
  readonly onBeat?: () => Promise<void>
}

/** The only node, which does everything. */
const someNode = (renderers: readonly RendererLimit[]): OwnNode => ({
  name: 'this',
  role: 'all',
  version: packageVersion(),
  slots: Object.fromEntries(
    renderers
      .filter(({ task }) => task === 'render-scene')
      .map(({ name, maxConcurrency }) => [name, maxConcurrency]),
  ),
  settings: {},
})

/** Events after which another scene may start: an approval, or a free slot. */
const admittingTopics = ['jobs:approved', 'scenes:completed', 'scenes:failed', 'scenes:retrying'] as const

export function createCoordinator(options: CoordinatorOptions): RunningCoordinator {
  const { database, engine, host, log, pubsub, renderers, signal = createSignal() } = options
  const nodes = options.nodes ?? createOneNode(someNode(renderers), host)
  const works = runsTasks(nodes.own.role)
  const rendererOf = new Map(renderers.flatMap(({ name, models }) => models.map((model) => [model, name])))
  // A model without a configured renderer is not offered.
  const offered = [...options.catalogue.models].filter(([name]) => rendererOf.has(name))
  const context: Context = {
    database,
    engine,
    host,
    log,
    renderers,
    rendererOf,
    limitOf: new Map(renderers.map((limit) => [limit.name, limit])),
    catalogue: { ...options.catalogue, models: new Map(offered) },
    budgets: options.budgets ?? {},
    room: options.room ?? endlessRoom,
    webhookNetworks: options.webhookNetworks ?? [],
    installationId: options.installationId ?? '000000000000',
    maxTries: options.maxTries ?? 3,
    openJobs: createOpenJobsQuota(),
    knownProgress: new Map(),
    warnedAccounts: new Set(),
    signal,
    emit: createEmit({ pubsub, host }),
    nodes,
    wakeAdmission: () => signal.notify('admission'),
    wakeScheduler: () => signal.notify('scheduler'),
  }
  const admission = createAdmission(context)
  const scheduler = createScheduler(context)
  const clock = createClockWatch({
    database,
    host,
    log,
    onPutBack() {
      engine.wake()
      admission.wake()
      scheduler.wake()
      context.signal.notify('deliveries')
    },
  })
  const subscriptions: (() => void)[] = []

  return {
    ...bind(context, verbs),
    ...bind(context, reports),
    ...createIdempotent(context),

    rendersAtOnce: () => {
      const here = renderers.reduce((sum, { name }) => sum + (nodes.own.slots[name] ?? 0), 0)
      // Alone, this process renders as many as are allowed, also where that is more than was configured.
      return nodes.areShared ? Math.min(here, admission.rendersAtOnce()) : admission.rendersAtOnce()
    },

    async start() {
      logLine.starting(log)
      await nodes.start({
        load: () => loadOf(engine.running()),
        onSlots: context.wakeAdmission,
        ...(options.onBeat && { onBeat: options.onBeat }),
      })
      // Directly after the commit; the other nodes are woken by the signal.
      for (const topic of admittingTopics)
        subscriptions.push(pubsub.subscribeOwn(topic, context.wakeAdmission))
      if (!works) return
      await clock.correct()
      await recover(context)
      engine.lead('clock', clock.run)
      engine.lead('scheduler', scheduler.run)
      await engine.start()
      subscriptions.push(signal.on('admission', admission.wake), signal.on('scheduler', scheduler.wake))
      admission.wake()
    },
    async drain() {
      nodes.drain()
      for (const end of subscriptions.splice(0)) end()
      await admission.stop()
    },
    async stop() {
      for (const end of subscriptions.splice(0)) end()
      await admission.stop()
    },
  }
}
