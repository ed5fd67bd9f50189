/** Moves an installation from a data folder to PostgreSQL and a shared artifact store; no server runs meanwhile. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ArtifactStore } from './artifact/artifact.ts'
import { copyArtifacts } from './artifact/copy.ts'
import { openDiskArtifacts } from './artifact/disk.ts'
import { ConfigError } from './config.ts'
import { type Host, systemHost } from './host.ts'
import { holdFolder } from './store/lock.ts'
import { moveHistory, type Compared, type Moved } from './store/move.ts'
import { openSqlite } from './store/sqlite.ts'

export interface MoveRequest {
  /** The data folder. */
  readonly folder: string
  /** PostgreSQL's URL. Secret: it may hold a password. */
  readonly databaseUrl: string
  readonly artifactsUrl: string
  readonly onStep?: (step: string) => void
}

/**
 * It may be called again, however an earlier call ended.
 * @throws {DatabaseError} `in_use` if a server uses the folder or the target has another history; `failed` if the two sides
 * differ
 */
export async function moveInstallation(
  { folder, databaseUrl, artifactsUrl, onStep = () => {} }: MoveRequest,
  host: Host = systemHost,
): Promise<Moved> {
  const path = join(folder, 'coordinator.db')
  await access(path).catch((cause: unknown) => {
    throw new ConfigError(`${folder} has no coordinator.db`, { cause })
  })
  const closing: (() => void | Promise<void>)[] = []
  try {
    const hold = holdFolder(folder, host)
    closing.push(() => hold.release())
    const source = openSqlite({ path, host })
    closing.push(() => source.close())
    const { openPostgres } = await import('./store/postgres.ts')
    const target = await openPostgres({ connectionString: databaseUrl, host })
    closing.push(() => target.close())
    return await moveHistory({
      source,
      target,
      targetName: nameOf(databaseUrl),
      onTable: (name, rows) => onStep(`${rows} rows of ${name}`),
      async moveFiles() {
        const here = await openDiskArtifacts(folder, host)
        const there = await openTarget(artifactsUrl, host)
        const { source: all, target: found, copied } = await copyArtifacts(here, there)
        onStep(`${copied.files} of ${all.files} artifacts, ${copied.bytes} bytes`)
        return [
          compared('artifacts', all.files, found.files),
          compared('bytes of artifacts', all.bytes, found.bytes),
        ]
      },
    })
  } finally {
    for (const close of closing.toReversed()) await close()
  }
}

const compared = (what: string, source: number, target: number): Compared => ({
  what,
  source: String(source),
  target: String(target),
})

function openTarget(url: string, host: Host): Promise<ArtifactStore> {
  if (!URL.canParse(url) || new URL(url).protocol !== 'file:')
    throw new ConfigError('ARTIFACTS_URL must be a folder such as file:///mnt/films')
  return openDiskArtifacts(fileURLToPath(url), host)
}

/** Without user, password and parameters, of which some are secret. */
const nameOf = (databaseUrl: string): string =>
  databaseUrl.replace(/[?#].*$/, '').replace(/^([a-z]+:\/\/)(?:[^/]*@)?/i, '$1')
