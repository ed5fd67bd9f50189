/**
 * The port to a renderer that belongs to somebody else and is paid for (`replicate/`). Where `renderer.ts` renders
 * and returns, a provider is told, watched and fetched from in steps, because between any two of them this process
 * may die: the coordinator commits what is known after each (the money protocol).
 */
import type { FrameFormat } from '../job/format.ts'
import type { RenderSettings } from '../job/scene.ts'

/** A render as it is asked for. */
export interface ProviderOrder {
  readonly attemptId: string
  /** Text that is put into the request so that it shows in the provider's own records of it. */
  readonly mark: string
  readonly model: string
  readonly prompt: string
  readonly settings: RenderSettings
  /** Of the film. */
  readonly format: FrameFormat
  /** One picture, or the first and the last: absolute paths of upright sRGB JPEG files, in the film's shape already. */
  readonly images: readonly string[]
}

/** A request that is ready to be sent: everything that can go wrong without money has been done. Plain JSON. */
export interface PreparedOrder {
  readonly model: string
  readonly attemptId: string
  readonly input: Readonly<Record<string, unknown>>
  /** Texts, any of which tells in the provider's records that a render is this order's. */
  readonly marks: readonly string[]
}

/** A refusal or failure as a vendor's edge classes it. */
export interface ProviderTrouble {
  /** Such as `throttled`, `unreachable`, `bad_input`, `content_refused`, `no_credit`, `not_allowed`, `provider_error`. */
  readonly code: string
  /** In the provider's own words, shortened; never with a secret in it. */
  readonly reason: string
  /** Whether the same order may succeed another time. */
  readonly retry: boolean
}

export type SubmitOutcome =
  /** The provider has it, under this id. */
  | { readonly kind: 'accepted'; readonly renderId: string }
  | Refusal
  /** It may have been accepted. */
  | { readonly kind: 'unknown'; readonly reason: string }

/**
 * Provably not accepted, and so not charged. `waitMs`: nobody may ask this provider for a new render for so
 * long (429, no credit). `countsAsTry`: whether it says anything about this order.
 */
export interface Refusal {
  readonly kind: 'refused'
  readonly trouble: ProviderTrouble
  readonly waitMs: number | null
  readonly countsAsTry: boolean
  /** It could not be reached at all. */
  readonly isSilent?: boolean
}

/** What the provider knows of a render. */
export interface ProviderRender {
  readonly id: string
  /** ms since the epoch, by our clock. */
  readonly createdAt: number
  /** `aborted`: ended before it began, taken for not charged; `cancelled`: ended while it ran, taken for charged. */
  readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled' | 'aborted'
  /** Null where the provider doesn't tell. */
  readonly model: string | null
  /** What it was asked for with. Null where the provider doesn't tell. */
  readonly prompt: string | null
  /** The request's input as text, and where it was to be told of, to look for marks in; null where the provider has removed it. */
  readonly inputText: string | null
  /** Where the clip can be fetched; null before it is there and after it was removed. */
  readonly outputUrl: string | null
  /** Where it may be instead, if its address doesn't tell that it is a clip. */
  readonly otherUrls: readonly string[]
  /** The provider says that it has removed what was sent and made. */
  readonly isRemoved: boolean
  /** Why it failed. */
  readonly trouble: ProviderTrouble | null
}

export type ReadOutcome =
  | { readonly kind: 'found'; readonly render: ProviderRender }
  /** The provider says that it has no such render. */
  | { readonly kind: 'absent' }
  /** Nothing was learnt; ask again, not before `waitMs` where the provider says so. */
  | { readonly kind: 'failed'; readonly reason: string; readonly waitMs: number | null }

/** What a list is read for. */
export interface Recognise {
  /** What tells whose a render is, in the text of its request; undefined where nothing does. */
  readonly markIn: (inputText: string) => string | undefined
  /** Whether a render in whose request there is no mark may be the one that is looked for, all the same. */
  readonly resembles?: (render: Pick<ProviderRender, 'model' | 'prompt'>) => boolean
}

/** What is kept of a render in a list: thousands may be listed, each with pictures. */
export interface ListedRender extends Pick<ProviderRender, 'id' | 'createdAt' | 'state'> {
  /** What `markIn` found in its request. */
  readonly mark: string | null
  /** What `resembles` said; false where a mark was found. */
  readonly resembles: boolean
  /** Whether the provider still has the input: where it hasn't, nothing tells whose the render is. */
  readonly hasInput: boolean
}

export type ListOutcome =
  /** Every render the provider lists as created in the window, of anybody's who uses the same account. */
  | { readonly kind: 'listed'; readonly renders: readonly ListedRender[] }
  | { readonly kind: 'failed'; readonly reason: string; readonly waitMs: number | null }

export type AccountOutcome =
  /** The provider's own name of the account; null where it has no such names. */
  | { readonly kind: 'known'; readonly name: string | null }
  /** `refusal`: as it counts for a request that needs to know the account. */
  | { readonly kind: 'failed'; readonly reason: string; readonly refusal: Refusal }

export type FetchOutcome =
  /** All announced bytes are in the file, synced. */
  | { readonly kind: 'fetched'; readonly size: number }
  /** The provider says that there is no such clip, or none any more. */
  | { readonly kind: 'gone'; readonly reason: string }
  /** Not all of it came; what came is kept in the file, and another call goes on from there. */
  | { readonly kind: 'failed'; readonly reason: string }

export interface Provider {
  readonly name: string
  /** Models a scene can name to be rendered here. */
  readonly models: readonly string[]
  /** How many renders may run here at once, over all jobs. */
  readonly maxConcurrency: number
  /** The least time between two starts, over all jobs. */
  readonly startDelayMs: number
  /** After this long the provider ends a render by itself, whatever happened to us. */
  readonly cancelAfterMs: number
  /**
   * Makes the pictures reachable for the provider. May be done again. Trouble and rejections (the signal fired, a
   * picture can't be read) cost nothing.
   */
  prepare(order: ProviderOrder, signal: AbortSignal): Promise<PreparedOrder | ProviderTrouble>
  /** Sends the order, once, without any retry. Rejects never: what isn't known is `unknown`. */
  submit(order: PreparedOrder, signal: AbortSignal): Promise<SubmitOutcome>
  /** The account that pays: what it doesn't list is absent there, and nowhere else. Rejects never. */
  account(signal: AbortSignal): Promise<AccountOutcome>
  /** Rejects never; nor do `cancel` and `list`. */
  read(renderId: string, signal: AbortSignal): Promise<ReadOutcome>
  /** Asks the provider to end a render; where it refuses, `read` tells what became of it. */
  cancel(renderId: string, signal: AbortSignal): Promise<ReadOutcome>
  /** `after`, `before`: ms since the epoch, by our clock. All pages, or `failed`: half a list would prove an absence that isn't one. */
  list(
    window: { readonly after: number; readonly before?: number },
    recognise: Recognise,
    signal: AbortSignal,
  ): Promise<ListOutcome>
  /**
   * Streams a clip to `path`, going on where an earlier call was cut off; a file beside it may say what it is the
   * beginning of. Rejects where the disk is to blame, and no one else.
   */
  fetchClip(
    request: {
      readonly url: string
      /** One of these is fetched instead where it is a clip, and what is at `url` is none. */
      readonly others?: readonly string[]
      readonly path: string
      readonly maxBytes: number
    },
    signal: AbortSignal,
  ): Promise<FetchOutcome>
  /** For `doctor`: resolves to what was found, in a few words; rejects with what is wrong. */
  check?(signal: AbortSignal): Promise<string>
}
