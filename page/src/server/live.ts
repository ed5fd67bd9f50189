/** What the page shows of the server, kept up to date by the stream of events. */
import { useCallback, useEffect, useSyncExternalStore } from 'react'
import { type Live, type Source, createAnswers } from './answers.ts'
import { ApiError, type JobEvent } from './client.ts'
import { type StreamState, followEvents } from './stream.ts'

export { type Live, type Source, Later } from './answers.ts'

/** Events of this time are applied together. */
const collectMs = 50

const isHidden = (): boolean => document.visibilityState === 'hidden'

const answers = createAnswers({
  isHidden,
  isPassing: (error) => !(error instanceof ApiError) || error.status === 429 || error.status >= 500,
})

/** The answer of a source, from now on. */
export function useLive<Data>(source: Source<Data>): Live<Data> {
  const { name } = source
  // oxlint-disable-next-line react/exhaustive-deps -- sources with the same name are the same
  const subscribe = useCallback((wake: () => void) => answers.watch(source, wake), [name])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an entry's data comes from its source alone
  return useSyncExternalStore(subscribe, () => answers.shown(source) as Live<Data>)
}

/** For what is not a single answer, such as a list that grows as it is scrolled. */
export interface EventListener {
  readonly onEvents: (events: readonly JobEvent[]) => void
  /** Events may be missing: read everything again. */
  readonly onGap: () => void
}

const listeners = new Set<EventListener>()

export function listen(listener: EventListener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function readAllAgain(): void {
  answers.readAll()
  for (const { onGap } of listeners) onGap()
}

let streamState: StreamState = 'connecting'
const streamWatchers = new Set<() => void>()

export const useStreamState = (): StreamState =>
  useSyncExternalStore(
    useCallback((wake: () => void) => {
      streamWatchers.add(wake)
      return () => streamWatchers.delete(wake)
    }, []),
    () => streamState,
  )

function setState(state: StreamState): void {
  streamState = state
  if (state === 'live') answers.hurry()
  for (const wake of streamWatchers) wake()
}

/** Follows the events until `signal` fires. */
async function follow(signal: AbortSignal): Promise<void> {
  let waiting: JobEvent[] = []
  const apply = (): void => {
    const events = waiting
    waiting = []
    if (signal.aborted) return
    for (const { onEvents } of listeners) onEvents(events)
    answers.apply(events)
  }
  document.addEventListener('visibilitychange', answers.hurry, { signal })
  await followEvents(signal, {
    onGap: readAllAgain,
    onState: setState,
    onEvent: (event) => {
      if (waiting.length === 0) setTimeout(apply, collectMs)
      waiting.push(event)
    },
  })
}

/** Keeps everything shown below up to date. `onEnd`: the server refuses, such as when the session has ended. */
export function useEvents(onEnd: (error: unknown) => void): void {
  useEffect(() => {
    const ended = new AbortController()
    follow(ended.signal).catch((error: unknown) => {
      if (!ended.signal.aborted) onEnd(error)
    })
    return () => ended.abort()
  }, [onEnd])
}
