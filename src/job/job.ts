/** A job: one film, from the request to the finished file. */
import type { FrameFormat } from './format.ts'
import type { JobStatus } from './lifecycle.ts'
import type { Progress } from './progress.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { Failure, Fit, ScenePlan } from './scene.ts'

/** The plan of a film: what an approval covers and what the money is spent on. */
export interface Storyboard {
  readonly scenes: readonly ScenePlan[]
  readonly format: FrameFormat
  readonly fit: Fit
  /** The film's length in seconds: the sum of the scenes minus the overlaps of cross-fades. */
  readonly total_duration: number
}

/** A reviewer's refusal to approve the job in its present form. */
export interface Rejection {
  /** ms since the epoch. */
  readonly at: number
  /** Name of the actor, such as a key's name; null if unknown. */
  readonly by: string | null
  readonly note: string
}

export interface Job {
  readonly id: number
  readonly type: string
  readonly status: JobStatus
  readonly videoName: string
  /** 0 to 100, higher first. */
  readonly priority: number
  /** As in the request, including the caller's own fields. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly storyboard: Storyboard
  readonly progress: Progress
  /** Millionths of a US dollar; null if a price is unknown. */
  readonly estimatedMicros: number | null
  readonly priceBook: string
  /** The client that owns the job: `parameters.client_id`, or empty. */
  readonly clientId: string
  /** The id of the key that made it; null: made without a key. */
  readonly madeBy: string | null
  /** Starts at 1; rises with each change of the storyboard. */
  readonly revision: number
  /** Whether the storyboard was changed since the job was created. */
  readonly edited: boolean
  /** Millionths of a US dollar that approvals allow the job to spend in total. */
  readonly authorisedMicros: number
  /** Whether an approval accepted scenes with an unknown price. */
  readonly unknownCostAccepted: boolean
  readonly error: Failure | null
  /** The finished film; null before, and if the job was completed with another result. */
  readonly film: FilmManifest | null
  /** The job does not start before this time. */
  readonly runAt: number | null
  /** A job that has not ended by this time fails. */
  readonly deadlineAt: number | null
  /** Since when a person has paused it. */
  readonly pausedAt: number | null
  readonly pausedReason: string | null
  readonly retryPolicy: RetryPolicy | null
  /** Set if a reviewer rejected the job; it must be submitted again before it can be approved. */
  readonly rejected: Rejection | null
  /** Number of dependencies that it still waits for. */
  readonly unmet: number
  /** Its queue position, as a time; null if none of its scenes may start. */
  readonly queueAt: number | null
  readonly approvedAt: number | null
  /** When it resumed without an approval after it had ended; null if it was approved since. */
  readonly reopenedAt: number | null
  readonly startedAt: number | null
  /** When the job completed, failed or was cancelled. */
  readonly endedAt: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}

/** Whether the job waits for an approval. `toApproveMicros`: its cost beyond what approvals allow; null: unknown price. */
export const needsApproval = (
  { status, rejected }: Pick<Job, 'status' | 'rejected'>,
  toApproveMicros: number | null,
): boolean => rejected === null && (status === 'pending' || (status !== 'cancelled' && toApproveMicros !== 0))

/** A job as lists show it, without its long members. */
export interface ListedJob extends Omit<Job, 'storyboard'> {
  /** Names of the long members of `parameters` that are omitted. */
  readonly leftOut: readonly string[]
}

const longestListed = 1000
const longestName = 200

/** Shortens a job for lists; `characters` is the size of the parameters that remain. */
export function listed({ parameters, ...facts }: Omit<Job, 'storyboard'>): {
  readonly job: ListedJob
  readonly characters: number
} {
  const short: Record<string, unknown> = {}
  const leftOut: string[] = []
  let characters = 0
  for (const [name, value] of Object.entries(parameters)) {
    const size = name.length + JSON.stringify(value).length
    const isShort = size <= longestListed
    if (isShort)
      Object.defineProperty(short, name, { value, enumerable: true, configurable: true, writable: true })
    else leftOut.push(name.slice(0, longestName).toWellFormed())
    characters += isShort ? size : Math.min(name.length, longestName)
  }
  return { job: { ...facts, parameters: short, leftOut }, characters }
}

/** What happens to a job when a dependency fails or is cancelled. */
export type OnFailure = 'fail' | 'wait' | 'ignore'

/** A job that must complete before another starts. */
export interface Dependency {
  readonly onJobId: number
  readonly onFailure: OnFailure
  readonly isMet: boolean
  /** Its present status; null if the job was deleted. */
  readonly status: JobStatus | null
}

/** A file in the artifact store. */
export interface ArtifactRef {
  /** SHA-256 of the bytes, hex. */
  readonly id: string
  readonly size: number
  readonly contentType: string
}

/** The `result` of a completed job: the film's artifacts and properties. */
export interface FilmManifest {
  readonly film: ArtifactRef
  readonly thumbnail: ArtifactRef
  readonly durationMs: number
  readonly frames: number
  readonly format: FrameFormat
}
