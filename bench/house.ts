/** What the benchmarks share: a coordinator over SQLite in a folder of its own, rendering nothing; and medians. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCoordinator, type RunningCoordinator } from '../src/coordinator/coordinator.ts'
import { createEmbeddedEngine } from '../src/engine/embedded.ts'
import type { Engine } from '../src/engine/engine.ts'
import { type PubSub, createPubSub } from '../src/events/pubsub.ts'
import { systemHost } from '../src/host.ts'
import { readCatalogue } from '../src/job/catalogue.ts'
import { createLog } from '../src/log.ts'
import type { Database } from '../src/store/database.ts'
import { migrate } from '../src/store/migrate.ts'
import { migrations } from '../src/store/migrations/all.ts'
import { openSqlite } from '../src/store/sqlite.ts'

export interface BenchHouse {
  readonly directory: string
  readonly database: Database
  readonly engine: Engine
  readonly coordinator: RunningCoordinator
  readonly pubsub: PubSub
  close(): Promise<void>
}

/** A picture's id that the jobs of a benchmark name. */
export const asset = 'a'.repeat(64)

export const jobRequest = {
  type: 'property_photos',
  parameters: { photos: [{ asset_id: asset, room: 'kitchen' }] },
  // All jobs are of the same picture, and each is to be rendered.
  force: true,
}

/**
 * `slots`: how many renders may run at once; 0 lets approved jobs wait. `observed` gives the database that all of it uses
 * instead of the one it is given.
 */
export async function openBenchHouse(
  slots: number,
  observed: (database: Database) => Database = (database) => database,
): Promise<BenchHouse> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const database = observed(openSqlite({ path: join(directory, 'coordinator.db') }))
  await migrate(database, migrations)
  const host = systemHost
  const log = createLog({ level: 'silent' })
  const pubsub = createPubSub((error) => {
    throw error
  })
  const engine = createEmbeddedEngine({ database, host, log })
  const renderers = [
    {
      name: 'local',
      models: ['local'],
      maxConcurrency: slots,
      startDelayMs: 0,
      task: 'render-scene' as const,
    },
  ]
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host,
    log,
    renderers,
    catalogue: readCatalogue(),
  })
  await coordinator.addAsset({
    id: asset,
    contentType: 'image/png',
    width: 1,
    height: 1,
    size: 1,
    master: asset,
  })
  return {
    directory,
    database,
    engine,
    coordinator,
    pubsub,
    async close() {
      await coordinator.stop()
      await engine.stop({ graceMs: 1000 })
      await database.close()
      rmSync(directory, { recursive: true })
    },
  }
}

/** Runs `work` for each number below `count`, up to `atOnce` together. */
export async function together(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** The value below which `share` of the values lie. */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((one, other) => one - other)[
    Math.min(values.length - 1, Math.floor(values.length * share))
  ]!

export const median = (values: readonly number[]): number => quantile(values, 0.5)
