/** At start and every minute, compares each provider's list with our attempts, so that no render goes unnoticed. */
import type { RunningCoordinator } from '../../coordinator/coordinator.ts'
import type { Host } from '../../host.ts'
import { type Log, logLine } from '../../log.ts'
import { createLoop } from '../../loop.ts'
import type { Provider } from '../../renderer/provider.ts'

export interface ReconcileOptions {
  readonly coordinator: RunningCoordinator
  readonly providers: readonly Provider[]
  readonly host: Host
  readonly log: Log
}

const everyMs = 60_000

/** How long a provider lists a request's input, plus a margin. */
const lookBackMs = 65 * 60_000

export function startReconciling(options: ReconcileOptions): { stop(): Promise<void> } {
  const { providers, host, log } = options
  const loops = providers.map((provider) =>
    createLoop({
      host,
      async look(stopped) {
        await reconcile(options, provider, stopped)
        return everyMs
      },
      onError: (error) => logLine.cannotAccount(log, provider.name, String(error)),
      backOffMs: everyMs,
    }),
  )
  for (const loop of loops) loop.start()
  return {
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}

async function reconcile(
  { coordinator, host, log }: ReconcileOptions,
  provider: Provider,
  signal: AbortSignal,
): Promise<void> {
  const account = await provider.account(signal)
  if (account.kind === 'known' && account.name !== null)
    await coordinator.accountIs(provider.name, account.name)
  const markIn = await coordinator.marksAt(provider.name)
  const listing = await provider.list({ after: host.now() - lookBackMs }, { markIn }, signal)
  if (listing.kind === 'failed') return logLine.cannotAccount(log, provider.name, listing.reason)
  for (const renderId of await coordinator.accountFor(provider.name, listing.renders))
    await provider.cancel(renderId, signal)
}
