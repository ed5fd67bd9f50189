/** Checks the data folder: its disk, and who may read it. */
import { constants } from 'node:fs'
import { access, lstat, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../../config.ts'
import { isDiskFull } from '../../disk-full.ts'
import { ownerFile, ownerUmask } from '../../owner-only.ts'
import { spokenSize } from '../words.ts'
import { type Found, ok, problem, toError, warning } from './finding.ts'

const scarceBytes = 2e9
/** Linux's file system types of NFS, CIFS and SMB. */
const networkDisks = new Set([0x6969, 0xff534d42, 0xfe534d42])

export async function checkDisk({ dataDir, minFreeDiskBytes }: Config): Promise<Found> {
  const elsewhere = 'Set DATA_DIR to another folder, or let this user write to it'
  const folder = await stat(dataDir).catch(() => undefined)
  if (folder && !folder.isDirectory()) return problem(`${dataDir} is no folder`, 'Set DATA_DIR to a folder')
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
      `Make room there: with less than ${spokenSize(minFreeDiskBytes)} (MIN_FREE_DISK_MB) the server accepts no jobs`,
    )
  if (networkDisks.has(type))
    return warning(
      `${words}; it is on a network disk`,
      "Set DATA_DIR to a folder on a local disk: SQLite's locks can't be relied on over a network",
    )
  if (free < scarceBytes) return warning(words, 'Make room there before there are many films')
  return ok(words)
}

async function existingAbove(path: string): Promise<string> {
  for (let at = dirname(path); ; at = dirname(at))
    if (at === dirname(at) || (await stat(at).catch(() => undefined))) return at
}

/** Writes a file and syncs it. Resolves to the duration, ms. */
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

/** The most entries that are checked: a server keeps a few files for each scene. */
const mostEntries = 200_000

/** Checks whether other users of this machine can read the data: earlier versions created open folders. */
export async function checkRights({ dataDir }: Config): Promise<Found> {
  if (process.platform === 'win32') return ok('Left to the rights of the folder in Windows')
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
  if (exposed.length === 0) return ok(`Only its owner may read what is in ${dataDir}`)
  const more = exposed.length === 1 ? '' : `, and ${exposed.length - 1} more`
  return warning(
    `Others on this machine may reach ${exposed[0]}${more}: pictures, films and what the database holds`,
    `Remove that right: chmod -R go= ${quoted(dataDir)}`,
  )
}

/** Quoted, so that a shell reads it as one word. */
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
