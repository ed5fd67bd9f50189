/** The port for requests to URLs that users gave, restricted to addresses the operator allows. */

export interface Outgoing {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Looked at when the connection is there, directly before the first byte: if false, nothing is sent. Default: true. */
  readonly mayBeSent?: () => boolean
}

/**
 * - `answered`: with any status; `waitMs` is the value of `Retry-After`.
 * - `unanswered`: refused here, unreachable, or too slow; `reason` may be shown to the endpoint's owner.
 * - `cut_off`: `signal` fired, or it may no longer be sent.
 */
export type Outcome =
  | { readonly kind: 'answered'; readonly status: number; readonly waitMs: number | null }
  | { readonly kind: 'unanswered'; readonly reason: string }
  | { readonly kind: 'cut_off' }

export interface Outbound {
  /**
   * Sends once, within 15 s. Follows up to three redirects that repeat the POST (307, 308); each address is checked like the
   * first. Never rejects.
   */
  post(outgoing: Outgoing, signal: AbortSignal): Promise<Outcome>
  /** Drops every connection. */
  close(): Promise<void>
}
