/** What is kept, for how long, and how much of it. */
import { z } from 'zod'
import { checked } from './checked.ts'

/** `films`: with their thumbnails. `clips`: with what they were made from, and cross-fades. `inputs`: photographs. */
export const storedKinds = ['films', 'clips', 'inputs'] as const
export type StoredKind = (typeof storedKinds)[number]

/** How long what is not needed any more is kept; null: for ever. */
export interface RetentionLimits {
  /** Days since they happened, of jobs that have ended. */
  readonly eventsDays: number | null
  /** Days since the job ended; of an earlier version, since it was made. */
  readonly filmsDays: number | null
  /** Days since the job ended. */
  readonly clipsDays: number | null
  /** Days since the last job that shows it ended. */
  readonly inputsDays: number | null
  /** All bytes together; null: no limit. */
  readonly maxStoredBytes: number | null
}

export interface Amount {
  /** Files. */
  readonly count: number
  readonly bytes: number
}

/** What a look through the store removed, or would have. */
export interface PruneReport {
  readonly isDryRun: boolean
  readonly events: number
  readonly stored: Readonly<Record<StoredKind | 'orphans', Amount>>
  /** What is stored beyond the limit all the same, as it is needed or too new. */
  readonly overBytes: number
}

export interface StorageReport {
  /** `other`: what no row names, such as pictures that were made for a provider. */
  readonly stored: Readonly<Record<StoredKind | 'other', Amount>>
  readonly freeBytes: number
  readonly limits: RetentionLimits
  /** ms since the epoch; null where there is none. */
  readonly oldest: Readonly<Record<StoredKind | 'events', number | null>>
  readonly measuredAt: number
}

export const pruneRequest = z.strictObject({
  dry_run: z.boolean().optional().describe('Only say what would be removed, at most'),
})

/** @throws {RefusedError} `invalid` */
export const parsePrune = (input: unknown): z.infer<typeof pruneRequest> => checked(pruneRequest, input)
