/** What a server checks before it starts and while it runs. */
import { access, constants, statfs } from 'node:fs/promises'
import type { ArtifactStore } from '../artifact/artifact.ts'
import { type Config, ConfigError } from '../config.ts'
import { commandLine } from '../command-name.ts'
import type { DiskRoom } from '../disk-full.ts'
import type { Host } from '../host.ts'
import type { Media } from '../media/media.ts'
import { newestAssets } from '../store/assets.ts'
import { probeWrite } from '../store/counts.ts'
import { type Database, DatabaseError } from '../store/database.ts'
import { type Check, roomFor, saying } from '../telemetry/readiness.ts'
import { isAnother } from './shared-artifacts.ts'
import { placeOf } from './storage.ts'

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** Readiness checks: the database, free disk space, FFmpeg and the artifact store. */
export const checksOf = (
  { dataDir }: Config,
  {
    database,
    media,
    room,
    artifacts,
  }: {
    readonly database: Database
    readonly media: Media
    readonly room: DiskRoom
    readonly artifacts: ArtifactStore
  },
): readonly Check[] => [
  {
    name: 'database',
    keptMs: 5000,
    look: saying('The database does not answer', () => database.transaction(probeWrite)),
  },
  {
    name: 'disk',
    keptMs: 1000,
    look: roomFor(room, () => access(dataDir, constants.W_OK)),
  },
  {
    name: 'ffmpeg',
    keptMs: 60_000,
    isSlow: true,
    look: saying('FFmpeg cannot be used', () => media.describe()),
  },
  ...(artifacts.check
    ? [
        {
          name: 'artifacts',
          keptMs: 5000,
          isSlow: true,
          look: saying('The artifact store cannot be used', () =>
            artifacts.check!(AbortSignal.timeout(2000)),
          ),
        },
      ]
    : []),
]

/** Replaces SQLite's message, which is "disk I/O error". */
export const noRoom = (dataDir: string, cause: unknown): DatabaseError =>
  new DatabaseError(
    'disk_full',
    `The disk of ${dataDir} is full. Nothing is lost: free some space and start again`,
    { cause },
  )

/** At a start, a store that is silent for longer is left alone. */
const storeAnswersMs = 5000

/**
 * Refuses to start beside a store that has none of the files that rows name: a folder that is not mounted would split the files
 * of the nodes. A store that cannot be reached yet is waited for later.
 * @throws {ConfigError}
 */
export async function requireSameStore(
  database: Database,
  artifacts: ArtifactStore,
  host: Host,
): Promise<void> {
  const answered = new AbortController()
  const isOther = await Promise.race([
    isAnother(artifacts, await newestAssets(database)).catch(() => false),
    host.sleep(storeAnswersMs, answered.signal).then(() => false),
  ])
  answered.abort()
  if (isOther)
    throw new ConfigError(
      'ARTIFACTS_URL has none of the newest photographs that the database names. ' +
        'Mount the folder that the other nodes use, or name their bucket',
    )
}

/** Refuses to start a reachable server without a valid key, since it would refuse every request. */
export async function requireKey(
  { host, allowedHosts, publicBaseUrl, dataDir, databaseUrl }: Config,
  hasKeys: () => Promise<boolean>,
): Promise<void> {
  if (await hasKeys()) return
  const named = allowedHosts.length === 0 ? '' : `, ALLOWED_HOSTS ${allowedHosts.join(',')}`
  const reached = publicBaseUrl === undefined ? '' : `, reached at ${publicBaseUrl}`
  throw new ConfigError(
    `Requests to this server (HOST ${host}${named}${reached}) need a key, and ${placeOf({ dataDir, databaseUrl })} has no valid key. ` +
      `Create one with the same ${databaseUrl === undefined ? 'DATA_DIR' : 'DATABASE_URL and ARTIFACTS_URL'}: ${commandLine('keys create --name ops --scopes admin')}. ` +
      'If everyone who can reach the server may spend your money, set REQUIRE_KEYS=false',
  )
}
