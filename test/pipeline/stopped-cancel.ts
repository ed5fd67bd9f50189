/**
 * A process that leads the comparison with the provider of its first argument, and has found a render to cancel. Its second says
 * how it is held up: `stopped` stops the whole process before it sends the cancel.
 */
import { systemHost } from '../../src/host.ts'
import { createLog } from '../../src/log.ts'
import { leadReconciling } from '../../src/pipeline/follow/reconcile.ts'
import type { Provider } from '../../src/renderer/provider.ts'
import { renderId, replicateAt } from '../renderer/replicate/scripted.ts'
import { stopHere } from './stop-here.ts'

const [, , url = '', how] = process.argv
const replicate = replicateAt(url)
const coordinator = {
  accountIs: async () => {},
  marksAt: async () => () => undefined,
  accountFor: async () => [renderId],
  isUnwanted: async () => {
    if (how === 'stopped') stopHere()
    return true
  },
}
const provider: Provider = {
  ...replicate,
  account: async () => ({ kind: 'known', name: null }),
  list: async () => ({ kind: 'listed', renders: [] }),
  async cancel(...request) {
    const outcome = await replicate.cancel(...request)
    process.send?.(outcome.kind)
    return outcome
  },
}
const stopped = new AbortController()
leadReconciling({
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the few verbs that a comparison uses
  coordinator: coordinator as never,
  providers: [provider],
  host: systemHost,
  log: createLog({ level: 'silent' }),
  lead: (_, run) => void run(stopped.signal),
})
process.on('message', () => process.exit())
