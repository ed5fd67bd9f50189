/** What doctor looks at: each check tells what it found, and what to do where that is not as it should be. */
import { constants } from 'node:fs'
import { access, lstat, mkdtemp, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { commandLine } from '../command-name.ts'
import { type Config, readConfig } from '../config.ts'
import { hasKey as hasUsableKey } from '../access/keys.ts'
import { isDiskFull } from '../disk-full.ts'
import { systemHost } from '../host.ts'
import { createLog } from '../log.ts'
import type { Media } from '../media/media.ts'
import { ownerFile, ownerUmask } from '../owner-only.ts'
import type { OwnParts } from '../own-parts.ts'
import { accountsInFlight } from '../store/attempts.ts'
import { type Database, DatabaseError } from '../store/database.ts'
import { migrations } from '../store/migrations/all.ts'
import { whyOf } from './client.ts'
import { oldNodeWords } from './node-version.ts'
import { count, spokenDuration, spokenSize } from './words.ts'

export interface Finding {
  readonly check: string
  /** A warning may be as it is meant; with a problem something does not work. */
  readonly state: 'ok' | 'warning' | 'problem'
  readonly found: string
  /** Null where there is nothing to do. */
  readonly to_do: string | null
}

type Found = Omit<Finding, 'check'>

export const ok = (found: string): Found => ({ state: 'ok', found, to_do: null })
export const warning = (found: string, to_do: string): Found => ({ state: 'warning', found, to_do })
export const problem = (found: string, to_do: string): Found => ({ state: 'problem', found, to_do })

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

export function checkNode(): Found {
  const { node } = process.versions
  const old = oldNodeWords(node)
  const here = `${node} on ${process.platform} ${process.arch}, ${count(availableParallelism(), 'core')}`
  return old === undefined ? ok(here) : problem(here, `${old}: get it from https://nodejs.org`)
}

const encodeLimits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 } as const

/** Describes it, and lets it encode: one without libx264 has a version, too. */
export async function checkFfmpeg(media: Media, ffmpegPath: string | undefined): Promise<Found> {
  const toDo =
    ffmpegPath === undefined
      ? 'Install the packages again on this machine (npm ci), or set FFMPEG_PATH to an FFmpeg 5.1 or later with libx264'
      : 'FFMPEG_PATH must lead to an FFmpeg 5.1 or later with libx264; without it the one that npm installed is used'
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-doctor-'))
  try {
    const { version } = await media.describe()
    const begun = performance.now()
    const { frames } = await media.run({
      inputs: [],
      graph: 'testsrc2=s=64x64:r=24:d=0.5,format=yuv420p[v]',
      output: {
        kind: 'video',
        path: join(folder, 'clip.mp4'),
        video: { fps: 24, frames: 12, crf: 30, preset: 'ultrafast', keyframes: [] },
      },
      limits: encodeLimits,
    })
    const took = spokenDuration(performance.now() - begun)
    return ok(`${version} (${ffmpegPath ?? 'packaged'}), encoded ${frames} frames in ${took}`)
  } catch (error) {
    return isDiskFull(error)
      ? problem(`No room left in ${tmpdir()}`, 'Make room there, or set TMPDIR')
      : problem(messageOf(error), toDo)
  } finally {
    await media.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Loads what reads photographs, which is there for each kind of machine apart. */
export async function checkPictures(): Promise<Found> {
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-doctor-'))
  try {
    const { default: sharp } = await import('sharp')
    const { readImage } = await import('../media/image.ts')
    const background = { r: 90, g: 120, b: 150 }
    const path = join(folder, 'picture.jpg')
    await sharp({ create: { width: 64, height: 48, channels: 3, background } })
      .jpeg()
      .toFile(path)
    const seen = await readImage({ path })
    if (seen.kind === 'image')
      return ok(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, read a JPEG`)
    return problem(seen.message, 'Install the packages again on this machine: npm ci')
  } catch (error) {
    return problem(messageOf(error).split('\n')[0]!, 'Install the packages again on this machine: npm ci')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const scarceBytes = 2e9
/** Of Linux: NFS, CIFS and SMB. */
const networkDisks = new Set([0x6969, 0xff534d42, 0xfe534d42])

export async function checkDisk({ dataDir, minFreeDiskBytes }: Config): Promise<Found> {
  const elsewhere = 'Give another folder as DATA_DIR, or let this user write to it'
  const folder = await stat(dataDir).catch(() => undefined)
  if (folder && !folder.isDirectory()) return problem(`${dataDir} is no folder`, 'Give another as DATA_DIR')
  const at = folder ? dataDir : await existingAbove(dataDir)
  const written = folder ? await writeIn(dataDir) : await access(at, constants.W_OK).then(() => null, toError)
  if (isDiskFull(written)) return problem(`No room left on the disk that holds ${at}`, 'Make room there')
  if (written instanceof Error)
    return problem(`Nothing can be written to ${at} (${written.message})`, elsewhere)
  const { bavail, bsize, type } = await statfs(at)
  const free = bavail * bsize
  const synced =
    written === null ? ', which serve will make' : `, 1 MB written and synced in ${Math.ceil(written)} ms`
  const words = `${spokenSize(free)} free at ${dataDir}${synced}`
  if (free < minFreeDiskBytes)
    return problem(
      words,
      `Make room there: with less than ${spokenSize(minFreeDiskBytes)} (MIN_FREE_DISK_MB) the server takes no jobs`,
    )
  if (networkDisks.has(type))
    return warning(
      `${words}; it is on a network disk`,
      "Give a local disk as DATA_DIR: SQLite's locks can't be relied on over a network",
    )
  if (free < scarceBytes) return warning(words, 'Make room there before there are many films')
  return ok(words)
}

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))

async function existingAbove(path: string): Promise<string> {
  for (let at = dirname(path); ; at = dirname(at))
    if (at === dirname(at) || (await stat(at).catch(() => undefined))) return at
}

/** How long it took, ms. */
async function writeIn(folder: string): Promise<number | Error> {
  const path = join(folder, `doctor-${process.pid}`)
  const begun = performance.now()
  try {
    await using file = await open(path, 'wx', ownerFile)
    await file.writeFile(Buffer.alloc(1 << 20))
    await file.sync()
    return performance.now() - begun
  } catch (error) {
    return toError(error)
  } finally {
    await rm(path, { force: true }).catch(() => {})
  }
}

/** So many are looked at: a server keeps a few files for each scene. */
const mostEntries = 200_000

/** Whether others on this machine may read what is the owner's alone: folders of earlier versions are open. */
export async function checkRights({ dataDir }: Config): Promise<Found> {
  if (process.platform === 'win32') return ok('Left to the rights that Windows gives the folder')
  const exposed: string[] = []
  let looked = 0
  for (const paths = [dataDir]; paths.length > 0 && looked < mostEntries; looked++) {
    const path = paths.pop()!
    const found = await lstat(path).catch(() => undefined)
    if (!found || found.isSymbolicLink()) continue
    if ((found.mode & ownerUmask) !== 0) exposed.push(path)
    if (found.isDirectory())
      for (const name of await readdir(path).catch(() => [])) paths.push(join(path, name))
  }
  if (exposed.length === 0) return ok(`Nobody but its owner may read what is in ${dataDir}`)
  const more = exposed.length === 1 ? '' : `, and ${exposed.length - 1} more`
  return warning(
    `Others on this machine may reach ${exposed[0]}${more}: pictures, films and what the database holds`,
    `Take that right from them: chmod -R go= ${quoted(dataDir)}`,
  )
}

/** As a shell takes it for one word. */
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`

/** What the folder tells, beside how it is. */
export interface Folder {
  readonly found: Found
  /** Where its server listens, while one runs. */
  readonly server: string | undefined
  /** Undefined where nobody can tell. */
  readonly hasKey: boolean | undefined
  /** Renders at Replicate that are not settled, by the account that they were sent from; none where nobody can tell. */
  readonly accounts?: ReadonlyMap<string, number>
}

export async function checkDatabase(config: Config, signal: AbortSignal): Promise<Folder> {
  const path = join(config.dataDir, 'coordinator.db')
  if (!(await stat(path).catch(() => undefined)))
    return { found: ok(`There is none yet: serve makes ${path}`), server: undefined, hasKey: false }
  const { openFolder } = await import('../wire.ts')
  try {
    const house = await openFolder(config)
    try {
      const hasKey = await hasKeyIn(house.database)
      const found = await lookInto(house.database)
      return {
        found,
        server: undefined,
        hasKey,
        ...(found.state === 'ok' && { accounts: await accountsIn(house.database) }),
      }
    } finally {
      await house.close()
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

/** A database that serve still has to bring up to date names no accounts. */
async function accountsIn(database: Database): Promise<ReadonlyMap<string, number>> {
  const done = await stepsDone(database)
  return migrations.every(({ id }) => done.includes(id)) ? accountsInFlight(database, 'replicate') : new Map()
}

/** A database from before there were keys has none. */
async function hasKeyIn(database: Database): Promise<boolean> {
  const table = await database.get("select name from sqlite_master where type = 'table' and name = 'keys'")
  if (!table) return false
  return hasUsableKey({ database, host: systemHost, log: createLog({ level: 'silent' }) })
}

const askMs = 10_000

const within = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(askMs)])

async function heldFolder(error: DatabaseError, signal: AbortSignal): Promise<Folder> {
  // The message alone says where.
  const [, told] = /listening on (http\S+)$/.exec(error.message) ?? []
  const server = told?.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
  const folder = { server, hasKey: undefined }
  if (server === undefined) return { ...folder, found: warning(error.message, 'Ask again when it listens') }
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

/** Whether serve would start, and who could reach it then. */
export async function checkDoor(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  { server, hasKey }: Pick<Folder, 'server' | 'hasKey'>,
): Promise<Found> {
  const { host, port, keysRequired } = config
  const isReached = readConfig({ ...env, REQUIRE_KEYS: undefined }).keysRequired
  if (keysRequired && hasKey === false)
    return problem(
      `Keys are needed, and there is none: serve would not start`,
      `Make one, with the same DATA_DIR: ${commandLine('keys create --name ops --scopes admin')}`,
    )
  const trouble = server === undefined && port !== 0 ? await listenTrouble(host, port) : undefined
  if (trouble !== undefined) return trouble
  const at = server ?? `${host.includes(':') ? `[${host}]` : host}:${port}`
  const place = server === undefined ? `${at} is free` : `A server listens at ${at}`
  if (isReached && !keysRequired)
    return warning(
      `${place}; others reach it, and none needs a key: whoever does may spend your money`,
      'Leave REQUIRE_KEYS out, unless a proxy before it lets only those in who may',
    )
  return ok(
    `${place}; ${keysRequired ? 'who comes needs a key' : 'only this machine reaches it, and needs no key'}`,
  )
}

function listenTrouble(host: string, port: number): Promise<Found | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (error) => {
      const taken = codeOf(error) === 'EADDRINUSE'
      resolve(
        taken
          ? problem(`Another program listens at ${host}:${port}`, 'End that, or give another PORT')
          : problem(`Nothing can listen at ${host}:${port} (${error.message})`, 'Give another HOST or PORT'),
      )
    })
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

export async function checkModels(config: Config, own: OwnParts): Promise<Found> {
  const { openCatalogue } = await import('../models-file.ts')
  const { modelsOfOwn, refuseClashes, refuseUnpriced } = await import('../own-parts.ts')
  try {
    refuseClashes(own)
    const catalogue = await openCatalogue(config, modelsOfOwn(own))
    refuseUnpriced(own, catalogue)
    const { models, onThisMachine = [], version } = catalogue
    const free = [...new Set(['local', ...onThisMachine])].join(', ')
    const paid = models.size === 0 ? `${free} alone` : `${free} and ${models.size} that are paid for`
    return ok(`${paid}; prices of ${version}`)
  } catch (error) {
    return problem(messageOf(error), 'Correct it, or leave MODELS_FILE out: serve would not start')
  }
}

const partDeadlineMs = 10_000

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(toError(signal.reason)), { once: true })
  })

/** What a part that a program brings says of itself. */
export async function checkPart(
  part: { check?(signal: AbortSignal): Promise<string> },
  signal: AbortSignal,
): Promise<Found> {
  if (!part.check) return ok('It has no check of its own')
  const over = AbortSignal.any([signal, AbortSignal.timeout(partDeadlineMs)])
  try {
    return ok(await Promise.race([part.check(over), aborted(over)]))
  } catch (error) {
    signal.throwIfAborted()
    return problem(messageOf(error), 'See what the program that brings it needs')
  }
}

export interface Account {
  readonly found: Found
  /** Ahead of ours, ms; undefined where it was not told. */
  readonly aheadMs: number | undefined
}

const tokenPage = 'https://replicate.com/account/api-tokens'

/** Asks whose token it is, which costs nothing. */
export async function checkReplicate(
  { replicate }: Config,
  inFlight: Folder['accounts'],
  own: OwnParts,
  signal: AbortSignal,
): Promise<Account> {
  if (replicate === undefined)
    return {
      found: ok(
        (own.providers ?? []).length === 0
          ? 'No REPLICATE_API_TOKEN: everything is rendered on this machine, and costs nothing'
          : 'No REPLICATE_API_TOKEN: nothing is rendered there; the providers of this program have costs of their own',
      ),
      aheadMs: undefined,
    }
  const { baseUrl, token } = replicate
  try {
    const response = await fetch(`${baseUrl}/v1/account`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      redirect: 'manual',
      signal: within(signal),
    })
    const text = await response.text()
    const at = Date.parse(response.headers.get('date') ?? '')
    const aheadMs = Number.isNaN(at) ? undefined : at - systemHost.now()
    return { found: accountFound(response.status, text, { baseUrl, inFlight }), aheadMs }
  } catch (cause) {
    signal.throwIfAborted()
    const found = problem(
      `${baseUrl} cannot be reached (${whyOf(cause)})`,
      'Look at the network, a proxy or firewall on the way, and REPLICATE_BASE_URL',
    )
    return { found, aheadMs: undefined }
  }
}

function accountFound(
  status: number,
  text: string,
  { baseUrl, inFlight = new Map() }: { readonly baseUrl: string; readonly inFlight: Folder['accounts'] },
): Found {
  const answer = jsonIn(text)
  if (status === 200) {
    const { username, type } = answer
    const who = typeof username === 'string' ? `${username} (${String(type)})` : 'an account'
    const words = `The token of ${who} is taken by ${baseUrl}, and pays for each render`
    const other = [...inFlight].find(([name]) => name !== username)
    if (typeof username !== 'string' || !other) return ok(words)
    return warning(
      `${words}; ${count(other[1], 'render')} that ${other[1] === 1 ? 'is' : 'are'} not settled ${other[1] === 1 ? 'was' : 'were'} sent from the account ${other[0]}`,
      `Start the server with a token of ${other[0]} until they are settled: nobody else sees what became of them`,
    )
  }
  const words = typeof answer['detail'] === 'string' ? answer['detail'] : `HTTP ${status}`
  if (status === 401 || status === 403)
    return problem(
      `The token is refused: ${words}`,
      `Make one at ${tokenPage}, and set REPLICATE_API_TOKEN to it`,
    )
  return warning(
    `${baseUrl} does not say whose token it is: ${words}`,
    'Ask again later; look at https://status.replicate.com',
  )
}

function jsonIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

const skewMs = 30_000
/** So far off, signatures of notices are refused. */
const tooFarMs = 300_000

export function checkClock(aheadMs: number | undefined): Found {
  if (aheadMs === undefined) return ok('Not compared: no provider was asked')
  const off = Math.abs(aheadMs)
  if (off < skewMs) return ok("Within seconds of the provider's")
  const words = `${spokenDuration(off)} ${aheadMs > 0 ? 'behind' : 'ahead of'} the provider's`
  const toDo = 'Set it by NTP (timedatectl set-ntp true)'
  return off < tooFarMs ? warning(words, toDo) : problem(`${words}: its notices are refused`, toDo)
}

export async function checkPublic(
  { publicBaseUrl, replicate }: Config,
  server: string | undefined,
  signal: AbortSignal,
): Promise<Found> {
  if (publicBaseUrl === undefined)
    return ok(
      replicate
        ? 'No PUBLIC_BASE_URL: pictures are uploaded, and news asked for'
        : 'No PUBLIC_BASE_URL, and none needed',
    )
  if (server === undefined) return ok(`${publicBaseUrl} is asked when the server runs`)
  const toDo = 'Let the proxy there pass everything on to this server, and look at PUBLIC_BASE_URL'
  try {
    const response = await fetch(`${publicBaseUrl}/livez`, { signal: within(signal), redirect: 'manual' })
    const text = await response.text()
    if (response.ok && jsonIn(text)['status'] === 'alive') return ok(`${publicBaseUrl} leads here`)
    return warning(`${publicBaseUrl}/livez answers ${response.status}, and not as this server does`, toDo)
  } catch (cause) {
    signal.throwIfAborted()
    return warning(`${publicBaseUrl} cannot be reached from here (${whyOf(cause)})`, toDo)
  }
}

export function checkWebhooks({ webhookNetworks }: Config): Found {
  if (webhookNetworks.length === 0) return ok('Sent to the public internet alone')
  const names = webhookNetworks.map(([address, bits]) => `${address.toString()}/${bits}`)
  const wide = webhookNetworks.filter(([, bits]) => bits === 0)
  const words = `Sent to the public internet, and to ${names.join(', ')}`
  return wide.length === 0
    ? ok(words)
    : warning(
        words,
        'Name only the networks of your receivers in WEBHOOK_ALLOWED_NETWORKS: whoever submits jobs may reach all of them',
      )
}
