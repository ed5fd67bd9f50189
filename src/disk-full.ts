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
