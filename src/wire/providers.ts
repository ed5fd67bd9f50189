/** The paid providers of the configuration, and what of this server they reach. */
import type { Config } from '../config.ts'
import type { Installation } from '../coordinator/attempt/installation.ts'
import { markOf } from '../coordinator/attempt/reconcile.ts'
import type { Host } from '../host.ts'
import { addressOf } from '../http/edge/path.ts'
import type { ProviderGate } from '../http/routes/parts.ts'
import type { Catalogue } from '../job/catalogue.ts'
import { createGuardedFetch } from '../outbound/guarded.ts'
import type { Provider } from '../renderer/provider.ts'
import { createReplicate } from '../renderer/replicate/replicate.ts'
import { createUrlSigner, verifySignature } from '../renderer/replicate/signature.ts'
import { tracedProvider } from '../telemetry/tracing.ts'

export interface Outside {
  readonly providers: readonly Provider[]
  /** Serves pictures to a provider and receives its webhooks; undefined if the provider cannot reach this server. */
  readonly gate: ProviderGate | undefined
  close(): Promise<void>
}

/** A wrong signature reads the secrets again at most this often. */
const leastRefreshMs = 1000

export function openProviders(
  { replicate: config, publicBaseUrl }: Config,
  parts: {
    readonly catalogue: Catalogue
    readonly installation: Installation
    readonly host: Host
    /** Whether other nodes may replace the installation's secret. */
    readonly areShared: boolean
  },
): Outside {
  if (!config) return { providers: [], gate: undefined, close: async () => {} }
  const { catalogue, installation, host, areShared } = parts
  let refreshedUntil = Number.NEGATIVE_INFINITY
  const signer = createUrlSigner({
    secrets: () => installation.secrets(),
    now: () => host.now(),
  })
  const outside = (path: string): string => `${publicBaseUrl}${path}`
  const reached = publicBaseUrl !== undefined
  // A provider must not make us reach private networks, even those allowed for webhooks.
  const guarded = createGuardedFetch({ allowed: [] })
  const provider = createReplicate({
    ...config,
    fetchOutside: guarded.fetch,
    catalogue,
    inputUrl: reached
      ? (attemptId, n) => outside(addressOf.input(markOf(installation.id, attemptId), n, signer.sign))
      : undefined,
    webhookUrl: reached ? (attemptId) => outside(addressOf.webhook(attemptId, signer.sign)) : undefined,
    host,
  })
  const gate: ProviderGate = {
    async isOurs(text, proof) {
      if (signer.verify(text, proof)) return true
      if (!areShared || host.monotonic() < refreshedUntil) return false
      // Another node may have replaced the secret since the last heartbeat.
      refreshedUntil = host.monotonic() + leastRefreshMs
      await installation.refresh()
      return signer.verify(text, proof)
    },
    async isProviders(message) {
      const check = (secrets: readonly string[]) =>
        verifySignature({ ...message, secrets: [...config.webhookSecrets, ...secrets], nowMs: host.now() })
      const verdict = check(await provider.webhookSecrets())
      // The secret may have been rotated since it was fetched.
      if (verdict.ok || (verdict.reason !== 'wrong_signature' && verdict.reason !== 'no_secret'))
        return verdict
      return check(await provider.webhookSecrets({ fresh: true }))
    },
  }
  return {
    providers: [tracedProvider(provider)],
    gate: reached ? gate : undefined,
    close: () => guarded.close(),
  }
}
