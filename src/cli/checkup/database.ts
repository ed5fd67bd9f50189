/** Checks the database, or the server that holds it. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { hasKey as hasUsableKey } from '../../access/keys.ts'
import { isDiskFull } from '../../disk-full.ts'
import { systemHost } from '../../host.ts'
import { createLog } from '../../log.ts'
import { accountsInFlight } from '../../store/attempts.ts'
import { type Database, DatabaseError } from '../../store/database.ts'
import { findSeal, sealMessage } from '../../store/seal.ts'
import { migrations } from '../../store/migrations/all.ts'
import { whyOf } from '../client.ts'
import { count } from '../words.ts'
import { type Found, jsonIn, messageOf, ok, problem, warning, within } from './finding.ts'

/** What the checks find in the data folder. */
export interface Folder {
  readonly found: Found
  /** The address of the running server; undefined where none runs. */
  readonly server: string | undefined
  /** Undefined where unknown. */
  readonly hasKey: boolean | undefined
  /** Unsettled renders at Replicate, by the account they were sent from; absent where unknown. */
  readonly accounts?: ReadonlyMap<string, number>
  /** The newest photographs that rows name, which a shared store must have. */
  readonly photographs?: readonly string[]
}

export async function checkDatabase(config: Config, signal: AbortSignal): Promise<Folder> {
  const path = join(config.dataDir, 'coordinator.db')
  if (!(await stat(path).catch(() => undefined)))
    return { found: ok(`There is none yet: serve makes ${path}`), server: undefined, hasKey: false }
  const { openFolder } = await import('../../wire.ts')
  try {
    const folder = await openFolder(config, { log: createLog({ level: 'silent' }) })
    try {
      const hasKey = await hasKeyIn(folder.database)
      const found = await lookInto(folder.database)
      return {
        found,
        server: undefined,
        hasKey,
        ...(found.state === 'ok' && { accounts: await accountsIn(folder.database) }),
      }
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (error instanceof DatabaseError && error.code === 'in_use') return heldFolder(error, signal)
    const toDo = isDiskFull(error)
      ? 'Make room on its disk: nothing is lost'
      : 'Look at the rights of its files; where they are right it is damaged: take a backup'
    return { found: problem(`${path}: ${messageOf(error)}`, toDo), server: undefined, hasKey: undefined }
  }
}

async function lookInto(database: Database): Promise<Found> {
  const faults = (await database.all('pragma quick_check(3)')).map((row) => String(row['quick_check']))
  if (faults[0] !== 'ok')
    return problem(`It is damaged: ${faults.join('; ')}`, 'Keep a copy of the data folder, and take a backup')
  const done = new Set(await stepsDone(database))
  const seal = done.size > 0 ? await findSeal(database) : undefined
  if (seal) return problem('No server starts on it', sealMessage(seal))
  const unknown = [...done].filter((id) => !migrations.some((migration) => migration.id === id))
  if (unknown.length > 0)
    return problem('It was used by a newer version of this program', 'Use the newer version')
  const missing = migrations.length - done.size
  return ok(
    `Whole, ${missing === 0 ? 'and up to date' : `${count(missing, 'step')} behind, which serve will make up`}`,
  )
}

async function stepsDone(database: Database): Promise<readonly number[]> {
  const table = await database.get(
    "select name from sqlite_master where type = 'table' and name = 'migrations'",
  )
  return table
    ? (await database.all('select id from migrations order by id')).map((row) => Number(row['id']))
    : []
}

/** A database that `serve` has yet to migrate names no accounts. */
async function accountsIn(database: Database): Promise<ReadonlyMap<string, number>> {
  const done = await stepsDone(database)
  return migrations.every(({ id }) => done.includes(id)) ? accountsInFlight(database, 'replicate') : new Map()
}

/** A database older than access keys has none. */
async function hasKeyIn(database: Database): Promise<boolean> {
  const table = await database.get("select name from sqlite_master where type = 'table' and name = 'keys'")
  if (!table) return false
  return hasUsableKey({ database, host: systemHost, log: createLog({ level: 'silent' }) })
}

async function heldFolder(error: DatabaseError, signal: AbortSignal): Promise<Folder> {
  // Only the error's message gives the address.
  const [, told] = /listening on (http\S+)$/.exec(error.message) ?? []
  const server = told?.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
  const folder = { server, hasKey: undefined }
  if (server === undefined) return { ...folder, found: warning(error.message, 'Try again when it listens') }
  try {
    const response = await fetch(new URL('/readyz', server), { signal: within(signal) })
    const { reason } = jsonIn(await response.text())
    if (response.ok) return { ...folder, found: ok(`In use by the server at ${server}, which is ready`) }
    const why = typeof reason === 'string' ? reason : response.status
    const found = problem(`The server at ${server} is not ready: ${why}`, 'Look at its log')
    return { ...folder, found }
  } catch (cause) {
    signal.throwIfAborted()
    const found = problem(
      `${error.message}, and does not answer there (${whyOf(cause)})`,
      'Look at its log; a process that hangs may be ended: nothing is lost',
    )
    return { ...folder, found }
  }
}
