/** One value for each point in time. */
export interface PlotSeries {
  readonly name: string
  /** A name in tokens.css. */
  readonly colour: string
  readonly values: readonly number[]
}
