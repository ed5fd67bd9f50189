/** Two kinds of proof: that a webhook is Replicate's, and that an address was made by us. */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface SignedMessage {
  readonly headers: {
    /** `webhook-id`. */
    readonly id: string | undefined
    /** `webhook-timestamp`: seconds since the epoch. */
    readonly timestamp: string | undefined
    /** `webhook-signature`: one or more, between spaces, each `v1,` and base64. */
    readonly signature: string | undefined
  }
  /** As it came: text that was parsed and written again has another signature. */
  readonly rawBody: Uint8Array
  /** Each `whsec_` and a key in base64; several while one replaces another. */
  readonly secrets: readonly string[]
  readonly nowMs: number
  readonly toleranceMs?: number
}

export type SignatureVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false
      /** `no_secret`: nothing to check against, which says nothing about the message. */
      readonly reason: 'missing_headers' | 'not_now' | 'no_secret' | 'wrong_signature'
    }

const fiveMinutesMs = 300_000

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. Old messages are refused, or one could be sent again. */
export function verifySignature(message: SignedMessage): SignatureVerdict {
  const { headers, rawBody, secrets, nowMs, toleranceMs = fiveMinutesMs } = message
  const { id, timestamp, signature } = headers
  if (!id || !timestamp || !signature) return { ok: false, reason: 'missing_headers' }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(nowMs - Number(timestamp) * 1000) > toleranceMs)
    return { ok: false, reason: 'not_now' }
  // Anybody can sign with an empty key.
  const keys = secrets.map(keyOf).filter((key) => key.length > 0)
  if (keys.length === 0) return { ok: false, reason: 'no_secret' }
  const given = signature
    .split(' ')
    .filter((one) => one.startsWith('v1,'))
    .map((one) => one.slice('v1,'.length))
  const valid = keys.some((key) => {
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(rawBody).digest('base64')
    return given.some((one) => isSame(expected, one))
  })
  return valid ? { ok: true } : { ok: false, reason: 'wrong_signature' }
}

const keyOf = (secret: string): Buffer => Buffer.from(secret.replace(/^whsec_/, ''), 'base64')

/** What an address says in its query. */
export interface AddressProof {
  /** Seconds since the epoch. */
  readonly expires: string | undefined
  /** Base64url, of the whole HMAC-SHA256. */
  readonly signature: string | undefined
}

export interface UrlSigner {
  /** The query that proves an address ours until it ends: `expires=1790000000&signature=...`. */
  sign(text: string): string
  verify(text: string, proof: AddressProof): boolean
}

export interface UrlSignerOptions {
  /** The first signs, each of them counts. */
  readonly secrets: () => readonly string[]
  /** ms since the epoch. */
  readonly now: () => number
}

/** Longer than anybody needs one: a render waits, runs and keeps its pictures for two hours at most. */
const validMs = 24 * 60 * 60_000

/** Signs what an address lets its holder do, such as to read one picture or to report on one attempt. */
export function createUrlSigner({ secrets, now }: UrlSignerOptions): UrlSigner {
  return {
    sign: (text) => {
      const expires = String(Math.ceil((now() + validMs) / 1000))
      return `expires=${expires}&signature=${signatureOf(secrets()[0] ?? '', text, expires)}`
    },
    verify: (text, { expires = '', signature = '' }) =>
      /^\d{1,12}$/.test(expires) &&
      Number(expires) * 1000 > now() &&
      secrets().some((secret) => isSame(signatureOf(secret, text, expires), signature)),
  }
}

function signatureOf(secret: string, text: string, expires: string): string {
  // Anybody can sign with an empty key.
  if (secret === '') throw new TypeError('the secret that addresses are signed with is empty')
  return createHmac('sha256', secret).update(`${text} until ${expires}`).digest('base64url')
}

/** In a time that tells nothing about where they differ. */
function isSame(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)]
  return one.length === other.length && timingSafeEqual(one, other)
}
