/** The verbs' dependencies: one value, created by `coordinator.ts` and passed to each verb as its first argument. */
import type { DiskRoom } from '../disk-full.ts'
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import type { Catalogue } from '../job/catalogue.ts'
import type { Network } from '../job/web-address.ts'
import type { Log } from '../log.ts'
import type { Nodes } from '../nodes/nodes.ts'
import type { Database } from '../store/database.ts'
import type { Emit } from '../events/emit.ts'
import type { RendererLimit } from './admission/rules.ts'
import type { Progress } from '../job/progress.ts'
import type { OpenJobsQuota } from './job/open-jobs.ts'
import type { Signal } from '../events/signal.ts'
import type { ConfiguredBudgets } from './admission/budget-snapshot.ts'

export interface Context {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  /** Appends an event in the transaction of its change; subscribers get it after the commit. */
  readonly emit: Emit
  /** Wake-ups by name, on all nodes: an attempt's id, or `deliveries`. The rows stay the truth. */
  readonly signal: Signal
  /** Accounts at providers that the log has already warned of. */
  readonly warnedAccounts: Set<string>
  /** The models that a configured renderer offers. */
  readonly catalogue: Catalogue
  readonly renderers: readonly RendererLimit[]
  /** The name of the renderer of each model. */
  readonly rendererOf: ReadonlyMap<string, string>
  /** The configured limits, by renderer. */
  readonly limitOf: ReadonlyMap<string, RendererLimit>
  readonly budgets: ConfiguredBudgets
  readonly room: DiskRoom
  readonly openJobs: OpenJobsQuota
  /** The last progress of each job that this process wrote, as far as it remembers: what a guarded update expects. */
  readonly knownProgress: Map<number, Progress>
  /** Private networks that webhooks may be sent to. */
  readonly webhookNetworks: readonly Network[]
  /** Marks our renders at a provider: 12 hex digits. */
  readonly installationId: string
  /** Tries of a scene in total. */
  readonly maxTries: number
  readonly nodes: Nodes
  /** Wakes admission: something has changed that may let a scene start. */
  readonly wakeAdmission: () => void
  /** Wakes the scheduler: a job's times have changed. */
  readonly wakeScheduler: () => void
}
