/** A full disk fails no job: nothing is lost, and work resumes when there is space. Each room has its own error for it. */

const codes = new Set(['disk_full', 'ENOSPC', 'EDQUOT', 'SQLITE_FULL'])

/** Whether an error or one of its causes reports a full disk. */
export const isDiskFull = (error: unknown): boolean =>
  // sharp's error has no code.
  isAmong(error, (one, code) => codes.has(code) || one.message.includes('No space left on device'))

/** Whether an error or one of its causes reports that the store of the artifacts cannot be reached, or refuses. */
export const isStoreUnavailable = (error: unknown): boolean =>
  isAmong(error, (_, code) => code === 'store_unavailable')

/** Whether an error or one of its causes reports that the database cannot be reached, or has no time. */
const isDatabaseAway = (error: unknown): boolean =>
  isAmong(error, (_, code) => code === 'busy' || code === 'uncertain')

/** Whether work only waits for a place to put its bytes and rows, or to get them from: it fails nothing and uses no try. */
export const waitsForStorage = (error: unknown): boolean =>
  isDiskFull(error) || isStoreUnavailable(error) || isDatabaseAway(error)

function isAmong(error: unknown, test: (one: Error, code: string) => boolean): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++)
    if (test(one, 'code' in one ? String(one.code) : '')) return true
  return false
}

/** The free space is below the reserve for paid clips. */
export class ReserveError extends Error {
  readonly code = 'disk_full'
  constructor(freeBytes: number, reserveBytes: number) {
    super(
      `The disk has ${megabytes(freeBytes)} MB free; ${megabytes(reserveBytes)} MB (MIN_FREE_DISK_MB) are reserved for paid clips`,
    )
    this.name = 'ReserveError'
  }
}

const megabytes = (bytes: number): number => Math.floor(bytes / 1e6)

/** The disk of the data folder, with a reserve. Paid clips skip this check and may use the reserve. */
export interface DiskRoom {
  /** The error if only the reserve is left; undefined otherwise. */
  lack(): Promise<ReserveError | undefined>
  /** @throws {ReserveError} */
  require(): Promise<void>
}

export function createDiskRoom({
  reserveBytes,
  freeBytes,
}: {
  readonly reserveBytes: number
  readonly freeBytes: () => Promise<number>
}): DiskRoom {
  const lack = async (): Promise<ReserveError | undefined> => {
    const free = await freeBytes()
    return free < reserveBytes ? new ReserveError(free, reserveBytes) : undefined
  }
  return {
    lack,
    async require() {
      const lacking = await lack()
      if (lacking) throw lacking
    },
  }
}

/** No reserve. */
export const endlessRoom: DiskRoom = {
  lack: () => Promise.resolve(undefined),
  require: () => Promise.resolve(),
}
