/** The engines that the suite runs on: the embedded one on SQLite in simulated time, and pg-boss on PostgreSQL in real time. */
import { setImmediate, setTimeout } from 'node:timers/promises'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine, EngineHint } from '../../src/engine/engine.ts'
import { fencedDatabase } from '../../src/engine/fence.ts'
import { openPgBossEngine } from '../../src/engine/pg-boss.ts'
import { systemHost } from '../../src/host.ts'
import type { Log } from '../../src/log.ts'
import type { Database } from '../../src/store/database.ts'
import { type Clock, createClock } from '../clock.ts'
import { silentLog } from '../harness/harness.ts'
import type { Place } from '../store/open-database.ts'

export interface EngineParts {
  readonly place: Place
  readonly database: Database
  readonly clock: Clock
  readonly log?: Log
  readonly hint?: (kind: EngineHint) => void
}

export async function openEngine({
  place: { server },
  database,
  clock,
  log = silentLog,
  hint = () => undefined,
}: EngineParts): Promise<Engine> {
  if (!server) return createEmbeddedEngine({ database, host: clock, log })
  const { connectionString, tasksSchema: schema } = server
  return openPgBossEngine({ database, connectionString, schema, host: clock, log, hint })
}

/** The database as handlers use it. */
export const ofHandlers = ({ place, database }: Pick<EngineParts, 'place' | 'database'>): Database =>
  place.server ? fencedDatabase(database) : database

/** pg-boss's times are the server's: there, time passes by itself. */
export const clockOf = (kind: 'sqlite' | 'postgres'): Clock =>
  kind === 'sqlite'
    ? createClock()
    : { ...systemHost, putBack: () => undefined, advance: () => undefined, nextWakeAt: () => undefined }

/** Lets what is under way go on a little. */
export const aMoment = (kind: 'sqlite' | 'postgres'): Promise<unknown> =>
  kind === 'sqlite' ? setImmediate() : setTimeout(2)
