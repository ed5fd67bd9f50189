/**
 * Answers of the server that are shown, each read once for all who show it. An event changes an answer in place, or has it
 * read again: never more often than its rest allows, and not at all while nobody shows it. A failed reading is repeated.
 */
import type { JobEvent } from '../../../src/client/client.ts'
import { merge } from './merge.ts'

export interface Source<Data> {
  /** Distinguishes it from all others. */
  readonly name: string
  load(signal: AbortSignal): Promise<Data>
  /** The same data: the event does not concern it. `again`: read it again in a moment. */
  on(event: JobEvent, data: Data): Data | Later<Data> | 'again'
}

/** What the event says is in `data`; what else it has changed may be read later. */
export class Later<Data> {
  readonly data: Data

  constructor(data: Data) {
    this.data = data
  }
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
  /** Something has changed since it was read. */
  isStale: boolean
  /** When it will be read; undefined: not. */
  dueAt: number | undefined
  timer: ReturnType<typeof setTimeout> | undefined
  /** Events that came while it is read; undefined: it is not. */
  missed: JobEvent[] | undefined
  readAt: number
  tookMs: number
  failures: number
}

export interface AnswersOptions {
  /** Whether nobody can see the page, such as in a tab behind others. */
  readonly isHidden: () => boolean
  /** Whether a failed reading can succeed if it is repeated. */
  readonly isPassing: (error: unknown) => boolean
}

export interface Answers {
  shown(source: Source<unknown>): Live<unknown>
  /** Keeps it up to date; `wake` is called after each change. Returns what ends that. */
  watch(source: Source<unknown>, wake: () => void): () => void
  apply(events: readonly JobEvent[]): void
  /** Events may be missing. */
  readAll(): void
  /** The server can be reached again, or the page be seen: readings that wait for that need not. */
  hurry(): void
}

/** After this long without anybody who shows it, an answer is forgotten. */
const keptMs = 30_000
/** Between two readings of an answer: as long as a reading takes, within these. */
const restMs = { least: 250, most: 5_000 } as const
const hiddenRestMs = 5_000
/** Many pages lose the same server: they need not all come back in the same moment. */
const spreadMs = 100
/** Many pages hear of the same change: they do not all ask in the same moment. A person's own change is read at once. */
const heardMs = 400
/** For what may be read later: so long, or so many times as long as a reading takes. */
const laterMs = 2_000
const laterTimes = 10
const timeoutMs = 30_000
const failedMs = { first: 1_000, most: 30_000 } as const

export function createAnswers({ isHidden, isPassing }: AnswersOptions): Answers {
  const entries = new Map<string, Entry>()

  const tell = (entry: Entry, change: Partial<Live<unknown>>): void => {
    entry.shown = { ...entry.shown, ...change }
    for (const wake of entry.watchers) wake()
  }

  const startTimer = (entry: Entry): void => {
    clearTimeout(entry.timer)
    if (entry.dueAt === undefined || entry.missed) return
    const rest = isHidden() ? hiddenRestMs : Math.min(Math.max(restMs.least, entry.tookMs), restMs.most)
    const at = Math.max(entry.dueAt, entry.readAt + rest)
    entry.timer = setTimeout(() => void read(entry), Math.max(0, at - performance.now()))
  }

  /** Has it read within this time, if its rest allows that. */
  const want = (entry: Entry, ms: number): void => {
    entry.isStale = true
    if (entry.watchers.size === 0) return
    entry.dueAt = Math.min(entry.dueAt ?? Number.POSITIVE_INFINITY, performance.now() + ms)
    startTimer(entry)
  }

  const read = async (entry: Entry): Promise<void> => {
    entry.isStale = false
    entry.dueAt = undefined
    entry.missed = []
    const begun = performance.now()
    let failure: unknown
    let data: unknown
    try {
      data = await entry.source.load(AbortSignal.timeout(timeoutMs))
    } catch (error) {
      failure = error
    }
    entry.readAt = performance.now()
    entry.tookMs = entry.readAt - begun
    const missed = entry.missed
    entry.missed = undefined
    if (failure === undefined) {
      entry.failures = 0
      change(entry, missed, merge(entry.shown.data, data))
    } else {
      tell(entry, { error: failure })
      if (isPassing(failure))
        want(
          entry,
          Math.min(failedMs.first * 2 ** entry.failures++, failedMs.most) * (0.75 + Math.random() / 2),
        )
    }
    if (entry.isStale) startTimer(entry)
  }

  /** In their order, so that the last word of the events stands although the answer may be newer than the first. */
  const change = (entry: Entry, events: readonly JobEvent[], answer: unknown): void => {
    let data = answer
    let dueMs = Number.POSITIVE_INFINITY
    for (const event of events) {
      const outcome = entry.source.on(event, data)
      if (outcome === 'again') dueMs = Math.min(dueMs, Math.random() * heardMs)
      else if (outcome instanceof Later) {
        data = outcome.data
        dueMs = Math.min(dueMs, Math.max(laterMs, laterTimes * entry.tookMs) * (0.75 + Math.random() / 4))
      } else data = outcome
    }
    if (data !== entry.shown.data || entry.shown.error !== undefined) tell(entry, { data, error: undefined })
    if (dueMs < Number.POSITIVE_INFINITY) want(entry, dueMs)
  }

  const hurry = (): void => {
    for (const entry of entries.values()) {
      if (entry.failures > 0) want(entry, Math.random() * spreadMs)
      startTimer(entry)
    }
  }

  const entryOf = (source: Source<unknown>): Entry => {
    const known = entries.get(source.name)
    if (known) {
      known.source = source
      return known
    }
    const entry: Entry = {
      source,
      shown: { data: undefined, error: undefined, again: () => want(entry, 0) },
      watchers: new Set(),
      isStale: true,
      dueAt: undefined,
      timer: undefined,
      missed: undefined,
      readAt: Number.NEGATIVE_INFINITY,
      tookMs: 0,
      failures: 0,
    }
    entries.set(source.name, entry)
    return entry
  }

  return {
    shown: (source) => entryOf(source).shown,

    watch(source, wake) {
      const entry = entryOf(source)
      entry.watchers.add(wake)
      // Not every change is an event: an answer that was not shown for a while is read again.
      if (entry.watchers.size === 1 && (entry.isStale || performance.now() - entry.readAt > laterMs))
        want(entry, 0)
      return () => {
        entry.watchers.delete(wake)
        if (entry.watchers.size > 0) return
        entry.dueAt = undefined
        clearTimeout(entry.timer)
        setTimeout(() => {
          if (entry.watchers.size === 0 && entries.get(entry.source.name) === entry)
            entries.delete(entry.source.name)
        }, keptMs)
      }
    },

    apply(events) {
      for (const entry of entries.values())
        if (entry.missed) entry.missed.push(...events)
        else if (entry.watchers.size === 0) entry.isStale = true
        else if (entry.shown.data !== undefined) change(entry, events, entry.shown.data)
    },

    readAll() {
      for (const entry of entries.values()) want(entry, Math.random() * spreadMs)
    },

    hurry,
  }
}
