/** One value for each point in time. */
export interface PlotSeries {
  readonly name: string
  /** A name in tokens.css. */
  readonly colour: string
  readonly values: readonly number[]
}

export interface PlotShown {
  /** Starts of the buckets, ms since the epoch. */
  readonly times: readonly number[]
  /** Stacked, the first below. */
  readonly series: readonly PlotSeries[]
  readonly line?: PlotSeries | undefined
  readonly format: (value: number) => string
  readonly formatTime: (ms: number) => string
  /** Shorter, for the axis. */
  readonly formatTick: (ms: number) => string
}

export interface PlotProps extends PlotShown {
  /** The point under the pointer. */
  readonly onPoint: (index: number | undefined) => void
}
