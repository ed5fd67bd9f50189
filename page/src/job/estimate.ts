/** What the film would cost with changes that are not saved. */
import { useEffect, useState } from 'react'
import type { EstimateAnswer, JobAnswer, SceneAnswer } from '../server/client.ts'
import { estimateSoon } from '../server/estimate-soon.ts'
import { type Editable, editableOf } from './draft.ts'

type Planned = Editable & Pick<SceneAnswer, 'render'>

export interface Estimated {
  readonly answer: EstimateAnswer | undefined
  readonly error: unknown
}

const requestOf = ({ type, parameters }: JobAnswer, scenes: readonly Planned[]): unknown => ({
  type,
  parameters,
  storyboard: {
    scenes: scenes.map((scene) => ({
      ...editableOf(scene),
      ...(scene.render?.audio && { audio: true }),
    })),
  },
})

/** Undefined: nothing is changed. */
export function useEstimate(job: JobAnswer, scenes: readonly Planned[] | undefined): Estimated {
  const [estimated, setEstimated] = useState<Estimated>({ answer: undefined, error: undefined })
  const text = scenes && JSON.stringify(requestOf(job, scenes))
  useEffect(() => {
    if (text === undefined) {
      setEstimated({ answer: undefined, error: undefined })
      return undefined
    }
    return estimateSoon(text, (told) => setEstimated({ answer: undefined, error: undefined, ...told }))
  }, [text])
  return estimated
}
