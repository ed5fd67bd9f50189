/** Stacked bars over time, with a line. Drawn on a canvas, in the page's colours; its table says the same. */
import { useEffect, useRef, useState } from 'react'
import UPlot from 'uplot'
// oxlint-disable-next-line import/no-unassigned-import -- its stylesheet
import 'uplot/dist/uPlot.min.css'
import type { PlotProps } from './plot-series.ts'

const height = 220

/** A colour of tokens.css as the canvas takes it. */
function colourOf(element: HTMLElement, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${token})`
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Rises when the page turns light or dark. */
function useTheme(): number {
  const [theme, setTheme] = useState(0)
  useEffect(() => {
    const change = (): void => setTheme((known) => known + 1)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', change)
    const observer = new MutationObserver(change)
    observer.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      dark.removeEventListener('change', change)
      observer.disconnect()
    }
  }, [])
  return theme
}

function useWidth(element: HTMLElement | null): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    if (!element) return undefined
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)))
    observer.observe(element)
    return () => observer.disconnect()
  }, [element])
  return width
}

/** The sums of the first series, of the first two, ...: drawn from the last to the first, they look stacked. */
export function stacked(series: readonly (readonly number[])[]): readonly number[][] {
  const sums: number[][] = []
  for (const values of series) sums.push(values.map((value, index) => value + (sums.at(-1)?.[index] ?? 0)))
  return sums
}

const { bars } = UPlot.paths

export function Plot({ times, series, line, format, formatTick, onPoint }: PlotProps) {
  const [element, setElement] = useState<HTMLDivElement | null>(null)
  const point = useRef(onPoint)
  useEffect(() => {
    point.current = onPoint
  })
  const width = useWidth(element)
  const theme = useTheme()
  useEffect(() => {
    if (!element || width === 0) return undefined
    const colour = (token: string): string => colourOf(element, token)
    const font = `12px ${getComputedStyle(element).fontFamily}`
    const axis = { stroke: colour('--text-quiet'), font, ticks: { show: false } }
    const path = bars?.({ size: [0.7, 28], radius: 0.15 })
    const sums = stacked(series.map(({ values }) => values)).toReversed()
    const plot = new UPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        scales: {
          x: { time: false, range: [-0.6, times.length - 0.4] },
          y: { range: (_, __, most) => [0, Math.max(most, 1e-9) * 1.08] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 30,
            splits: (self) => splitsOf(times, self.width),
            values: (_, splits) => splits.map((at) => formatTick(times[at] ?? 0)),
          },
          {
            ...axis,
            size: 60,
            grid: { stroke: colour('--line'), width: 1 },
            values: (_, splits) => splits.map((value) => format(value)),
          },
        ],
        series: [
          {},
          ...series.toReversed().map(({ colour: token }) => ({
            fill: colour(token),
            stroke: colour(token),
            width: 0,
            points: { show: false },
            ...(path && { paths: path }),
          })),
          ...(line
            ? [{ stroke: colour(line.colour), width: 1.5, dash: [5, 4], points: { show: false } }]
            : []),
        ],
        padding: [8, 20, 0, 0],
        hooks: { setCursor: [({ cursor }) => point.current(cursor.idx ?? undefined)] },
      },
      [times.map((_, index) => index), ...sums, ...(line ? [[...line.values]] : [])],
      element,
    )
    return () => plot.destroy()
  }, [element, width, theme, times, series, line, format, formatTick])
  return <div ref={setElement} className="plot" style={{ blockSize: height }} aria-hidden="true" />
}

/** As many of the points as have room for their words. */
function splitsOf(times: readonly number[], width: number): number[] {
  const step = Math.max(1, Math.ceil(times.length / Math.max(1, Math.floor(width / 76))))
  return times.map((_, index) => index).filter((index) => (times.length - 1 - index) % step === 0)
}
