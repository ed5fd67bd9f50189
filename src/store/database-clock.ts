/**
 * The time of the database for every node. Between two measurements a node adds the time of its own monotonic clock, so
 * its wall clock is never read.
 */
import { type Host, withClock } from '../host.ts'
import type { Database } from './database.ts'

export interface DatabaseClock {
  /** The machine's host with the database's time. */
  readonly host: Host
  /** Compares the clocks again; call it every few seconds. */
  measure(): Promise<void>
  /** How far the machine's own clock is ahead of the database's, in ms; for people only. */
  aheadMs(): number
}

const samplesAtStart = 3

/** @throws {DatabaseError} if the database does not answer */
export async function openDatabaseClock(database: Database, machine: Host): Promise<DatabaseClock> {
  /** The database's time minus the monotonic clock. */
  let offset = Number.NaN

  /** The database read its clock between the two readings of ours, so the offset is between two bounds. */
  const measure = async (): Promise<void> => {
    const before = machine.monotonic()
    const row = await database.get(`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`)
    const after = machine.monotonic()
    const now = Number(row?.['now'])
    const [least, most] = [now - after, now - before]
    if (Number.isNaN(offset)) offset = (least + most) / 2
    // Stays where it is within the bounds, so that the time does not jump about by the length of a round trip.
    else offset = Math.min(most, Math.max(least, offset))
  }

  for (let sample = 0; sample < samplesAtStart; sample++) await measure()
  const now = (): number => Math.round(machine.monotonic() + offset)
  return { host: withClock(machine, now), measure, aheadMs: () => machine.now() - now() }
}
