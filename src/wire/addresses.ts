/** Addresses that this installation signs: pictures and webhooks for providers, links to films for people. */
import type { Config } from '../config.ts'
import type { Installation } from '../coordinator/attempt/installation.ts'
import type { Host } from '../host.ts'
import type { SignedAddresses } from '../http/routes/parts.ts'
import { createUrlSigner } from '../renderer/replicate/signature.ts'

/** A wrong signature reads the secrets again at most this often. */
const leastRefreshMs = 1000

export function createAddresses(
  { publicBaseUrl }: Pick<Config, 'publicBaseUrl'>,
  parts: {
    readonly installation: Pick<Installation, 'secrets' | 'refresh'>
    readonly host: Host
    /** Whether other nodes may replace the installation's secret. */
    readonly areShared: boolean
  },
): SignedAddresses {
  const { installation, host, areShared } = parts
  let refreshedUntil = Number.NEGATIVE_INFINITY
  const signer = createUrlSigner({ secrets: () => installation.secrets(), now: () => host.now() })
  return {
    base: publicBaseUrl ?? '',
    sign: signer.sign,
    async check(text, proof) {
      const verdict = signer.verify(text, proof)
      if (verdict !== 'wrong' || !areShared || host.monotonic() < refreshedUntil) return verdict
      // Another node may have replaced the secret since the last heartbeat.
      refreshedUntil = host.monotonic() + leastRefreshMs
      await installation.refresh()
      return signer.verify(text, proof)
    },
  }
}
