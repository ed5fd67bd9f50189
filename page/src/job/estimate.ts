/** What the film would cost with changes that are not saved. */
import { useEffect, useState } from 'react'
import { type EstimateAnswer, type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import type { Editable } from './draft.ts'

type Planned = Editable & Pick<SceneAnswer, 'render'>

export interface Estimated {
  readonly answer: EstimateAnswer | undefined
  readonly error: unknown
}

const restMs = 200

const requestOf = ({ type, parameters }: JobAnswer, scenes: readonly Planned[]): unknown => ({
  type,
  parameters,
  storyboard: {
    scenes: scenes.map(({ title, prompt, duration, model, asset_ids, transition, render }) => ({
      title,
      prompt,
      duration,
      model,
      asset_ids,
      transition,
      ...(render?.audio && { audio: true }),
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
    const ended = new AbortController()
    const timer = setTimeout(() => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parameters are those of a job that was accepted
      client.estimateJob(JSON.parse(text) as never, { signal: ended.signal }).then(
        (answer) => setEstimated({ answer, error: undefined }),
        (error: unknown) => ended.signal.aborted || setEstimated({ answer: undefined, error }),
      )
    }, restMs)
    return () => {
      clearTimeout(timer)
      ended.abort()
    }
  }, [text])
  return estimated
}
