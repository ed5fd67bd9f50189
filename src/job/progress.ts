/** The progress of a job: a percentage that only rises, and the name of its stage. */

export interface Progress {
  /** 0 to 100, whole. */
  readonly percentage: number
  /**
   * `created`, `approved`, `initializing`, `rendering`, `stitching`, `completed`, `failed`, `cancelled`, or a name from
   * the embedding program.
   */
  readonly stage: string
}

export const created: Progress = { percentage: 0, stage: 'created' }

const initializingAt = 5
const stitchingAt = 95

/** Share of a scene's work that is rendering; the rest is verifying and storing the clip. */
export const renderedShare = 0.95

/** Combines two readings: never lower than before, and 100 only for a completed job. */
export function risen(before: Progress, now: Progress): Progress {
  const ceiling = now.stage === 'completed' ? 100 : 99
  const percentage = Math.min(ceiling, Math.max(before.percentage, Math.floor(now.percentage)))
  return { percentage, stage: now.stage }
}

export const initializing: Progress = { percentage: initializingAt, stage: 'initializing' }
export const stitching: Progress = { percentage: stitchingAt, stage: 'stitching' }
export const completed: Progress = { percentage: 100, stage: 'completed' }

/** Progress of a job that renders: scenes are weighted by their length. */
export function rendering(
  scenes: Iterable<{ readonly duration: number; readonly progress: number }>,
): Progress {
  let total = 0
  let done = 0
  for (const scene of scenes) {
    total += scene.duration
    done += scene.duration * Math.min(1, Math.max(0, scene.progress))
  }
  const share = total === 0 ? 0 : done / total
  return {
    percentage: initializingAt + Math.floor(share * (stitchingAt - initializingAt)),
    stage: 'rendering',
  }
}
