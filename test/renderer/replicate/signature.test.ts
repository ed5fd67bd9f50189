import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type AddressProof,
  createUrlSigner,
  type SignedMessage,
  verifySignature,
} from '../../../src/renderer/replicate/signature.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const otherSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'
const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const nowMs = 1_614_265_330_000
const body = Buffer.from('{"test": 2432232314}')

function sign(by: string, timestamp = String(nowMs / 1000)): string {
  const key = Buffer.from(by.slice('whsec_'.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body.toString()}`).digest('base64')}`
}

function message(
  change: Partial<SignedMessage> = {},
  headers: Partial<SignedMessage['headers']> = {},
): SignedMessage {
  const timestamp = headers.timestamp ?? String(nowMs / 1000)
  return {
    headers: { id, timestamp, signature: sign(secret, timestamp), ...headers },
    rawBody: body,
    secrets: [secret],
    nowMs,
    ...change,
  }
}

describe("a webhook's signature", () => {
  it('holds for the example that the scheme is published with', () => {
    const signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    expect(verifySignature(message({}, { signature }))).toEqual({ ok: true })
  })

  it('holds with the second of several secrets, and as the second of several signatures', () => {
    expect(verifySignature(message({ secrets: [otherSecret, secret] }))).toEqual({ ok: true })
    const signature = `${sign(otherSecret)} v1a,${'A'.repeat(86)} ${sign(secret)}`
    expect(verifySignature(message({}, { signature }))).toEqual({ ok: true })
  })

  it('holds for five minutes, both ways', () => {
    const at = (offsetMs: number) =>
      verifySignature(message({}, { timestamp: String((nowMs + offsetMs) / 1000) })).ok
    expect([-300_000, 300_000].map(at)).toEqual([true, true])
    expect([-301_000, 301_000].map(at)).toEqual([false, false])
    const yearOld = message({}, { timestamp: String(nowMs / 1000 - 31_536_000) })
    expect(verifySignature(yearOld)).toEqual({ ok: false, reason: 'not_now' })
  })

  it.each(['', 'soon', '1e9', '-1614265330', '1614265330.5', '9'.repeat(400)])(
    'does not hold at the time %j',
    (timestamp) => {
      expect(verifySignature(message({}, { timestamp })).ok).toBe(false)
    },
  )

  it('does not hold for another body, id, time or secret', () => {
    const wrong = { ok: false, reason: 'wrong_signature' }
    expect(verifySignature(message({ rawBody: Buffer.from('{"test": 2432232315}') }))).toEqual(wrong)
    expect(verifySignature(message({}, { id: 'msg_another' }))).toEqual(wrong)
    const later = String(nowMs / 1000 + 1)
    expect(verifySignature(message({}, { timestamp: later, signature: sign(secret) }))).toEqual(wrong)
    expect(verifySignature(message({ secrets: [otherSecret] }))).toEqual(wrong)
  })

  it.each(['v1,', 'v1', ',', `v2,${'A'.repeat(43)}=`, 'v1,ééé'])('does not hold as %j', (signature) => {
    expect(verifySignature(message({}, { signature }))).toEqual({ ok: false, reason: 'wrong_signature' })
  })

  it('is missed where a header is missing', () => {
    for (const name of ['id', 'timestamp', 'signature']) {
      const { headers } = message()
      expect(verifySignature(message({ headers: { ...headers, [name]: undefined } }))).toEqual({
        ok: false,
        reason: 'missing_headers',
      })
    }
  })

  it('proves nothing without a secret: an empty key is one that everybody has', () => {
    for (const secrets of [[], ['whsec_'], ['']])
      expect(verifySignature(message({ secrets }, { signature: sign('whsec_') }))).toEqual({
        ok: false,
        reason: 'no_secret',
      })
  })
})

describe('an address that we sign', () => {
  const hour = 3_600_000
  let now = Date.UTC(2027, 0, 1)
  let secrets = ['a secret of ours']
  const signer = createUrlSigner({ secrets: () => secrets, now: () => now })
  const proofOf = (query: string): AddressProof => {
    const given = new URLSearchParams(query)
    return { expires: given.get('expires') ?? undefined, signature: given.get('signature') ?? undefined }
  }

  it('is known again, and no other', () => {
    const query = signer.sign('/inputs/1/0')
    expect(query).toMatch(/^expires=\d+&signature=[\w-]{43}$/)
    const proof = proofOf(query)
    const { expires, signature } = proof
    expect(signer.verify('/inputs/1/0', proof)).toBe('valid')
    expect(signer.verify('/inputs/1/1', proof)).toBe('wrong')
    for (const other of [
      {},
      { expires },
      { signature },
      { expires, signature: '' },
      { expires, signature: signature!.slice(0, -1) },
      { expires, signature: `${signature}A` },
      { expires: String(Number(expires) + 1), signature },
      { expires: `${expires} `, signature },
      { expires: `+${expires}`, signature },
      { expires: '9'.repeat(400), signature },
      { expires: '', signature },
    ])
      expect(signer.verify('/inputs/1/0', { expires: undefined, signature: undefined, ...other })).toBe(
        'wrong',
      )
    const stranger = createUrlSigner({ secrets: () => ['another secret'], now: () => now })
    expect(stranger.verify('/inputs/1/0', proof)).toBe('wrong')
  })

  it('ends after a day', () => {
    const proof = proofOf(signer.sign('webhook 1'))
    now += 24 * hour - 1000
    expect(signer.verify('webhook 1', proof)).toBe('valid')
    now += 2000
    expect(signer.verify('webhook 1', proof)).toBe('ended')
  })

  it('is signed with the first secret, and known by each', () => {
    const before = proofOf(signer.sign('webhook 1'))
    secrets = ['a new secret', ...secrets]
    const after = proofOf(signer.sign('webhook 1'))
    expect(after.signature).not.toBe(before.signature)
    for (const proof of [before, after]) expect(signer.verify('webhook 1', proof)).toBe('valid')
    secrets = secrets.slice(0, 1)
    expect(signer.verify('webhook 1', before)).toBe('wrong')
    expect(signer.verify('webhook 1', after)).toBe('valid')
  })

  it('is not signed with an empty secret', () => {
    const open = createUrlSigner({ secrets: () => [''], now: () => now })
    expect(() => open.sign('webhook 1')).toThrow('is empty')
  })
})
