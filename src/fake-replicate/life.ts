/** The course of a prediction from its creation to its end. */
import type { Host } from '../host.ts'
import { billMicros } from './bill.ts'
import type { EndStatus, Entry, WebhookEvent } from './ledger.ts'
import { impossibleInput, secondsOf, wholeInput } from './model.ts'
import { type Prediction, isEnded, pictureUrls } from './prediction.ts'

export interface LifeOptions {
  readonly host: Host
  readonly record: (entry: Entry) => void
  /** Makes the clip. A rejection fails the prediction. */
  readonly clip: (prediction: Prediction) => Promise<Uint8Array>
  readonly prices: () => Readonly<Record<string, number>>
  readonly tell: (prediction: Prediction, event: WebhookEvent) => void
  readonly onEnd: () => void
  /** Rejects if the picture cannot be fetched. */
  readonly fetchPicture?: (url: string) => Promise<void>
}

/** The delay of `output_late`: up to five minutes, derived from the render's length, so that no further number is drawn. */
const lateBy = ({ renderMs }: Prediction): number => 1000 + ((renderMs * 30) % 299_000)
const pictureRetryMs = 1000

/** The shortest time between `logs` events. */
const logsEveryMs = 500

const interrupted = 'Prediction interrupted; please retry (code: PA)'
const sensitive =
  'The input or output was flagged as sensitive. Please try again with different inputs. (E005)'
const timedOut = 'Prediction failed to start: timeout starting prediction (E6716)'
const unreadable = 'Invalid input: the image could not be read'

export function createLife({ host, record, clip, prices, tell, onEnd, fetchPicture }: LifeOptions) {
  const end = (
    prediction: Prediction,
    status: EndStatus,
    error: string | null = null,
    at = host.now(),
  ): void => {
    if (isEnded(prediction)) return
    prediction.status = status
    prediction.error = error
    prediction.completedAt = at
    const { id, mark, model, input } = prediction
    const seconds = secondsOf(model, input)
    const billed = status === 'succeeded' || (status === 'canceled' && prediction.startedAt !== null)
    const micros = billed ? billMicros(model, wholeInput(model, input), seconds, prices()) : 0
    record({ at, what: 'ended', prediction: id, mark, status, billed_micros: micros, seconds })
    onEnd()
    tell(prediction, 'completed')
    prediction.over.abort()
  }

  const cancel = (prediction: Prediction, at = host.now()): void =>
    end(prediction, prediction.status === 'starting' ? 'aborted' : 'canceled', null, at)

  /** Resolves to whether the prediction still runs at this time. */
  const reaches = async (prediction: Prediction, at: number): Promise<boolean> => {
    const stop = Math.min(at, prediction.deadline)
    while (!isEnded(prediction) && host.now() < stop)
      await host.sleep(stop - host.now(), prediction.over.signal)
    if (prediction.deadline <= at) cancel(prediction, prediction.deadline)
    return !isEnded(prediction)
  }

  /** Resolves to when all pictures of the input were fetched; retries until then. */
  const withItsPictures = async (prediction: Prediction, dueAt: number): Promise<number> => {
    let at = dueAt
    for (const url of fetchPicture ? pictureUrls(prediction.input) : [])
      while (!isEnded(prediction)) {
        const isFetched = await fetchPicture!(url).then(
          () => true,
          () => false,
        )
        if (isFetched) break
        at = host.now() + pictureRetryMs
        await reaches(prediction, at)
      }
    return at
  }

  const tellLogs = async (prediction: Prediction, startedAt: number): Promise<void> => {
    let toldAt = startedAt
    for (let tenth = 1; tenth < 10; tenth++) {
      const at = startedAt + (prediction.renderMs * tenth) / 10
      if (at - toldAt < logsEveryMs) continue
      toldAt = at
      if (!(await reaches(prediction, at))) return
      tell(prediction, 'logs')
    }
  }

  const make = async (prediction: Prediction) => {
    const begunAt = host.now()
    const took = (): number => host.now() - begunAt
    try {
      const bytes = await clip(prediction)
      return { bytes, error: null, tookMs: took() }
    } catch (error) {
      return { bytes: null, error: error instanceof Error ? error.message : String(error), tookMs: took() }
    }
  }

  /** Uses due times, not wake times, so that a clock that jumps gives the same history. */
  const live = async (prediction: Prediction, dueAt: number): Promise<void> => {
    const { fault, renderMs, webhook } = prediction
    if (!(await reaches(prediction, dueAt))) return
    const startsAt = await withItsPictures(prediction, dueAt)
    if (isEnded(prediction)) return
    if (fault === 'aborts') return cancel(prediction, startsAt)
    if (fault === 'cancels_queued') return end(prediction, 'canceled', null, startsAt)
    if (fault === 'fails_transient') return end(prediction, 'failed', timedOut, startsAt)
    prediction.status = 'processing'
    prediction.startedAt = startsAt
    tell(prediction, 'start')
    if (webhook?.events.has('logs')) void tellLogs(prediction, startsAt)
    if (fault !== null && fault !== 'output_late') {
      const failsAt = fault === 'stalls' ? Infinity : startsAt + renderMs / 2
      if (!(await reaches(prediction, failsAt))) return
      const { model, input } = prediction
      const inputError = impossibleInput(model, input) ?? unreadable
      const error = {
        preempted: interrupted,
        fails_content: sensitive,
        fails_input: inputError,
        stalls: null,
      }[fault]
      return end(prediction, 'failed', error, failsAt)
    }
    // Started at once, since a picture's URL may not outlive the render.
    const making = make(prediction)
    const endsAt = startsAt + renderMs
    if (!(await reaches(prediction, endsAt))) return
    const result = await Promise.race([making, reaches(prediction, Infinity)])
    if (typeof result === 'boolean' || isEnded(prediction)) return
    const at = Math.max(endsAt, startsAt + result.tookMs)
    if (result.error !== null) return end(prediction, 'failed', result.error, at)
    prediction.clip = result.bytes
    prediction.outputAt = fault === 'output_late' ? at + lateBy(prediction) : at
    tell(prediction, 'output')
    end(prediction, 'succeeded', null, at)
  }

  return { live, cancel }
}
