import { type EstimateAnswer, client } from './client.ts'

export type Estimation = { readonly answer: EstimateAnswer } | { readonly error: unknown }

/** Of a form that is being filled in, after its last change. */
const restMs = 200

/** Asks what a job would cost, in a moment. `request`: its JSON. Returns what ends that. */
export function estimateSoon(request: string, told: (estimation: Estimation) => void): () => void {
  const ended = new AbortController()
  const timer = setTimeout(() => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the JSON of a request
    client.estimateJob(JSON.parse(request) as never, { signal: ended.signal }).then(
      (answer) => told({ answer }),
      (error: unknown) => ended.signal.aborted || told({ error }),
    )
  }, restMs)
  return () => {
    clearTimeout(timer)
    ended.abort()
  }
}
