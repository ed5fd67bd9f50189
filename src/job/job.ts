/** A job: the wish for one film, from the request to the finished file. */
import type { FrameFormat } from './format.ts'
import type { JobStatus } from './lifecycle.ts'
import type { Progress } from './progress.ts'
import type { Failure, Fit, ScenePlan } from './scene.ts'

/** The whole plan of a film: what is approved, and what the money is spent on. */
export interface Storyboard {
  readonly scenes: readonly ScenePlan[]
  readonly format: FrameFormat
  readonly fit: Fit
  /** The film's length in seconds: the scenes less the overlaps of their cross-fades. */
  readonly total_duration: number
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
  /** From 1; rises with each change of the storyboard. */
  readonly revision: number
  /** Millionths of a US dollar that approvals allow to be spent, in all. */
  readonly authorisedMicros: number
  /** Whether an approval allowed scenes whose price nobody knows. */
  readonly unknownCostAccepted: boolean
  readonly error: Failure | null
  /** Where the finished film is; null before, and where the job was completed with another result. */
  readonly film: FilmManifest | null
  readonly approvedAt: number | null
  readonly startedAt: number | null
  /** When the job ended, well or not. */
  readonly endedAt: number | null
  readonly insertedAt: number
  readonly updatedAt: number
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
