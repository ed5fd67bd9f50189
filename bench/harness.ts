/** What the benchmarks share: a harness over SQLite on disk, in real time, rendering nothing; and medians. */
import { type Host, systemHost } from '../src/host.ts'
import type { Database } from '../src/store/database.ts'
import { assetOf, filmRequest, openFile } from '../test/harness/data.ts'
import { type OpenHarness, openHarness, silentLog } from '../test/harness/harness.ts'

/** The picture of the jobs of a benchmark. */
export const asset = assetOf(0)

export const jobRequest = filmRequest(1, { parameters: { photos: [{ asset_id: asset, room: 'kitchen' }] } })

/**
 * `slots`: how many renders may run at once; 0 lets approved jobs wait. `observed` gives the database that all of it uses
 * instead of the one it is given.
 */
export const openBenchHarness = (
  slots: number,
  observed: (database: Database) => Database = (database) => database,
): Promise<OpenHarness<Host>> =>
  openHarness({
    clock: systemHost,
    log: silentLog,
    slots,
    assets: 1,
    open: async (folder) => observed(await openFile(folder)),
  })

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
