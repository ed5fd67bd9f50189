/** A plot with its legend, and the same as a table. What draws it is loaded when it is first shown. */
import { Suspense, lazy, useState } from 'react'
import { useWords } from '../words/words.tsx'
import type { PlotShown } from './plot-series.ts'

const Plot = lazy(() => import('./plot.tsx').then(({ Plot: plot }) => ({ default: plot })))

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

export function PlotFrame({ title, plot }: { readonly title: string; readonly plot: PlotShown }) {
  const words = useWords()
  const [point, setPoint] = useState<number>()
  const { times, series, line, format, formatTime } = plot
  const at = point !== undefined && point < times.length ? point : undefined
  return (
    <figure className="plot-frame">
      <Suspense fallback={<div className="plot plot-empty" />}>
        <Plot {...plot} onPoint={setPoint} />
      </Suspense>
      <ul className="legend small">
        {at !== undefined && <li className="legend-time">{formatTime(times[at]!)}</li>}
        {series.map(({ name, colour, values }) => (
          <li key={name}>
            <span className="legend-mark" style={{ backgroundColor: `var(${colour})` }} aria-hidden="true" />
            {name} <strong>{format(at === undefined ? sumOf(values) : values[at]!)}</strong>
          </li>
        ))}
        {line && (
          <li>
            <span className="legend-line" style={{ borderColor: `var(${line.colour})` }} aria-hidden="true" />
            {line.name} <strong>{format(at === undefined ? line.values.at(-1)! : line.values[at]!)}</strong>
          </li>
        )}
      </ul>
      <details className="plot-table small">
        <summary className="quiet">{words.overview.table}</summary>
        <div
          className="plot-rows"
          tabIndex={0}
          role="region"
          aria-label={`${title}: ${words.overview.table}`}
        >
          <table>
            <caption className="unseen">{title}</caption>
            <thead>
              <tr>
                <th scope="col">{words.overview.day}</th>
                {series.map(({ name }) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
                <th scope="col">{words.overview.sum}</th>
              </tr>
            </thead>
            <tbody>
              {times.map((time, index) => (
                <tr key={time}>
                  <th scope="row">{formatTime(time)}</th>
                  {series.map(({ name, values }) => (
                    <td key={name}>{format(values[index]!)}</td>
                  ))}
                  <td>{format(sumOf(series.map(({ values }) => values[index]!)))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  )
}
