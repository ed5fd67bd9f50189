/** A full disk is nobody's failure: nothing is lost, and work resumes when there is room. Each room says it with its own error. */

const codes = new Set(['disk_full', 'ENOSPC', 'EDQUOT', 'SQLITE_FULL'])

/** Whether an error, or one that caused it, says that there is no room left on a disk. */
export function isDiskFull(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
    if ('code' in one && codes.has(String(one.code))) return true
    // sharp tells it in words alone.
    if (one.message.includes('No space left on device')) return true
  }
  return false
}

/** Less is free than the reserve that is kept for clips that are paid for. */
export class ReserveError extends Error {
  readonly code = 'disk_full'
  constructor(freeBytes: number, reserveBytes: number) {
    super(
      `The disk has ${megabytes(freeBytes)} MB free, and ${megabytes(reserveBytes)} MB (MIN_FREE_DISK_MB) are kept for clips that are paid for`,
    )
    this.name = 'ReserveError'
  }
}

const megabytes = (bytes: number): number => Math.floor(bytes / 1e6)

/** The disk that holds the data folder, of which a reserve is kept. What is paid for doesn't ask, and may use it. */
export interface DiskRoom {
  /** Why nothing that can wait may be written now; undefined where it may. */
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

/** Where nobody keeps a reserve. */
export const endlessRoom: DiskRoom = {
  lack: () => Promise.resolve(undefined),
  require: () => Promise.resolve(),
}
