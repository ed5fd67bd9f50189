/** Spending as the plot draws it: a bar for each day, the clients who spent most, and the others together. Pure. */
import type { SpendAnswer } from '../../../src/client/client.ts'
import type { PlotSeries } from './plot-series.ts'
import { dayOf, spendDays } from './days.ts'

const dayMs = 86_400_000

/** Colours of tokens.css; the last is that of all others. */
const colours = ['--plot-1', '--plot-2', '--plot-3', '--plot-4', '--plot-5'] as const
const othersColour = '--plot-others'

const sum = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0)

export function spendByDay(
  rows: SpendAnswer['rows'],
  now: number,
  names: { readonly noClient: string; readonly otherClients: string },
): { readonly times: readonly number[]; readonly series: readonly PlotSeries[] } {
  const today = Math.floor(now / dayMs) * dayMs
  const times = Array.from({ length: spendDays }, (_, index) => today - (spendDays - 1 - index) * dayMs)
  const placeOf = new Map(times.map((time, index) => [dayOf(time), index]))
  const byClient = new Map<string | null, number[]>()
  for (const { day = '', client_id: clientId = null, spent } of rows) {
    const place = placeOf.get(day)
    if (place === undefined) continue
    const values = byClient.get(clientId) ?? times.map(() => 0)
    byClient.set(clientId, values)
    values[place]! += spent ?? 0
  }
  const most = [...byClient].toSorted(([, one], [, other]) => sum(other) - sum(one))
  const hasOthers = most.length > colours.length
  const shown = most.slice(0, hasOthers ? colours.length - 1 : colours.length)
  const others = most.slice(shown.length)
  return {
    times,
    series: [
      ...shown.map(([clientId, values], index) => ({
        name: clientId ?? names.noClient,
        colour: colours[index]!,
        values,
      })),
      ...(hasOthers
        ? [
            {
              name: names.otherClients,
              colour: othersColour,
              values: times.map((_, index) => sum(others.map(([, values]) => values[index]!))),
            },
          ]
        : []),
    ],
  }
}
