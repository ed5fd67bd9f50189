/**
 * What the page shows of the server, kept up to date by the stream of events. An answer is read once for all parts that show
 * it; an event changes it in place, or has it read again. After a gap in the events, all that is shown is read again.
 */
import { useCallback, useEffect, useSyncExternalStore } from 'react'
import { type JobEvent, client, listenToStream, type StreamState } from './client.ts'

export interface Source<Data> {
  /** Distinguishes it from all others. */
  readonly name: string
  load(signal: AbortSignal): Promise<Data>
  /** `again`: read it again. The same data: the event does not concern it. */
  on(event: JobEvent, data: Data): Data | 'again'
}

export interface Live<Data> {
  readonly data: Data | undefined
  /** Why the last reading failed; `data` is older then. */
  readonly error: unknown
  readonly again: () => void
}

interface Entry {
  source: Source<unknown>
  shown: Live<unknown>
  readonly watchers: Set<() => void>
  isLoading: boolean
  /** An event came while it was read. */
  isStale: boolean
}

const entries = new Map<string, Entry>()
/** After this long without anybody who shows it, an answer is forgotten. */
const keptMs = 30_000
/** Events of this time are applied together. */
const collectMs = 50
/** Between two readings of the same answer. */
const restMs = 250

const tell = (entry: Entry, change: Partial<Live<unknown>>): void => {
  entry.shown = { ...entry.shown, ...change }
  for (const wake of entry.watchers) wake()
}

async function read(entry: Entry): Promise<void> {
  if (entry.isLoading) {
    entry.isStale = true
    return
  }
  entry.isLoading = true
  entry.isStale = false
  try {
    const data = await entry.source.load(AbortSignal.timeout(30_000))
    tell(entry, { data, error: undefined })
  } catch (error) {
    tell(entry, { error })
  }
  setTimeout(() => {
    entry.isLoading = false
    if (entry.isStale && entry.watchers.size > 0) void read(entry)
  }, restMs)
}

function entryOf(source: Source<unknown>): Entry {
  const known = entries.get(source.name)
  if (known) {
    known.source = source
    return known
  }
  const entry: Entry = {
    source,
    shown: { data: undefined, error: undefined, again: () => void read(entry) },
    watchers: new Set(),
    isLoading: false,
    isStale: false,
  }
  entries.set(source.name, entry)
  return entry
}

function watch(entry: Entry, wake: () => void): () => void {
  entry.watchers.add(wake)
  if (entry.shown.data === undefined && !entry.isLoading) void read(entry)
  return () => {
    entry.watchers.delete(wake)
    setTimeout(() => {
      if (entry.watchers.size === 0 && entries.get(entry.source.name) === entry)
        entries.delete(entry.source.name)
    }, keptMs)
  }
}

/** The answer of a source, from now on. */
export function useLive<Data>(source: Source<Data>): Live<Data> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an entry's data comes from its source alone
  const entry = entryOf(source as unknown as Source<unknown>)
  const subscribe = useCallback((wake: () => void) => watch(entry, wake), [entry])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return useSyncExternalStore(subscribe, () => entry.shown as Live<Data>)
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

function apply(events: readonly JobEvent[]): void {
  for (const { onEvents } of listeners) onEvents(events)
  for (const entry of entries.values()) {
    if (entry.isLoading) {
      entry.isStale = true
      continue
    }
    let { data } = entry.shown
    if (data === undefined) continue
    for (const event of events) {
      data = entry.source.on(event, data)
      if (data === 'again') break
    }
    if (data === 'again') void read(entry)
    else if (data !== entry.shown.data) tell(entry, { data })
  }
}

export function readAllAgain(): void {
  for (const entry of entries.values()) void read(entry)
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

/** Follows the events until `signal` fires. */
async function follow(signal: AbortSignal): Promise<void> {
  let waiting: JobEvent[] = []
  let wasLive = false
  listenToStream((state) => {
    // What was read before the first connection may have changed until then.
    if (state === 'live' && !wasLive) readAllAgain()
    wasLive ||= state === 'live'
    streamState = state
    for (const wake of streamWatchers) wake()
  })
  for await (const event of client.events({ signal, onReset: readAllAgain })) {
    if (waiting.length === 0)
      setTimeout(() => {
        const events = waiting
        waiting = []
        apply(events)
      }, collectMs)
    waiting.push(event)
  }
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
