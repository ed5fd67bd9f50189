/** An attempt: one try to render a scene, and the unit of money. */
import type { AttemptStatus } from './lifecycle.ts'
import type { Failure, RenderSettings } from './scene.ts'

/** A render at the provider that may belong to a held attempt. */
export interface Candidate {
  /** The provider's id. */
  readonly id: string
  readonly state: RenderEnd | 'running'
  /** ms since the epoch. */
  readonly createdAt: number
}

export interface Attempt {
  /** UUID. */
  readonly id: string
  readonly jobId: number
  readonly sceneId: string
  readonly renderer: string
  readonly model: string
  readonly status: AttemptStatus
  /** Millionths of a US dollar that this attempt may cost, reserved until it is settled; null if the price is unknown. */
  readonly costMicros: number | null
  /** The amount charged, in millionths of a US dollar; null until it is settled, and if the price is unknown. */
  readonly chargedMicros: number | null
  /** The client whose budget pays; empty if the job names no client. */
  readonly clientId: string
  /** The day whose budget pays: `2026-11-25`, UTC. */
  readonly day: string
  /** Hash of everything that the clip depends on: equal for equal renders. */
  readonly renderKey: string
  /** Settings sent to the model; null for a render on this machine. */
  readonly settings: RenderSettings | null
  /** Texts that identify this attempt's render in the provider's records; any one suffices. */
  readonly marks: readonly string[]
  /** Artifact ids of the pictures that are sent. */
  readonly inputs: readonly string[]
  /** Committed before the one request that may cost money; null: never sent. ms since the epoch. */
  readonly postedAt: number | null
  /** Since when it is unknown whether the provider accepted it. */
  readonly unknownSince: number | null
  /** The provider account that sent the request; null if the provider does not name it. */
  readonly account: string | null
  /** The prompt that was sent; null if nothing was sent. */
  readonly prompt: string | null
  /** When the provider first fetched a picture at this attempt's address, which proves that it has the request. */
  readonly picturesFetchedAt: number | null
  /** For a held attempt: the renders at the provider that may be its own, as listed when it became held. */
  readonly candidates: readonly Candidate[]
  /** The provider's id of the render. */
  readonly providerId: string | null
  /** A render id from a webhook that arrived before the provider's answer: a hint to check, not proof. */
  readonly hintedId: string | null
  /** When cancelling it at the provider was requested. */
  readonly cancelRequestedAt: number | null
  readonly failure: Failure | null
  /**
   * The clip of a succeeded attempt. `kept`: verified, and reused for equal scenes. `lost`: given up, permanently if
   * `fetched` is null, otherwise until its job is retried. Null while it is being fetched and verified.
   */
  readonly clip: 'kept' | 'lost' | null
  /** The artifact of the clip's bytes as received, stored before anything decodes them. */
  readonly fetched: string | null
  /** How often FFmpeg failed to verify those bytes for reasons that may lie in FFmpeg itself. */
  readonly takeTries: number
  /** Address of the clip when the attempt was settled; null if the provider gave none. */
  readonly outputUrl: string | null
  /** When the coordinator saw that the render had succeeded; null before. */
  readonly renderedAt: number | null
  /** Why its state cannot be read at the provider; null while it can. */
  readonly trouble: Failure | null
  /** Since when its state cannot be read. */
  readonly troubleSince: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}

/** The clip decodes but is much shorter than paid for, so using it needs a person's decision. */
export const shortClipCode = 'clip_short'

/** How often FFmpeg tries to verify and convert a paid clip before the scene fails. */
export const mostTakes = 5

/** Why a paid clip is not usable yet, and how many tries are left. */
export const triedWords = ({ reason }: Failure, tries: number): string =>
  `${reason}, attempt ${tries} of ${mostTakes} on the paid clip`

const firstTakeWaitMs = 5000

/** Wait before FFmpeg's next try on the clip, in ms; doubles with each failure. */
export const takeWaitMs = ({ takeTries }: Pick<Attempt, 'takeTries'>): number =>
  takeTries === 0 ? 0 : firstTakeWaitMs * 2 ** (takeTries - 1)

/** Time of FFmpeg's next try on the clip, ms since the epoch. */
export const takeAgainAt = (attempt: Pick<Attempt, 'takeTries' | 'updatedAt'>): number =>
  attempt.updatedAt + takeWaitMs(attempt)

/** A request leaves within this time after it was committed that it may, or never. */
export const sentWithinMs = 5000

/**
 * A provider lists a render within a minute of accepting it; after twice that time, absence counts as proof. Far longer than
 * `sentWithinMs`, so that no request is on its way then.
 */
export const absentAfterMs = 2 * 60_000

/** The provider keeps renders and clips for an hour; the rest is a margin. */
export const clipKeptMs = 65 * 60_000

/** Until when fetching the clip of a succeeded attempt is tried, ms since the epoch. */
export const clipKeptUntil = ({ renderedAt, updatedAt }: Pick<Attempt, 'renderedAt' | 'updatedAt'>): number =>
  (renderedAt ?? updatedAt) + clipKeptMs

/** How a provider's render ended. `aborted`: cancelled before it began. */
export type RenderEnd = 'succeeded' | 'failed' | 'cancelled' | 'aborted'

/** Whether the price is charged: for finished renders, and for those cancelled while they ran. */
export const isCharged = (end: RenderEnd): boolean => end === 'succeeded' || end === 'cancelled'
