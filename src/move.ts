/** Moves an installation from a data folder to PostgreSQL and to artifacts that nodes share; no server runs meanwhile. */
import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { copyArtifacts } from './artifact/copy.ts'
import { openDiskArtifacts } from './artifact/disk.ts'
import { type ArtifactsConfig, ConfigError } from './config.ts'
import { type Host, systemHost } from './host.ts'
import { listAllNamed } from './retention/rows.ts'
import { shownDatabaseUrl } from './store/database-url.ts'
import { holdFolder } from './store/lock.ts'
import { moveHistory, type Compared, type Moved } from './store/move.ts'
import { openSqlite } from './store/sqlite.ts'
import { needing } from './wire/packages.ts'
import { openSharedArtifacts } from './wire/shared-artifacts.ts'

/** A bucket that does not answer for so long is not usable. */
const checkMs = 30_000

export interface MoveRequest {
  /** The data folder. */
  readonly folder: string
  /** PostgreSQL's URL. Secret: it may hold a password. */
  readonly databaseUrl: string
  readonly artifacts: ArtifactsConfig
  readonly onStep?: (step: string) => void
}

export interface MovedInstallation extends Moved {
  /** Artifacts that rows name and that neither side has: they were lost before. */
  readonly lost: number
}

/**
 * It may be called again, however an earlier call ended.
 * @throws {DatabaseError} `in_use` if a server uses the folder or the target has another history; `failed` if the two sides
 * differ
 * @throws {ConfigError} if the folder has no history, or a package is not installed
 */
export async function moveInstallation(
  { folder, databaseUrl, artifacts, onStep = () => {} }: MoveRequest,
  host: Host = systemHost,
): Promise<MovedInstallation> {
  const path = join(folder, 'coordinator.db')
  await access(path).catch((cause: unknown) => {
    throw new ConfigError(`${folder} has no coordinator.db`, { cause })
  })
  const closing: (() => void | Promise<void>)[] = []
  let lost = 0
  try {
    const hold = holdFolder(folder, host)
    closing.push(() => hold.release())
    const source = openSqlite({ path, host })
    closing.push(() => source.close())
    const { openPostgres } = await needing('DATABASE_URL', ['pg'], () => import('./store/postgres.ts'))
    const target = await openPostgres({ connectionString: databaseUrl, host })
    closing.push(() => target.close())
    const here = await openDiskArtifacts(folder, host)
    const there = await openSharedArtifacts(artifacts, { scratch: folder, host })
    closing.push(() => rm(join(folder, 'scratch'), { recursive: true, force: true }))
    closing.push(() => there.close?.())
    // Before hours of copying.
    await there.check?.(AbortSignal.timeout(checkMs))
    const moved = await moveHistory({
      source,
      target,
      targetName: shownDatabaseUrl(databaseUrl),
      onTable: (name, rows) => onStep(`${rows} rows of ${name}`),
      async moveFiles() {
        const notFound = new Set(await listAllNamed(source))
        const all = notFound.size
        const {
          source: own,
          target: found,
          copied,
        } = await copyArtifacts(here, there, (id) => notFound.delete(id))
        onStep(`${copied.files} of ${own.files} artifacts copied, ${copied.bytes} bytes`)
        lost = notFound.size
        if (lost > 0 && lost === all) throw elsewhere(lost, folder)
        return [
          compared('artifacts', own.files, found.files),
          compared('bytes of artifacts', own.bytes, found.bytes),
        ]
      },
    })
    return { ...moved, lost }
  } finally {
    for (const close of closing.toReversed()) await close()
  }
}

const compared = (what: string, source: number, target: number): Compared => ({
  what,
  source: String(source),
  target: String(target),
})

const elsewhere = (files: number, folder: string): ConfigError =>
  new ConfigError(
    `None of the ${files} files that rows name is in ${folder} or at ARTIFACTS_URL. If the server used another ARTIFACTS_URL, use that one`,
  )
