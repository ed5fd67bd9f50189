/**
 * The port to a paid renderer of another company (`replicate/`). `renderer.ts` renders in one call; a provider is used in
 * steps (submit, read, fetch), because this process may die between any two of them. The coordinator commits its state
 * after each step (the money protocol).
 */
import type { FrameFormat } from '../job/format.ts'
import type { RenderSettings } from '../job/scene.ts'

/** A request for a render. */
export interface ProviderOrder {
  readonly attemptId: string
  /** Text put into the request, so that the provider's records show whose render it is. */
  readonly mark: string
  readonly model: string
  readonly prompt: string
  readonly settings: RenderSettings
  /** The film's format. */
  readonly format: FrameFormat
  /** One picture, or the first and the last: absolute paths of upright sRGB JPEG files, already in the film's shape. */
  readonly images: readonly string[]
}

/** A request ready to be sent: every step that can fail without costing money is done. Plain JSON. */
export interface PreparedOrder {
  readonly model: string
  readonly attemptId: string
  readonly input: Readonly<Record<string, unknown>>
  /** Texts that identify this order's render in the provider's records; any one suffices. */
  readonly marks: readonly string[]
}

/** A refusal or failure, classified at the vendor's edge. */
export interface ProviderTrouble {
  /** Such as `throttled`, `unreachable`, `bad_input`, `content_refused`, `no_credit`, `not_allowed`, `provider_error`. */
  readonly code: string
  /** The provider's own message, shortened and without secrets. */
  readonly reason: string
  /** Whether the same order may succeed later. */
  readonly retry: boolean
}

export type SubmitOutcome =
  /** The provider accepted it under this id. */
  | { readonly kind: 'accepted'; readonly renderId: string }
  | Refusal
  /** It may have been accepted. */
  | { readonly kind: 'unknown'; readonly reason: string }

/**
 * Provably not accepted, and so not charged. `waitMs`: no new render may be requested from this provider for this
 * long (429, no credit). `countsAsTry`: whether the refusal is about this order.
 */
export interface Refusal {
  readonly kind: 'refused'
  readonly trouble: ProviderTrouble
  readonly waitMs: number | null
  readonly countsAsTry: boolean
  /** The provider could not be reached. */
  readonly isSilent?: boolean
}

/** A render in the provider's records. */
export interface ProviderRender {
  readonly id: string
  /** ms since the epoch, by our clock. */
  readonly createdAt: number
  /** `aborted`: cancelled before it began, counts as not charged. `cancelled`: while it ran, counts as charged. */
  readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled' | 'aborted'
  /** Null if the provider doesn't say. */
  readonly model: string | null
  /** The prompt of the request. Null if the provider doesn't say. */
  readonly prompt: string | null
  /** The request's input and webhook address as text, to search for marks; null if the provider removed them. */
  readonly inputText: string | null
  /** Address of the clip; null before it exists and after its removal. */
  readonly outputUrl: string | null
  /** Other addresses to check if `outputUrl` may not be a clip. */
  readonly otherUrls: readonly string[]
  /** The provider says that it removed input and output. */
  readonly isRemoved: boolean
  /** Why it failed. */
  readonly trouble: ProviderTrouble | null
}

export type ReadOutcome =
  | { readonly kind: 'found'; readonly render: ProviderRender }
  /** The provider says that no such render exists. */
  | { readonly kind: 'absent' }
  /** The state stays unknown; try again, after `waitMs` if the provider sets it. */
  | { readonly kind: 'failed'; readonly reason: string; readonly waitMs: number | null }

/** Recognises renders in a list. */
export interface Recognise {
  /** The mark in the text of a request; undefined if it has none. */
  readonly markIn: (inputText: string) => string | undefined
  /** Whether a render without a mark may still be the one searched for. */
  readonly resembles?: (render: Pick<ProviderRender, 'model' | 'prompt'>) => boolean
}

/** The few facts kept of each listed render: a list may hold thousands, each with pictures. */
export interface ListedRender extends Pick<ProviderRender, 'id' | 'createdAt' | 'state'> {
  /** The result of `markIn`. */
  readonly mark: string | null
  /** The result of `resembles`; false if a mark was found. */
  readonly resembles: boolean
  /** Whether the provider still has the input; without it the render cannot be attributed. */
  readonly hasInput: boolean
}

export type ListOutcome =
  /** Every render in the account created in the window, including those of other programs. */
  | { readonly kind: 'listed'; readonly renders: readonly ListedRender[] }
  | { readonly kind: 'failed'; readonly reason: string; readonly waitMs: number | null }

export type AccountOutcome =
  /** The provider's name of the account; null if its accounts have no names. */
  | { readonly kind: 'known'; readonly name: string | null }
  /** `refusal`: the outcome for a request that needs the account. */
  | { readonly kind: 'failed'; readonly reason: string; readonly refusal: Refusal }

export type FetchOutcome =
  /** All announced bytes are in the file, synced. */
  | { readonly kind: 'fetched'; readonly size: number }
  /** The provider says that the clip doesn't exist, or no longer. */
  | { readonly kind: 'gone'; readonly reason: string }
  /** Incomplete; the file keeps the received bytes, and the next call resumes there. */
  | { readonly kind: 'failed'; readonly reason: string }

export interface Provider {
  readonly name: string
  /** Models that scenes can name. */
  readonly models: readonly string[]
  /** Maximum of concurrent renders over all jobs. */
  readonly maxConcurrency: number
  /** Shortest time between two starts over all jobs. */
  readonly startDelayMs: number
  /** After this time the provider cancels a render itself, even if this process is down. */
  readonly cancelAfterMs: number
  /**
   * Makes the pictures reachable for the provider. Can be repeated. Trouble and rejections (the signal fired, a
   * picture is unreadable) cost nothing.
   */
  prepare(order: ProviderOrder, signal: AbortSignal): Promise<PreparedOrder | ProviderTrouble>
  /**
   * Sends the order once, without any retry. Never rejects: an unclear outcome is `unknown`. `maySend` is the fence of this
   * payment: call it when the connection is ready, directly before the first byte. If it is false, send nothing and resolve
   * to `refused`: this process was held up, and another one may already search for the render.
   */
  submit(order: PreparedOrder, signal: AbortSignal, maySend: () => boolean): Promise<SubmitOutcome>
  /** The account that pays. A list proves absence in this account alone. Never rejects. */
  account(signal: AbortSignal): Promise<AccountOutcome>
  /** Never rejects; nor do `cancel` and `list`. */
  read(renderId: string, signal: AbortSignal): Promise<ReadOutcome>
  /**
   * Requests the cancellation of a render; if the provider refuses, `read` gives the state. `maySend`, where it is given, is a
   * fence as in `submit`; if it is false, send nothing and resolve to `failed`.
   */
  cancel(renderId: string, signal: AbortSignal, maySend?: () => boolean): Promise<ReadOutcome>
  /** `after`, `before`: ms since the epoch, by our clock. All pages or `failed`: an incomplete list proves no absence. */
  list(
    window: { readonly after: number; readonly before?: number },
    recognise: Recognise,
    signal: AbortSignal,
  ): Promise<ListOutcome>
  /**
   * Streams a clip to `path` and resumes where an earlier call was cut off. A file beside it may identify the clip that
   * its bytes belong to. Rejects only on errors of the disk.
   */
  fetchClip(
    request: {
      readonly url: string
      /** Fetched instead of `url` if one of these is a clip and `url` is not. */
      readonly others?: readonly string[]
      readonly path: string
      readonly maxBytes: number
    },
    signal: AbortSignal,
  ): Promise<FetchOutcome>
  /** For `doctor`: resolves to a short summary; rejects with the problem. */
  check?(signal: AbortSignal): Promise<string>
}
