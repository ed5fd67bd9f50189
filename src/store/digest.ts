/** A digest of a table's rows that is the same in any order and on both databases: the sum of the rows' hashes. */
import { createHash } from 'node:crypto'
import type { Row, SqlValue } from './database.ts'

export interface Digest {
  add(rows: readonly Row[]): void
  readonly rows: number
  /** 64 hex digits. */
  readonly sum: string
}

const modulus = 1n << 256n

export function createDigest(columns: readonly string[]): Digest {
  let count = 0
  let sum = 0n
  return {
    add(rows) {
      for (const row of rows) {
        const hash = createHash('sha256')
        for (const column of columns) addValue(hash, row[column] ?? null)
        sum = (sum + BigInt(`0x${hash.digest('hex')}`)) % modulus
        count++
      }
    },
    get rows() {
      return count
    },
    get sum() {
      return sum.toString(16).padStart(64, '0')
    },
  }
}

/** With its type and length, so that no two rows are written alike. */
function addValue(hash: ReturnType<typeof createHash>, value: SqlValue): void {
  if (value === null) hash.update('null;')
  else if (typeof value === 'number') hash.update(`number ${value};`)
  else if (typeof value === 'string') hash.update(`text ${Buffer.byteLength(value)} ${value};`)
  else hash.update(`bytes ${value.length} `).update(value)
}
