/** A job: the wish for one film, from the request to the finished file. */
import type { FrameFormat } from './format.ts'
import type { JobStatus } from './lifecycle.ts'
import type { Progress } from './progress.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { Failure, Fit, ScenePlan } from './scene.ts'

/** The whole plan of a film: what is approved, and what the money is spent on. */
export interface Storyboard {
  readonly scenes: readonly ScenePlan[]
  readonly format: FrameFormat
  readonly fit: Fit
  /** The film's length in seconds: the scenes less the overlaps of their cross-fades. */
  readonly total_duration: number
}

/** Why a job is not approved as it is. */
export interface Rejection {
  /** ms since the epoch. */
  readonly at: number
  /** Who rejected it, such as a key's name; null where nobody said. */
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
  /** As the caller gave them, free members included. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly storyboard: Storyboard
  readonly progress: Progress
  /** Null where a price is unknown. */
  readonly estimatedMicros: number | null
  readonly priceBook: string
  /** Whose job it is: `parameters.client_id`, or empty. */
  readonly clientId: string
  /** The id of the key that made it; null: made without a key. */
  readonly madeBy: string | null
  /** From 1; rises with each change of the storyboard. */
  readonly revision: number
  /** Whether its storyboard was changed since it was made. */
  readonly edited: boolean
  /** Millionths of a US dollar that approvals allow to be spent, in all. */
  readonly authorisedMicros: number
  /** Whether an approval allowed scenes whose price nobody knows. */
  readonly unknownCostAccepted: boolean
  readonly error: Failure | null
  /** Where the finished film is; null before, and where the job was completed with another result. */
  readonly film: FilmManifest | null
  /** Not begun before then. */
  readonly runAt: number | null
  /** If it has not ended by then it fails. */
  readonly deadlineAt: number | null
  /** Since when a person lets it rest. */
  readonly pausedAt: number | null
  readonly pausedReason: string | null
  readonly retryPolicy: RetryPolicy | null
  /** It was sent back to its maker, and is not approved before it is submitted again. */
  readonly rejected: Rejection | null
  /** How many jobs that it depends on it still waits for. */
  readonly unmet: number
  /** Its place in the queue, as a time; null where none of its scenes may start. */
  readonly queueAt: number | null
  readonly approvedAt: number | null
  /** When it went on without an approval, after it had ended; null where it was approved since. */
  readonly reopenedAt: number | null
  readonly startedAt: number | null
  /** When the job ended, well or not. */
  readonly endedAt: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}

/** Whether an approval is what it waits for. `toApproveMicros`: what it costs beyond what was allowed; null: an unknown price. */
export const needsApproval = (
  { status, rejected }: Pick<Job, 'status' | 'rejected'>,
  toApproveMicros: number | null,
): boolean => rejected === null && (status === 'pending' || (status !== 'cancelled' && toApproveMicros !== 0))

/** A job as lists tell it: without what may be long. */
export interface ListedJob extends Omit<Job, 'storyboard'> {
  /** Members of `parameters` that are left out, as they are long. */
  readonly leftOut: readonly string[]
}

const longestListed = 1000
const longestName = 200

/** A job as lists tell it, and how many characters of its parameters that takes. */
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

/** What becomes of a job when one that it depends on fails or is cancelled. */
export type OnFailure = 'fail' | 'wait' | 'ignore'

/** A job that must be completed before another begins. */
export interface Dependency {
  readonly onJobId: number
  readonly onFailure: OnFailure
  readonly isMet: boolean
  /** What it is now; null where it is not kept any more. */
  readonly status: JobStatus | null
}

/** A file in the artifact store. */
export interface ArtifactRef {
  /** SHA-256 of the bytes, hex. */
  readonly id: string
  readonly size: number
  readonly contentType: string
}

/** What a finished job's `result` holds: where the film is, and what it is like. */
export interface FilmManifest {
  readonly film: ArtifactRef
  readonly thumbnail: ArtifactRef
  readonly durationMs: number
  readonly frames: number
  readonly format: FrameFormat
}
