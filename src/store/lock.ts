/**
 * Allows one process at a time on a data folder: two embedded coordinators would each run every task. The operating
 * system releases the lock when its holder ends, also by kill -9; the file beside it only names the holder.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Host } from '../host.ts'
import { ownerFile } from '../owner-only.ts'
import { DatabaseError } from './database.ts'
import { lockFile } from './sqlite-connection.ts'

export interface FolderHold {
  /** Records the holder's address, for the error message of later processes. */
  listensOn(address: string): void
  release(): void
}

interface Holder {
  readonly pid: number
  readonly hostname: string
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly address?: string
}

/**
 * Locks an existing folder for this process until `release` or the process ends.
 * @throws {DatabaseError} `in_use` if another process holds it; the message names it
 */
export function holdFolder(folder: string, host: Host): FolderHold {
  const holderPath = join(folder, 'holder.json')
  const lock = lockFile(join(folder, 'lock'))
  if (!lock) throw new DatabaseError('in_use', `${folder} is in use ${describeHolder(holderPath)}`)
  const holder: Holder = { pid: process.pid, hostname: hostname(), since: host.now() }
  writeHolder(holderPath, holder)
  return {
    listensOn: (address) => writeHolder(holderPath, { ...holder, address }),
    release: () => {
      rmSync(holderPath, { force: true })
      lock.release()
    },
  }
}

function describeHolder(path: string): string {
  try {
    const holder: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (!isHolder(holder)) return 'by another process'
    const { pid, hostname: name, since, address } = holder
    const listening = address === undefined ? '' : `, listening on ${address}`
    return `by process ${pid} on ${name} since ${new Date(since).toISOString()}${listening}`
  } catch {
    return 'by another process'
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false
  return 'pid' in value && 'hostname' in value && 'since' in value && typeof value.since === 'number'
}

function writeHolder(path: string, holder: Holder): void {
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(holder)}\n`, { mode: ownerFile })
    renameSync(`${path}.new`, path)
  } catch {
    // Optional: a full disk must not keep the server from starting.
  }
}
