/** Signatures: verifies webhooks from Replicate, and signs and verifies our own addresses. */
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
  /** The received bytes: parsing and writing JSON again would change the signature. */
  readonly rawBody: Uint8Array
  /** Each is `whsec_` and a key in base64; several during a rotation. */
  readonly secrets: readonly string[]
  readonly nowMs: number
  readonly toleranceMs?: number
}

export type SignatureVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false
      /** `no_secret`: no secret is available, so the message is neither valid nor invalid. */
      readonly reason: 'missing_headers' | 'not_now' | 'no_secret' | 'wrong_signature'
    }

const fiveMinutesMs = 300_000

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. Refuses old messages against replays. */
export function verifySignature(message: SignedMessage): SignatureVerdict {
  const { headers, rawBody, secrets, nowMs, toleranceMs = fiveMinutesMs } = message
  const { id, timestamp, signature } = headers
  if (!id || !timestamp || !signature) return { ok: false, reason: 'missing_headers' }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(nowMs - Number(timestamp) * 1000) > toleranceMs)
    return { ok: false, reason: 'not_now' }
  // Anyone could sign with an empty key.
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

/** The signature in the query of an address. */
export interface AddressProof {
  /** Seconds since the epoch. */
  readonly expires: string | undefined
  /** The full HMAC-SHA256 in base64url. */
  readonly signature: string | undefined
}

/** `ended`: we signed it, and its time is over. `wrong`: not signed by us, or with a secret that no longer counts. */
export type AddressVerdict = 'valid' | 'ended' | 'wrong'

export interface UrlSigner {
  /**
   * The query that makes an address valid until it expires: `expires=1790000000&signature=...`. `until`: ms since the epoch,
   * rounded up to a second; by default in a day.
   */
  sign(text: string, until?: number): string
  verify(text: string, proof: AddressProof): AddressVerdict
}

export interface UrlSignerOptions {
  /** The first one signs; all of them verify. */
  readonly secrets: () => readonly string[]
  /** ms since the epoch. */
  readonly now: () => number
}

/** A margin: a render waits, runs and needs its pictures for two hours at most. */
const validMs = 24 * 60 * 60_000

/** Signs addresses that grant one right, such as reading a picture or reporting on an attempt. */
export function createUrlSigner({ secrets, now }: UrlSignerOptions): UrlSigner {
  return {
    sign: (text, until = now() + validMs) => {
      const expires = String(Math.ceil(until / 1000))
      return `expires=${expires}&signature=${signatureOf(secrets()[0] ?? '', text, expires)}`
    },
    verify: (text, { expires = '', signature = '' }) => {
      const isOurs =
        /^\d{1,12}$/.test(expires) &&
        secrets().some((secret) => isSame(signatureOf(secret, text, expires), signature))
      if (!isOurs) return 'wrong'
      return Number(expires) * 1000 > now() ? 'valid' : 'ended'
    },
  }
}

function signatureOf(secret: string, text: string, expires: string): string {
  // Anyone could sign with an empty key.
  if (secret === '') throw new TypeError('the secret that signs addresses is empty')
  return createHmac('sha256', secret).update(`${text} until ${expires}`).digest('base64url')
}

/** Compares in constant time. */
function isSame(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)]
  return one.length === other.length && timingSafeEqual(one, other)
}
