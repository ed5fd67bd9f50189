/** Retention limits, storage use, and the report of a prune. */
import { z } from 'zod'
import { checked } from './checked.ts'

/** `films`: with thumbnails. `clips`: with their sources and cross-fades. `inputs`: photographs. */
export const storedKinds = ['films', 'clips', 'inputs'] as const
export type StoredKind = (typeof storedKinds)[number]

/** How long unneeded data is kept, in days; null: without limit. */
export interface RetentionLimits {
  /** Age of events of ended jobs. */
  readonly eventsDays: number | null
  /** Time since the job ended; for an earlier version of the film, since it was made. */
  readonly filmsDays: number | null
  /** Time since the job ended. */
  readonly clipsDays: number | null
  /** Time since the last job that uses the photograph ended. */
  readonly inputsDays: number | null
  /** Total bytes; null: no limit. */
  readonly maxStoredBytes: number | null
}

export interface Amount {
  /** Files. */
  readonly count: number
  readonly bytes: number
}

/** A file that a prune removed, or would remove. */
export interface PrunedFile {
  readonly kind: StoredKind | 'orphans'
  readonly artifact: string
  /** The job whose film or clip it is; null for what belongs to no single job. */
  readonly jobId: number | null
  readonly bytes: number
  /** When its time began to count, in ms since the epoch, such as the end of its job. */
  readonly at: number
}

/** What a prune removed, or would remove in a dry run. */
export interface PruneReport {
  readonly isDryRun: boolean
  readonly events: number
  readonly stored: Readonly<Record<StoredKind | 'orphans', Amount>>
  /** Of each kind the time of the oldest; null if there is none. */
  readonly oldest: Readonly<Record<StoredKind | 'orphans', number | null>>
  /** A few of each kind. */
  readonly examples: readonly PrunedFile[]
  /** Bytes stored above the limit because they are needed or too new to remove. */
  readonly overBytes: number
}

export interface StorageReport {
  /** `other`: artifacts without a row, such as pictures prepared for a provider. */
  readonly stored: Readonly<Record<StoredKind | 'other', Amount>>
  readonly freeBytes: number
  readonly limits: RetentionLimits
  /** ms since the epoch; null if there is none. */
  readonly oldest: Readonly<Record<StoredKind | 'events', number | null>>
  readonly measuredAt: number
}

export const pruneRequest = z.strictObject({
  dry_run: z.boolean().optional().describe('Only report what would be removed at most'),
})

/** @throws {RefusedError} `invalid` */
export const parsePrune = (input: unknown): z.infer<typeof pruneRequest> => checked(pruneRequest, input)
