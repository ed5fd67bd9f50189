/** An attempt: one try to render a scene at a renderer, and so the unit of money. */
import type { AttemptStatus } from './lifecycle.ts'
import type { Failure, RenderSettings } from './scene.ts'

/** A render at the provider that may be a held attempt's. */
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
  /** Millionths of a US dollar that this attempt may cost, reserved until it is settled; null where the price is unknown. */
  readonly costMicros: number | null
  /** What it was charged for in the end; null before that is settled, and where the price is unknown. */
  readonly chargedMicros: number | null
  /** Whose money it is, for budgets; empty where the job names no client. */
  readonly clientId: string
  /** The day its money counts for: `2026-11-25`, UTC. */
  readonly day: string
  /** What is rendered, as one text: equal for equal renders. */
  readonly renderKey: string
  /** What the model is asked for; null where this machine renders. */
  readonly settings: RenderSettings | null
  /** Texts, any of which tells in the provider's records that a render is this attempt's. */
  readonly marks: readonly string[]
  /** The artifacts of the pictures that are sent. */
  readonly inputs: readonly string[]
  /** Committed before the one request that may cost money is sent; null: it was never sent. */
  readonly postedAt: number | null
  /** Since when nobody knows whether the provider accepted it. */
  readonly unknownSince: number | null
  /** The account at the provider that the request was sent from; null where the provider does not name it. */
  readonly account: string | null
  /** What it was asked for with; null where it was never sent. */
  readonly prompt: string | null
  /** When the provider first fetched a picture at this attempt's address, which proves that it has the request. */
  readonly picturesFetchedAt: number | null
  /** Of a held one: what it may be at the provider, as it was when it became held. */
  readonly candidates: readonly Candidate[]
  /** The provider's id of the render. */
  readonly providerId: string | null
  /** An id that a webhook named before we knew it ourselves: worth a look, and nothing more. */
  readonly hintedId: string | null
  /** It is to be ended at the provider. */
  readonly cancelRequestedAt: number | null
  readonly failure: Failure | null
  /**
   * What became of a succeeded one's clip: `kept` is verified, and serves all that want the same; `lost` is given up, for
   * good where `fetched` is null, else until its job is retried. Null while it is fetched and verified.
   */
  readonly clip: 'kept' | 'lost' | null
  /** The artifact of the clip's bytes as they came, kept before anything decodes them. */
  readonly fetched: string | null
  /** How often FFmpeg has failed to verify those bytes, for reasons that may be its own. */
  readonly takeTries: number
  /** Where its clip was when it was settled; null where the provider named no address. */
  readonly outputUrl: string | null
  /** When its render was found to have succeeded; null before that. */
  readonly renderedAt: number | null
  /** Why nothing can be learnt of it at its provider; null while it can be read. */
  readonly trouble: Failure | null
  /** Since when that is so. */
  readonly troubleSince: number | null
  readonly insertedAt: number
  readonly updatedAt: number
}

/** Why a clip that decodes is not taken unasked: it is much shorter than was paid for. */
export const shortClipCode = 'clip_short'

/** How often FFmpeg tries to take a paid clip before the scene fails. */
export const mostTakes = 5

/** Why a paid clip could not be taken so far. */
export const triedWords = ({ reason }: Failure, tries: number): string =>
  `${reason}, attempt ${tries} of ${mostTakes} on the paid clip`

const firstTakeWaitMs = 5000

/** How long FFmpeg waits before it tries again to verify the clip: twice as long after each failure. */
export const takeWaitMs = ({ takeTries }: Pick<Attempt, 'takeTries'>): number =>
  takeTries === 0 ? 0 : firstTakeWaitMs * 2 ** (takeTries - 1)

/** When it does so, ms since the epoch. */
export const takeAgainAt = (attempt: Pick<Attempt, 'takeTries' | 'updatedAt'>): number =>
  attempt.updatedAt + takeWaitMs(attempt)

/** A provider lists a render at most a minute after it has accepted it; absence is believed when twice that is over. */
export const absentAfterMs = 2 * 60_000

/** Renders and their clips are kept by the provider for an hour. */
export const clipKeptMs = 65 * 60_000

/** Until when the clip of a succeeded attempt is fetched, ms since the epoch. */
export const clipKeptUntil = ({ renderedAt, updatedAt }: Pick<Attempt, 'renderedAt' | 'updatedAt'>): number =>
  (renderedAt ?? updatedAt) + clipKeptMs

/** How a provider's render ended. `aborted`: before it began. */
export type RenderEnd = 'succeeded' | 'failed' | 'cancelled' | 'aborted'

/** What is charged of a render's price: what was made, and what was cancelled while it ran. */
export const isCharged = (end: RenderEnd): boolean => end === 'succeeded' || end === 'cancelled'
