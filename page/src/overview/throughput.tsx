/** Jobs that ended, how long each stage took, each model, and what failed. */
import { useMemo } from 'react'
import { Link } from '../router.tsx'
import type { StatisticsAnswer } from '../server/client.ts'
import { Time } from '../ui/values.tsx'
import { useLanguage, useWords } from '../words/words.tsx'
import { Card, Folded } from './card.tsx'
import { durationIn } from './duration.ts'
import { PlotFrame } from './plot-frame.tsx'
import type { PlotShown } from './plot-series.ts'
import type { Figures } from './sources.ts'

const wholeNumber = (value: number): string => (Number.isInteger(value) ? String(value) : '')

export function Throughput({ statistics }: Figures) {
  const words = useWords()
  return (
    <Card title={words.overview.throughput} live={statistics} className="half">
      {(data) => (
        <>
          <p className="small quiet">{words.overview.scenesDone(data.totals.scenes)}</p>
          {data.totals.completed + data.totals.failed + data.totals.cancelled === 0 ? (
            <p className="quiet">{words.overview.nothingEnded}</p>
          ) : (
            <ThroughputPlot statistics={data} />
          )}
        </>
      )}
    </Card>
  )
}

function ThroughputPlot({ statistics }: { readonly statistics: StatisticsAnswer }) {
  const { code, words } = useLanguage()
  const { buckets, window } = statistics
  const [formatTime, formatTick] = useMemo(() => {
    const day = { day: 'numeric', month: 'short' } as const
    const style =
      window === '30d'
        ? ({ ...day, timeZone: 'UTC' } as const)
        : window === '7d'
          ? ({ ...day, hour: 'numeric' } as const)
          : ({ hour: 'numeric', minute: '2-digit' } as const)
    const [written, short] = [style, window === '7d' ? day : style].map(
      (one) => new Intl.DateTimeFormat(code, one),
    )
    return [(ms: number) => written!.format(ms), (ms: number) => short!.format(ms)] as const
  }, [code, window])
  const plot = useMemo((): PlotShown => {
    const of = (name: 'completed' | 'failed' | 'cancelled' | 'created'): readonly number[] =>
      buckets.map((bucket) => bucket[name])
    return {
      times: buckets.map(({ from }) => Date.parse(from)),
      series: [
        { name: words.status.completed, colour: '--good', values: of('completed') },
        { name: words.status.failed, colour: '--bad', values: of('failed') },
        { name: words.overview.cancelled, colour: '--plot-others', values: of('cancelled') },
      ],
      format: wholeNumber,
      formatTime,
      formatTick,
    }
  }, [buckets, words, formatTime, formatTick])
  return <PlotFrame title={words.overview.throughput} plot={plot} />
}

const stageNames = ['approval', 'slot', 'rendering', 'stitching'] as const

/** Where a time lies between a second and the longest one: each doubling is as wide. */
const placeOf = (seconds: number, most: number): number =>
  (Math.log2(Math.max(1, seconds)) / Math.log2(Math.max(2, most))) * 100

export function Times({ statistics }: Figures) {
  const { code, words } = useLanguage()
  return (
    <Card title={words.overview.times} live={statistics}>
      {({ stages, models }) => {
        const most = Math.max(2, ...stageNames.map((name) => stages[name]?.p90_seconds ?? 0))
        return (
          <>
            <table className="figures">
              <thead className="small quiet">
                <tr>
                  <th scope="col">{words.overview.stage}</th>
                  <th scope="col">{words.overview.half}</th>
                  <th scope="col">{words.overview.ninety}</th>
                </tr>
              </thead>
              <tbody>
                {stageNames.map((name) => {
                  const times = stages[name]
                  const [begin, end] = [times?.p50_seconds ?? 0, times?.p90_seconds ?? 0].map((seconds) =>
                    placeOf(seconds, most),
                  )
                  return (
                    <tr key={name}>
                      <th scope="row">
                        {words.overview.stages[name]}
                        <span className="times-track" aria-hidden="true">
                          {times && (
                            <span data-part="half" style={{ inlineSize: `${Math.max(1, begin!)}%` }} />
                          )}
                          {times && (
                            <span data-part="rest" style={{ inlineSize: `${Math.max(0, end! - begin!)}%` }} />
                          )}
                        </span>
                      </th>
                      <td>{times ? durationIn(code, times.p50_seconds) : '–'}</td>
                      <td>{times ? durationIn(code, times.p90_seconds) : '–'}</td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
            {models.length > 0 && (
              <table className="figures">
                <thead className="small quiet">
                  <tr>
                    <th scope="col">{words.overview.model}</th>
                    <th scope="col">{words.overview.scenesOf}</th>
                    <th scope="col">{words.overview.failedOf}</th>
                    <th scope="col">{words.overview.ninety}</th>
                  </tr>
                </thead>
                <tbody>
                  {models.map(({ renderer, model, scenes, failed, rendering }) => (
                    <tr key={`${renderer} ${model}`}>
                      <th scope="row" title={renderer}>
                        {model}
                      </th>
                      <td>{scenes}</td>
                      <td className={failed > 0 ? 'bad' : undefined}>{failed}</td>
                      <td>{rendering ? durationIn(code, rendering.p90_seconds) : '–'}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </>
        )
      }}
    </Card>
  )
}

export function Failures({ statistics }: Figures) {
  const words = useWords()
  return (
    <Card
      title={words.overview.failures}
      live={statistics}
      className="half"
      head={
        statistics.data &&
        statistics.data.totals.failed > 0 && (
          <Link className="small" to="/jobs?status=failed">
            {words.overview.failedJobs}
          </Link>
        )
      }
    >
      {({ failures }) =>
        failures.length === 0 ? (
          <p className="quiet">{words.overview.noFailures}</p>
        ) : (
          <Folded
            shown={5}
            items={failures}
            line={({ of, code, renderer, model, count, last }) => (
              <li key={`${of} ${code} ${renderer} ${model}`} className="failure">
                <span className="failure-count">
                  <strong>{count}</strong>
                  <span className="small quiet">{words.overview.failureOf[of]}</span>
                </span>
                <div>
                  <p>{last.reason}</p>
                  <p className="small quiet">
                    <code>{code}</code>
                    {model !== null && ` · ${model}`} · {words.overview.lastIn}{' '}
                    <Link to={`/jobs/${last.job_id}`}>#{last.job_id}</Link>, <Time at={last.at} />
                  </p>
                </div>
              </li>
            )}
          />
        )
      }
    </Card>
  )
}
