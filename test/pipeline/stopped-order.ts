/**
 * A process that sends one order to the server of its first argument. Its second says how it is held up: `stopped` stops the
 * whole process between the commit and the request. It reports what it told the coordinator.
 */
import { systemHost } from '../../src/host.ts'
import { openFollower } from '../../src/pipeline/follow/follower.ts'
import { order } from '../../src/pipeline/follow/order.ts'
import type { Provider } from '../../src/renderer/provider.ts'
import { attemptId, prepared, replicateAt } from '../renderer/replicate/scripted.ts'
import { stopHere } from './stop-here.ts'

const [, , url = '', how] = process.argv
const never = new AbortController().signal
const tell = (said: unknown): void => void process.send?.(said)

const coordinator = {
  beginOrder: async () => ({ jobId: 1, asset_ids: [], model: prepared.model, prompt: '' }),
  beginPost: async () => {
    if (how === 'stopped') stopHere()
    return { kind: 'go' }
  },
  renderAccepted: async (_: string, id: string) => tell({ kind: 'accepted', id }),
  renderRefused: async (_: string, refused: object) => tell({ kind: 'refused', ...refused }),
  renderUnknown: async (_: string, unknown: object) => tell({ kind: 'unknown', ...unknown }),
}
const provider: Provider = {
  ...replicateAt(url),
  prepare: async () => prepared,
  account: async () => ({ kind: 'known', name: null }),
}
const parts = {
  coordinator,
  host: systemHost,
  room: { require: async () => {} },
  markOf: () => 'mark',
  studio: {
    inWorkspace: (use: (workspace: object) => Promise<unknown>) => use({ localPath: async () => '' }),
  },
  shapeOf: async () => ({ format: {}, fit: 'crop' }),
}
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the few parts that an order uses
const follower = openFollower(parts as never, attemptId, { signal: never, stopping: never })
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
await order(follower, { settings: {} } as never, provider)
process.disconnect()
