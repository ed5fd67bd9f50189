/** Measured times of renders and films like this one's. Each history is read once. */
import {
  type TimedStage,
  type Times,
  type Timing,
  filmUnits,
  renderUnits,
  timedAs,
  timesFor,
  timesOf,
} from '../../job/eta.ts'
import { framesOf } from '../../job/format.ts'
import type { Storyboard } from '../../job/job.ts'
import type { RenderSettings } from '../../job/scene.ts'
import type { Reader } from '../../store/database.ts'
import { listTimings } from '../../store/timings.ts'

/** What shares one history. */
export interface Timed {
  readonly model: string
  readonly settings: RenderSettings | null
}

export interface OwnRender {
  readonly duration: number
}

export interface Histories {
  /**
   * `own`: this film's scene, estimated by its duration. Without it, measured times of all durations count.
   */
  of(timed: Timed, stage: TimedStage, own?: OwnRender): Promise<Times | undefined>
  stitch(storyboard: Storyboard): Promise<Times | undefined>
  /** The size of the smallest history used. */
  samples(): number
}

export function createHistories(reader: Reader, { format }: Storyboard): Histories {
  const read = new Map<string, readonly Timing[]>()
  const made = new Map<string, Times | undefined>()

  const history = async (model: string, stage: TimedStage): Promise<readonly Timing[]> => {
    const name = `${stage} ${model}`
    const known = read.get(name) ?? (await listTimings(reader, model, stage))
    read.set(name, known)
    return known
  }
  const times = async (
    model: string,
    stage: TimedStage,
    units: number | null,
  ): Promise<Times | undefined> => {
    const name = `${stage} ${units} ${model}`
    if (!made.has(name)) {
      const timings = await history(model, stage)
      made.set(name, units === null ? timesOf(timings) : timesFor(timings, units))
    }
    return made.get(name)
  }

  return {
    of: ({ model, settings }, stage, own) =>
      times(
        timedAs(model, settings),
        // A local clip is ready when its render ends.
        stage === 'clip' && settings === null ? 'render' : stage,
        own ? renderUnits(own.duration, format, settings) : null,
      ),
    stitch: (storyboard) =>
      times('', 'stitch', filmUnits(framesOf(storyboard.total_duration, format.fps), format)),
    samples: () => (read.size === 0 ? 0 : Math.min(...[...read.values()].map(({ length }) => length))),
  }
}
