/** The verbs: the only code that changes the state of a job. */
import type { Engine } from '../engine/engine.ts'
import type { PubSub } from '../events/pubsub.ts'
import type { Host } from '../host.ts'
import type { Catalogue } from '../job/catalogue.ts'
import { type Log, logLine } from '../log.ts'
import { listInFlight, listUnfetched } from '../store/attempts.ts'
import type { Database } from '../store/database.ts'
import { countActiveJobs, listUnstitched } from '../store/jobs.ts'
import { listTaking } from '../store/scenes.ts'
import { type Accounts, createAccounts } from './accounts.ts'
import type { RendererLimit } from './admission-rules.ts'
import { createAdmission } from './admission.ts'
import { createApproval } from './approval.ts'
import { type AttemptVerbs, createAttemptVerbs, createNews } from './attempt-verbs.ts'
import { type BudgetVerbs, createBudgetVerbs } from './budgets.ts'
import { type JobVerbs, createJobVerbs, offers } from './job-verbs.ts'
import { type Reading, createReading } from './reading.ts'
import { type SceneEditing, createSceneEditing } from './scene-editing.ts'
import { type SceneVerbs, createSceneVerbs } from './scene-verbs.ts'
import { createSettling } from './settling.ts'
import { createStarting } from './starting.ts'
import { createTell } from './tell.ts'
import type { ConfiguredBudgets } from './treasury.ts'

export interface Coordinator
  extends JobVerbs, SceneEditing, BudgetVerbs, Reading, Pick<AttemptVerbs, 'attempt' | 'webhookReceived'> {}

/** The coordinator as those see it who wire the house and do its work. */
export interface RunningCoordinator extends Coordinator, SceneVerbs, AttemptVerbs, Accounts {
  /** Resumes what an earlier process left, then admits scenes. Call it after every task kind has its handler. */
  start(): Promise<void>
  /** Admits no more scenes. */
  stop(): Promise<void>
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
  const tell = createTell(options)
  const starting = createStarting({ ...options, tell })
  const admission = createAdmission({ ...options, budgets, starting, tell })
  const { admitSoon } = admission
  const news = createNews()
  const settling = createSettling({ ...options, tell, maxTries, retryDelayMs })
  const { rendererOf, taskOf } = offers(options.renderers)
  // A model that nobody here renders is not offered.
  const offered = [...options.catalogue.models].filter(([name]) => rendererOf.has(name))
  const catalogue: Catalogue = { ...options.catalogue, models: new Map(offered) }
  const shared = { ...options, catalogue, budgets, installationId, tell, starting, settling, news, admitSoon }
  const attempts = createAttemptVerbs(shared)
  const approval = createApproval(shared)
  const subscriptions: (() => void)[] = []

  /** Each step is idempotent: a task that is already there is not added twice. */
  const recover = async (): Promise<void> => {
    const { approved, processing } = await countActiveJobs(database)
    logLine.recovering(log, { approved, processing })
    const resumed = await database.transaction(async (tx) => {
      const renders = new Map<string, { readonly renderer: string; readonly jobId: number }>()
      // Of a held one only a person knows more.
      for (const { id, status, renderer, jobId } of await listInFlight(tx))
        if (status !== 'held') renders.set(id, { renderer, jobId })
      for (const { id, renderer, jobId } of await listUnfetched(tx)) renders.set(id, { renderer, jobId })
      for (const { id, jobId } of await listTaking(tx))
        await engine.enqueue(tx, { kind: 'take-clip', subject: id, jobId })
      for (const [subject, { renderer, jobId }] of renders)
        await engine.enqueue(tx, { kind: taskOf.get(renderer) ?? 'follow-render', subject, jobId })
      const unstitched = await listUnstitched(tx)
      for (const jobId of unstitched)
        await engine.enqueue(tx, { kind: 'stitch-film', subject: String(jobId), jobId })
      await approval.repriceActive(tx)
      return { renders: renders.size, films: unstitched.length }
    })
    if (resumed.renders > 0 || resumed.films > 0) logLine.resuming(log, resumed)
  }

  return {
    ...createJobVerbs(shared),
    approveJob: approval.approveJob,
    ...createSceneEditing({ ...shared, attempts }),
    ...createSceneVerbs(shared),
    ...createBudgetVerbs(shared),
    ...createAccounts(shared),
    ...createReading(shared),
    ...attempts,

    async start() {
      logLine.starting(log)
      await recover()
      await engine.start()
      for (const topic of admittingTopics) subscriptions.push(pubsub.subscribe(topic, admitSoon))
      admitSoon()
    },
    async stop() {
      for (const end of subscriptions.splice(0)) end()
      await admission.stop()
    },
  }
}
