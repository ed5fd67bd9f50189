/** The databases that the suites run on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { systemHost } from '../../src/host.ts'
import type { Host } from '../../src/host.ts'
import type { Database } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type DatabaseKind, databaseKind } from '../database-kind.ts'
import { openFile } from '../harness/data.ts'
import { takeDatabase } from './postgres-pool.ts'
import { postgresUrl } from './postgres-server.ts'

export interface OpenOptions {
  readonly host?: Host
  readonly onEffectError?: (error: unknown) => void
}

export interface Place {
  /** Another connection to the same data; on SQLite the first must be closed. */
  open(options?: OpenOptions): Promise<Database>
  /** Of PostgreSQL: where programs reach it, and the schemas of its tables and of pg-boss's. */
  readonly server?: {
    readonly connectionString: string
    readonly schema: string
    readonly tasksSchema: string
  }
  remove(): Promise<void>
}

/** For `describe.each`: the database of this vitest project. */
export const kinds: readonly DatabaseKind[] = [databaseKind]

/** Without tables. */
export function newPlace(kind: DatabaseKind = databaseKind): Promise<Place> {
  return kind === 'sqlite' ? Promise.resolve(newSqlitePlace()) : newPostgresPlace()
}

/** With the tables of this version, without rows. */
export async function newMigratedPlace(): Promise<Place> {
  if (databaseKind === 'sqlite') {
    const folder = newFolder()
    return {
      open: (options) => openFile(folder, options),
      remove: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
    }
  }
  const pooled = await takeDatabase()
  const { connectionString } = pooled
  return {
    open: (options) =>
      options ? openPostgres({ connectionString, poolSize: 8, ...options }) : Promise.resolve(pooled.open()),
    remove: () => Promise.resolve(pooled.giveBack()),
  }
}

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'store-'))
}

function newSqlitePlace(): Place {
  const folder = newFolder()
  return {
    open: (options) => Promise.resolve(openSqlite({ path: join(folder, 'jobs.db'), ...options })),
    remove: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  }
}

async function newPostgresPlace(): Promise<Place> {
  const connectionString = await postgresUrl(inject('postgres'))
  const schema = `test_${systemHost.id().replaceAll('-', '')}`
  const tasksSchema = `${schema}_boss`
  return {
    server: { connectionString, schema, tasksSchema },
    open: (options) => openPostgres({ connectionString, schema, poolSize: 8, ...options }),
    remove: async () => {
      const database = await openPostgres({ connectionString })
      await database.transaction((tx) => tx.run(`drop schema if exists ${schema}, ${tasksSchema} cascade`))
      await database.close()
    },
  }
}
