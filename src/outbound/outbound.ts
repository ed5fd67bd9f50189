/** The port to addresses that users gave: nothing is sent but to where the operator lets users send to. */

export interface Outgoing {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * - `answered`: whatever the status; `waitMs` is what `Retry-After` asks for.
 * - `unanswered`: refused by us, not reached, or too slow; `reason` is fit to be shown to whom the address belongs.
 * - `cut_off`: `signal` fired.
 */
export type Outcome =
  | { readonly kind: 'answered'; readonly status: number; readonly waitMs: number | null }
  | { readonly kind: 'unanswered'; readonly reason: string }
  | { readonly kind: 'cut_off' }

export interface Outbound {
  /**
   * Sends once, and takes at most 15 s. Redirects are followed where they repeat the POST (307, 308), three at most, each
   * checked like the first address. Never rejects.
   */
  post(outgoing: Outgoing, signal: AbortSignal): Promise<Outcome>
  /** Drops every connection. */
  close(): Promise<void>
}
