/** A terminal, or what stands for one. */
import type { Paint, Screen } from './view.ts'

export interface Terminal {
  readonly out: NodeJS.WriteStream
  /** Whether lines can be redrawn. */
  readonly live: boolean
  readonly paint: Paint
  /** The line as it is written: painted only by this program, with foreign control characters escaped. */
  readonly shown: (line: string) => string
  readonly screen: () => Screen
}
