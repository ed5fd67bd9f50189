/** The paid providers of the configuration, and what of this server they reach. */
import type { Config } from '../config.ts'
import type { Installation } from '../coordinator/attempt/installation.ts'
import { markOf } from '../coordinator/attempt/reconcile.ts'
import type { Host } from '../host.ts'
import { addressOf } from '../http/edge/path.ts'
import type { ProviderGate, SignedAddresses } from '../http/routes/parts.ts'
import type { Catalogue } from '../job/catalogue.ts'
import { createGuardedFetch } from '../outbound/guarded.ts'
import type { Provider } from '../renderer/provider.ts'
import { createReplicate } from '../renderer/replicate/replicate.ts'
import { verifySignature } from '../renderer/replicate/signature.ts'
import { tracedProvider } from '../telemetry/tracing.ts'

export interface Outside {
  readonly providers: readonly Provider[]
  /** Serves pictures to a provider and receives its webhooks; undefined if the provider cannot reach this server. */
  readonly gate: ProviderGate | undefined
  close(): Promise<void>
}

export function openProviders(
  { replicate: config, publicBaseUrl }: Config,
  parts: {
    readonly catalogue: Catalogue
    readonly installation: Installation
    readonly addresses: SignedAddresses
    readonly host: Host
  },
): Outside {
  if (!config) return { providers: [], gate: undefined, close: async () => {} }
  const { catalogue, installation, addresses, host } = parts
  const outside = (path: string): string => `${publicBaseUrl}${path}`
  const reached = publicBaseUrl !== undefined
  // A provider must not make us reach private networks, even those allowed for webhooks.
  const guarded = createGuardedFetch({ allowed: [] })
  const provider = createReplicate({
    ...config,
    fetchOutside: guarded.fetch,
    catalogue,
    inputUrl: reached
      ? (attemptId, n) => outside(addressOf.input(markOf(installation.id, attemptId), n, addresses.sign))
      : undefined,
    webhookUrl: reached ? (attemptId) => outside(addressOf.webhook(attemptId, addresses.sign)) : undefined,
    host,
  })
  const gate: ProviderGate = {
    isOurs: async (text, proof) => (await addresses.check(text, proof)) === 'valid',
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
