/** What the verbs work with: one value, made once by `coordinator.ts`, and handed to each verb as its first argument. */
import type { DiskRoom } from '../disk-full.ts'
import type { Engine } from '../engine/engine.ts'
import type { Host } from '../host.ts'
import type { Catalogue } from '../job/catalogue.ts'
import type { Network } from '../job/web-address.ts'
import type { Log } from '../log.ts'
import type { Database } from '../store/database.ts'
import type { Emit } from '../events/emit.ts'
import type { RendererLimit } from './admission/rules.ts'
import type { KnownProgress } from './job/advance.ts'
import type { OpenJobsQuota } from './job/open-jobs.ts'
import type { Signal } from '../events/signal.ts'
import type { ConfiguredBudgets } from './admission/budget-snapshot.ts'

export interface Context {
  readonly database: Database
  readonly engine: Engine
  readonly host: Host
  readonly log: Log
  /** Appends an event in the transaction that changes what it tells of; subscribers hear it after the commit. */
  readonly emit: Emit
  /** Wakes what waits in this process, by name: an attempt's id, or `deliveries`. */
  readonly signal: Signal
  /** Accounts of a provider that the log has warned of. */
  readonly warnedAccounts: Set<string>
  /** The models that some renderer here offers. */
  readonly catalogue: Catalogue
  readonly renderers: readonly RendererLimit[]
  /** The name of the renderer of each model. */
  readonly rendererOf: ReadonlyMap<string, string>
  /** The limits that are configured, by renderer. */
  readonly limitOf: ReadonlyMap<string, RendererLimit>
  readonly budgets: ConfiguredBudgets
  readonly room: DiskRoom
  readonly openJobs: OpenJobsQuota
  readonly knownProgress: KnownProgress
  /** Networks that webhooks may be sent to although they are not public. */
  readonly webhookNetworks: readonly Network[]
  /** Marks our renders in a provider's records: 12 hex digits. */
  readonly installationId: string
  /** Tries of a scene in all. */
  readonly maxTries: number
  /** The wait before a scene's second try; it doubles with each. */
  readonly retryDelayMs: number
  /** Something may let a scene start: admission looks again. */
  readonly wakeAdmission: () => void
  /** A job's times have changed: the scheduler looks again. */
  readonly wakeScheduler: () => void
}
