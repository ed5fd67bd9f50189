/** On one node, at its start and every minute, compares each provider's list with our attempts, so that no render goes unnoticed. */
import type { RunningCoordinator } from '../../coordinator/coordinator.ts'
import type { Host } from '../../host.ts'
import { sentWithinMs } from '../../job/attempt.ts'
import { type Log, logLine } from '../../log.ts'
import { type Lead, createLedLoop } from '../../loop.ts'
import type { Provider } from '../../renderer/provider.ts'

export interface ReconcileOptions {
  readonly coordinator: RunningCoordinator
  readonly providers: readonly Provider[]
  readonly host: Host
  readonly log: Log
  readonly lead: Lead
}

const everyMs = 60_000

/** How long a provider lists a request's input, plus a margin. */
const lookBackMs = 65 * 60_000

/** Call it before the engine starts. */
export function leadReconciling(options: ReconcileOptions): void {
  const { providers, host, log, lead } = options
  for (const provider of providers) {
    const loop = createLedLoop({
      host,
      async look(stopped) {
        await reconcile(options, provider, stopped)
        return everyMs
      },
      onError: (error) => logLine.cannotAccount(log, provider.name, String(error)),
      backOffMs: everyMs,
    })
    lead(`reconcile ${provider.name}`, loop.run)
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
  for (const renderId of await coordinator.accountFor(provider.name, listing.renders)) {
    const begunAt = host.monotonic()
    const maySend = (): boolean => !signal.aborted && host.monotonic() - begunAt <= sentWithinMs
    if (await coordinator.isUnwanted(provider.name, renderId))
      await provider.cancel(renderId, signal, maySend)
  }
}
