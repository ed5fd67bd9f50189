/** At start and every minute: what each provider lists is compared with our attempts, so that no render goes unseen. */
import type { RunningCoordinator } from '../coordinator/coordinator.ts'
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'
import type { Provider } from '../renderer/provider.ts'

export interface SweepOptions {
  readonly coordinator: RunningCoordinator
  readonly providers: readonly Provider[]
  readonly host: Host
  readonly log: Log
}

const everyMs = 60_000

/** As long as a provider tells what was sent, and a little more. */
const lookBackMs = 65 * 60_000

export interface Sweep {
  /** One comparison with every provider. */
  now(): Promise<void>
  stop(): Promise<void>
}

export function startSweep({ coordinator, providers, host, log }: SweepOptions): Sweep {
  const stopped = new AbortController()
  const { signal } = stopped

  const sweep = async (provider: Provider): Promise<void> => {
    const account = await provider.account(signal)
    if (account.kind === 'known' && account.name !== null)
      await coordinator.accountIs(provider.name, account.name)
    const markIn = await coordinator.marksAt(provider.name)
    const listing = await provider.list({ after: host.now() - lookBackMs }, { markIn }, signal)
    if (listing.kind === 'failed') return logLine.cannotAccount(log, provider.name, listing.reason)
    for (const renderId of await coordinator.accountFor(provider.name, listing.renders))
      await provider.cancel(renderId, signal)
  }

  const now = async (): Promise<void> => {
    for (const provider of providers)
      await sweep(provider).catch((error: unknown) => {
        if (!signal.aborted) logLine.cannotAccount(log, provider.name, String(error))
      })
  }

  const running = (async () => {
    while (!signal.aborted && providers.length > 0) {
      await now()
      await host.sleep(everyMs, signal)
    }
  })()

  return {
    now,
    async stop() {
      stopped.abort(new Error('the sweep is stopping'))
      await running
    },
  }
}
