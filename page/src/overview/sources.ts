/** What the overview reads. */
import {
  type BudgetsAnswer,
  type ChangesAnswer,
  type LimitsAnswer,
  type NodesAnswer,
  type QueueAnswer,
  type SpendAnswer,
  type StatisticsAnswer,
  type StorageAnswer,
  client,
} from '../server/client.ts'
import type { Live, Source } from '../server/live.ts'
import { steady, useSteady } from '../server/steady.ts'
import { dayOf, spendDays } from './days.ts'

export type Window = StatisticsAnswer['window']
export const windows = ['24h', '7d', '30d'] as const satisfies readonly Window[]

const dayMs = 86_400_000
const limits = steady('limits', (signal) => client.readLimits({ signal }))
const budgets = steady('budgets', (signal) => client.readBudgets({ signal }))
const queue = steady('queue', (signal) => client.readQueue({ signal }))
const nodes = steady('nodes', (signal) => client.listNodes({ signal }))
const changes = steady('changes', (signal) => client.listChanges({ limit: 20 }, { signal }))
const storage = steady('storage', (signal) => client.readStorage({ signal }))
const spend = steady('spend by day', (signal) =>
  client.readSpend({ group: 'client,day', from: dayOf(Date.now() - (spendDays - 1) * dayMs) }, { signal }),
)
const statistics: Readonly<Record<Window, Source<StatisticsAnswer>>> = {
  '24h': steady('statistics 24h', (signal) => client.readStatistics({ window: '24h' }, { signal })),
  '7d': steady('statistics 7d', (signal) => client.readStatistics({ window: '7d' }, { signal })),
  '30d': steady('statistics 30d', (signal) => client.readStatistics({ window: '30d' }, { signal })),
}

export interface Figures {
  readonly limits: Live<LimitsAnswer>
  readonly budgets: Live<BudgetsAnswer>
  readonly queue: Live<QueueAnswer>
  readonly nodes: Live<NodesAnswer>
  readonly changes: Live<ChangesAnswer>
  readonly storage: Live<StorageAnswer>
  readonly spend: Live<SpendAnswer>
  readonly statistics: Live<StatisticsAnswer>
}

export const useSpend = (): Live<SpendAnswer> => useSteady(spend, 5000)

export function useFigures(window: Window): Figures {
  return {
    limits: useSteady(limits),
    budgets: useSteady(budgets),
    queue: useSteady(queue),
    nodes: useSteady(nodes, 5000),
    changes: useSteady(changes),
    storage: useSteady(storage, 60_000),
    spend: useSpend(),
    statistics: useSteady(statistics[window], window === '24h' ? 5000 : 30_000),
  }
}
