/** How long things like those of a film took, read once each. */
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

/** What has one history. */
export interface Timed {
  readonly model: string
  readonly settings: RenderSettings | null
}

export interface OwnRender {
  readonly duration: number
}

export interface Histories {
  /** `own`: a scene of this film, whose length is known; of others' all lengths there were are taken. */
  of(timed: Timed, stage: TimedStage, own?: OwnRender): Promise<Times | undefined>
  stitch(storyboard: Storyboard): Promise<Times | undefined>
  /** Of the history that was asked for and is the shortest. */
  samples(): number
}

/** Each history is read once. */
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
        // On this machine a clip is there when its render has ended.
        stage === 'clip' && settings === null ? 'render' : stage,
        own ? renderUnits(own.duration, format, settings) : null,
      ),
    stitch: (storyboard) =>
      times('', 'stitch', filmUnits(framesOf(storyboard.total_duration, format.fps), format)),
    samples: () => (read.size === 0 ? 0 : Math.min(...[...read.values()].map(({ length }) => length))),
  }
}
