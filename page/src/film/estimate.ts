/** What the film would cost and when it would be ready, as the choices are made. */
import { useEffect, useState } from 'react'
import { ApiError, type EstimateAnswer } from '../server/client.ts'
import { estimateSoon } from '../server/estimate-soon.ts'
import type { JobRequest } from './choices.ts'

export interface Estimate {
  /** The last answer. */
  readonly answer: EstimateAnswer | undefined
  /** Why the present choices have no answer. */
  readonly error: unknown
  /** Whether the answer is about earlier choices. */
  readonly isOld: boolean
}

export function useEstimate(request: JobRequest | undefined): Estimate {
  const wanted = request && JSON.stringify(request)
  const [found, setFound] = useState<{
    readonly wanted: string
    readonly answer: EstimateAnswer | undefined
    readonly error: unknown
  }>()
  useEffect(() => {
    if (wanted === undefined) return undefined
    return estimateSoon(wanted, (told) =>
      setFound((earlier) => ({ wanted, answer: earlier?.answer, error: undefined, ...told })),
    )
  }, [wanted])
  if (wanted === undefined || !found) return { answer: undefined, error: undefined, isOld: false }
  return { ...found, isOld: found.wanted !== wanted }
}

export interface FieldProblem {
  readonly field: string
  readonly reason: string
}

/** What the server says is wrong, by member of the request; undefined if it is something else. */
export function problemsIn(error: unknown): readonly FieldProblem[] | undefined {
  if (!(error instanceof ApiError) || error.status !== 422) return undefined
  const { problems, field, reason } = error.body
  if (problems && problems.length > 0) return problems
  return field !== undefined && reason !== undefined ? [{ field, reason }] : undefined
}
