/** The one way in which tests and benchmarks put a coordinator together; what else a test needs is added to it, by name. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RendererLimit } from '../../src/coordinator/admission/rules.ts'
import {
  type CoordinatorOptions,
  type RunningCoordinator,
  createCoordinator,
} from '../../src/coordinator/coordinator.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { type PubSub, createPubSub } from '../../src/events/pubsub.ts'
import { type Host, systemHost } from '../../src/host.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { type Log, createLog, logLine } from '../../src/log.ts'
import type { Database } from '../../src/store/database.ts'
import { type Clock, createClock } from '../clock.ts'
import { databaseKind } from '../database-kind.ts'
import { addAssets, migrated, openDatabase } from './data.ts'
import type { SharedParts } from './shared-parts.ts'

export const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]

/** Whose database is open and up to date. */
export interface HarnessParts extends Partial<Omit<CoordinatorOptions, 'engine' | 'pubsub' | 'host'>> {
  readonly database: Database
  readonly clock: Host
  /** Renders at once on this machine, where no renderers are given; 0 lets approved jobs wait. */
  readonly slots?: number
  /** By default the embedded one, also on PostgreSQL: it runs tasks in the time of the test's clock. */
  readonly engine?: Engine
  readonly pubsub?: PubSub
  /** By default one that keeps what is logged. */
  readonly recorded?: RecordedLog
}

export interface RecordedLog {
  readonly log: Log
  readonly lines: readonly string[]
  readonly logged: readonly LoggedLine[]
}

export interface LoggedLine {
  readonly msg: string
  readonly [member: string]: unknown
}

export interface Harness<Time extends Host = Clock> {
  readonly clock: Time
  readonly database: Database
  readonly engine: Engine
  readonly pubsub: PubSub
  readonly log: Log
  readonly coordinator: RunningCoordinator
  /** Every message logged so far. */
  readonly lines: readonly string[]
  /** The same lines with all their members. */
  readonly logged: readonly LoggedLine[]
}

export const silentLog = createLog({ level: 'silent' })

export const localRenderer = (maxConcurrency: number): RendererLimit => ({
  name: 'local',
  models: ['local'],
  maxConcurrency,
  startDelayMs: 0,
  task: 'render-scene',
})

function recordLog(given?: Log): RecordedLog {
  const lines: string[] = []
  const logged: LoggedLine[] = []
  const write = (text: string): void => {
    const line: LoggedLine = JSON.parse(text)
    lines.push(line.msg)
    logged.push(line)
  }
  return { log: given ?? createLog({ level: 'info', destination: { write } }), lines, logged }
}

/** The parts put together over a database that is there; nothing runs yet. */
export function createHarness<Time extends Host>(
  options: HarnessParts & { readonly clock: Time },
): Harness<Time> {
  const { clock, slots = 4, recorded = recordLog(options.log), ...others } = options
  const { log, lines, logged } = recorded
  const parts = { database: options.database, host: clock, log }
  const {
    pubsub = createPubSub((error, { topic }) => logLine.listenerFailed(log, topic, error)),
    engine = createEmbeddedEngine(parts),
  } = options
  const defaults = { renderers: [localRenderer(slots)], catalogue: readCatalogue() }
  const coordinator = createCoordinator({ ...defaults, ...others, ...parts, engine, pubsub })
  return { clock, database: options.database, engine, pubsub, log, coordinator, lines, logged }
}

export interface HarnessOptions<Time extends Host = Clock> extends Omit<HarnessParts, 'database' | 'clock'> {
  /** By default one that stands until the test moves it. */
  readonly clock?: Time
  /** Opens the database, by default this run's in the folder. */
  readonly open?: (folder: string) => Promise<Database>
  /** One that an earlier harness left, or a later one will find; by default it goes with the harness. */
  readonly folder?: string
  /** How many pictures are there from the beginning, by `assetOf`. */
  readonly assets?: number
}

export interface OpenHarness<Time extends Host = Clock> extends Harness<Time>, AsyncDisposable {
  readonly folder: string
  /** Of several nodes, which there may be where real time passes on PostgreSQL: what the program opens there. */
  readonly shared: SharedParts | undefined
  /** What ends with it, in turn: what was added last ends first. */
  readonly closing: AsyncDisposableStack
  close(): Promise<void>
}

export async function openHarness<Time extends Host = Clock>(
  options: HarnessOptions<Time> = {},
): Promise<OpenHarness<Time>> {
  const {
    open = openDatabase,
    folder = mkdtempSync(join(tmpdir(), 'harness-')),
    assets = 0,
    // Only a caller that gives another clock has another type of it.
    clock = createClock() as Host as Time,
    ...parts
  } = options
  const recorded = recordLog(parts.log)
  const isShared = databaseKind === 'postgres' && clock === systemHost && !options.open
  const shared = isShared ? await openShared(folder, recorded.log) : undefined
  const database = shared?.database ?? (await migrated(await open(folder)))
  await addAssets(database, assets)
  const harness = createHarness({
    ...parts,
    recorded,
    database,
    clock,
    ...(shared && { engine: shared.engine, pubsub: shared.events.pubsub, signal: shared.events.signal }),
  })
  const { coordinator, engine } = harness
  const closing = new AsyncDisposableStack()
  if (options.folder === undefined) closing.defer(() => rmSync(folder, { recursive: true, force: true }))
  closing.defer(() => (shared ?? database).close())
  closing.defer(() => engine.stop({ graceMs: 0 }))
  closing.defer(() => coordinator.stop())
  return {
    ...harness,
    folder,
    shared,
    closing,
    close: () => closing.disposeAsync(),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

async function openShared(folder: string, log: Log): Promise<SharedParts> {
  const { openSharedParts } = await import('./shared-parts.ts')
  return openSharedParts(folder, { host: systemHost, log })
}
