/** What was spent each day, by client, beside the budget of a day. */
import { useCallback, useMemo } from 'react'
import type { BudgetsAnswer, SpendAnswer } from '../server/client.ts'
import type { Live } from '../server/live.ts'
import { moneyIn } from '../ui/amounts.ts'
import { useLanguage } from '../words/words.tsx'
import { Card } from './card.tsx'
import { PlotFrame } from './plot-frame.tsx'
import type { PlotShown } from './plot-series.ts'
import { spendByDay } from './spend-by-day.ts'

export function Spend({
  spend,
  budgets,
}: {
  readonly spend: Live<SpendAnswer>
  readonly budgets: BudgetsAnswer['budgets']
}) {
  const { words } = useLanguage()
  return (
    <Card title={words.overview.spend} live={spend} className="wide">
      {({ rows }) =>
        rows.length === 0 ? (
          <p className="quiet">{words.overview.nothingSpent}</p>
        ) : (
          <SpendPlot rows={rows} limit={budgets.find(({ name }) => name === 'day')?.limit} />
        )
      }
    </Card>
  )
}

function SpendPlot({
  rows,
  limit,
}: {
  readonly rows: SpendAnswer['rows']
  readonly limit: number | undefined
}) {
  const { code, words } = useLanguage()
  const format = useCallback((usd: number) => moneyIn(code, usd), [code])
  const formatTime = useMemo(() => {
    const written = new Intl.DateTimeFormat(code, { day: 'numeric', month: 'short', timeZone: 'UTC' })
    return (ms: number) => written.format(ms)
  }, [code])
  const plot = useMemo((): PlotShown => {
    const { noClient, otherClients, dayBudget } = words.overview
    const { times, series } = spendByDay(rows, Date.now(), { noClient, otherClients })
    const line =
      limit === undefined ? undefined : { name: dayBudget, colour: '--bad', values: times.map(() => limit) }
    return { times, series, line, format, formatTime, formatTick: formatTime }
  }, [rows, limit, words, format, formatTime])
  return (
    <>
      <p className="small quiet">{words.overview.spendAbout}</p>
      <PlotFrame title={words.overview.spend} plot={plot} />
    </>
  )
}
