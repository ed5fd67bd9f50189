/** The verbs: the only code that changes the state of a job. */
import { type DiskRoom, endlessRoom } from '../disk-full.ts'
import type { Engine } from '../engine/engine.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { Catalogue } from '../job/catalogue.ts'
import type { Network } from '../job/web-address.ts'
import { type Log, logLine } from '../log.ts'
import { listInFlight, listUnfetched } from '../store/attempts.ts'
import type { Database } from '../store/database.ts'
import { countActiveJobs, listUnstitched } from '../store/jobs.ts'
import { releaseOutages } from '../store/money.ts'
import { listTaking } from '../store/scenes.ts'
import { listScenesAhead } from '../store/timings.ts'
import { type Accounts, createAccounts } from './accounts.ts'
import type { RendererLimit } from './admission-rules.ts'
import { createAdmission } from './admission.ts'
import { createApproval } from './approval.ts'
import { type AttemptVerbs, createAttemptVerbs } from './attempt-verbs.ts'
import { type BudgetVerbs, createBudgetVerbs } from './budgets.ts'
import { type Dependents, createDependents } from './dependents.ts'
import { createClockWatch } from './clock.ts'
import { type EndedJobVerbs, createEndedJobs } from './ended-jobs.ts'
import { createEnding } from './ending.ts'
import { type EtaVerbs, createEta } from './eta.ts'
import { type Idempotent, createIdempotent } from './idempotent.ts'
import { type DeliveryVerbs, createDeliveryVerbs } from './delivery-verbs.ts'
import { type JobVerbs, createJobVerbs, offers } from './job-verbs.ts'
import { type KeyVerbs, createKeyVerbs } from './key-verbs.ts'
import { type LimitVerbs, createLimitVerbs } from './limits.ts'
import { createNews } from './news.ts'
import { type Reading, createReading } from './reading.ts'
import { type ReviewVerbs, createReview } from './review.ts'
import { type RetentionVerbs, createRetention, refusingWithoutFiles } from './retention.ts'
import { type SceneEditing, createSceneEditing } from './scene-editing.ts'
import { type SceneVerbs, createSceneVerbs } from './scene-verbs.ts'
import { createSettling } from './settling.ts'
import { createStarting } from './starting.ts'
import { createTell } from './tell.ts'
import { createTimetable } from './timetable.ts'
import type { ConfiguredBudgets } from './treasury.ts'
import { type WebhookVerbs, createWebhookVerbs } from './webhook-verbs.ts'

export interface Coordinator
  extends
    JobVerbs,
    ReviewVerbs,
    EndedJobVerbs,
    SceneEditing,
    BudgetVerbs,
    LimitVerbs,
    KeyVerbs,
    Idempotent,
    Reading,
    WebhookVerbs,
    EtaVerbs,
    Pick<RetentionVerbs, 'refuseRemoved'>,
    Pick<AttemptVerbs, 'attempt' | 'webhookReceived' | 'picturesFetched'> {}

/** The coordinator as those see it who wire the house and do its work. */
export interface RunningCoordinator
  extends Coordinator, SceneVerbs, AttemptVerbs, Dependents, Accounts, DeliveryVerbs, RetentionVerbs {
  /** Resumes what an earlier process left, then admits scenes. Call it after every task kind has its handler. */
  start(): Promise<void>
  /** Admits no more scenes. */
  stop(): Promise<void>
  /** How many renders may run on this machine at once, by the limits in force. */
  rendersAtOnce(): number
}

export interface CoordinatorOptions {
  readonly database: Database
  readonly engine: Engine
  readonly pubsub: PubSub
  readonly host: Host
  readonly log: Log
  readonly renderers: readonly RendererLimit[]
  readonly catalogue: Catalogue
  readonly budgets?: ConfiguredBudgets
  /** Asked before jobs are made and scenes are started; left out where no reserve is kept. */
  readonly room?: DiskRoom
  /** Networks that are not of the public internet, and may be sent to all the same. */
  readonly webhookNetworks?: readonly Network[]
  /** Who we are in a provider's records: 12 hex digits. */
  readonly installationId?: string
  /** How often a scene may be tried in all. */
  readonly maxTries?: number
  /** The wait before a scene's second try; it doubles with each. */
  readonly retryDelayMs?: number
}

/** What may let another scene start: a job that may spend, a slot that came free. */
const admittingTopics = ['jobs:approved', 'scenes:completed', 'scenes:failed', 'scenes:retrying'] as const

export function createCoordinator(options: CoordinatorOptions): RunningCoordinator {
  const { database, engine, log, pubsub } = options
  const { budgets = {}, installationId = '000000000000', maxTries = 3, retryDelayMs = 2000 } = options
  const { webhookNetworks = [], room = endlessRoom } = options
  const tell = refusingWithoutFiles(createTell(options))
  const admitSoon = (): void => admission.admitSoon()
  const news = createNews()
  const { rendererOf, taskOf } = offers(options.renderers)
  const ending = createEnding({ ...options, tell, news, taskOf, admitSoon })
  const settling = createSettling({ ...options, tell, ending, maxTries, retryDelayMs })
  const starting = createStarting({ ...options, tell, settling, admitSoon })
  const limits = new Map(options.renderers.map((limit) => [limit.name, limit]))
  const onLimit = (limit: RendererLimit): void => {
    const before = limits.get(limit.name)
    limits.set(limit.name, limit)
    if (before && before.maxConcurrency < limit.maxConcurrency) engine.wake()
  }
  const admission = createAdmission({ ...options, budgets, starting, tell, onLimit, room })
  const timetable = createTimetable({ ...options, starting, ending })
  const { lookSoon } = timetable
  // A model that nobody here renders is not offered.
  const offered = [...options.catalogue.models].filter(([name]) => rendererOf.has(name))
  const catalogue: Catalogue = { ...options.catalogue, models: new Map(offered) }
  const shared = {
    ...options,
    catalogue,
    budgets,
    installationId,
    webhookNetworks,
    room,
    tell,
    starting,
    settling,
    ending,
    news,
    admitSoon,
    lookSoon,
  }
  const attempts = createAttemptVerbs(shared)
  const { deliverSoon, ...deliveries } = createDeliveryVerbs(options)
  const approval = createApproval(shared)
  const reading = createReading(shared)
  const subscriptions: (() => void)[] = []
  const onPutBack = (): void => {
    engine.wake()
    admitSoon()
    lookSoon()
    deliverSoon()
  }
  const clock = createClockWatch({ ...options, onPutBack })

  /** Each step is idempotent: a task that is already there is not added twice. */
  const recover = async (): Promise<void> => {
    const { approved, processing } = await countActiveJobs(database)
    logLine.recovering(log, { approved, processing })
    const resumed = await database.transaction(async (tx) => {
      const renders = new Map<string, { readonly renderer: string; readonly jobId: number }>()
      // Of a held one only a person knows more.
      for (const { id, status, hintedId, renderer, jobId } of await listInFlight(tx))
        if (status !== 'held' || hintedId !== null) renders.set(id, { renderer, jobId })
      for (const { id, renderer, jobId } of await listUnfetched(tx)) renders.set(id, { renderer, jobId })
      for (const { id, jobId } of await listTaking(tx))
        await engine.enqueue(tx, { kind: 'take-clip', subject: id, jobId })
      for (const [subject, { renderer, jobId }] of renders)
        await engine.enqueue(tx, { kind: taskOf.get(renderer) ?? 'follow-render', subject, jobId })
      const unstitched = await listUnstitched(tx)
      for (const jobId of unstitched)
        await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
      await approval.repriceActive(tx)
      // Somebody may have put it right.
      await releaseOutages(tx)
      return { renders: renders.size, films: unstitched.length }
    })
    if (resumed.renders > 0 || resumed.films > 0) logLine.resuming(log, resumed)
  }

  return {
    ...createJobVerbs(shared),
    approveJob: approval.approveJob,
    retryJob: approval.retryJob,
    ...createReview(shared),
    ...createEndedJobs(shared),
    ...createLimitVerbs(shared),
    ...createDependents(shared),
    ...createSceneEditing({ ...shared, attempts }),
    ...createSceneVerbs(shared),
    ...createBudgetVerbs(shared),
    ...createKeyVerbs(shared),
    ...createIdempotent(shared),
    ...createAccounts(shared),
    ...createRetention(shared),
    ...createWebhookVerbs({ ...shared, deliverSoon }),
    ...deliveries,
    ...reading,
    ...createEta({
      ...options,
      ahead: listScenesAhead,
      waits: async (jobId) => (await reading.waiting(jobId)).scenes,
    }),
    ...attempts,

    rendersAtOnce: () =>
      [...limits.values()]
        .filter(({ task }) => task === 'render-scene')
        .reduce((sum, { maxConcurrency }) => sum + maxConcurrency, 0),

    async start() {
      logLine.starting(log)
      await clock.start()
      await recover()
      await engine.start()
      for (const topic of admittingTopics) subscriptions.push(pubsub.subscribe(topic, admitSoon))
      admitSoon()
      timetable.start()
    },
    async stop() {
      await clock.stop()
      await timetable.stop()
      for (const end of subscriptions.splice(0)) end()
      await admission.stop()
    },
  }
}
