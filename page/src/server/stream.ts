/**
 * The stream of events, which heals: after a lost connection it continues behind the last event, so that none is missing
 * and none comes twice. A person who looks does not wait for the client's long pauses, nor for a connection that has
 * fallen silent, as after a laptop has slept.
 */
import { type JobEvent, createClient } from './client.ts'

export type StreamState = 'connecting' | 'live' | 'lost'

export interface StreamListener {
  readonly onEvent: (event: JobEvent) => void
  /** Events may be missing: read everything again. */
  readonly onGap: () => void
  readonly onState: (state: StreamState) => void
}

/** The server sends something every 15 s. */
const silentMs = 20_000
/** A connection that is lost for less is not worth a word. */
const tellMs = 1_500
/** While somebody looks, a lost connection is tried again after this, and an attempt without answer given up. */
const againMs = 4_000
const patienceMs = 15_000
const lookMs = 1_000

/** Resolves when `signal` fires. Rejects if the server refuses. */
export async function followEvents(
  signal: AbortSignal,
  { onEvent, onGap, onState }: StreamListener,
): Promise<void> {
  let last: number | undefined
  let state: StreamState = 'connecting'
  let heardAt = Date.now()
  let triedAt = Date.now()
  let isTrying = false
  let connection = new AbortController()
  let telling: ReturnType<typeof setTimeout> | undefined

  const setState = (next: StreamState): void => {
    clearTimeout(telling)
    telling = undefined
    if (next === state) return
    state = next
    onState(next)
  }
  const again = (): void => connection.abort()

  /** Notes what becomes of the connection. */
  const watched: typeof fetch = async (input, init) => {
    triedAt = Date.now()
    isTrying = true
    telling ??= setTimeout(() => setState('lost'), tellMs)
    try {
      const response = await fetch(input, init)
      if (!response.ok || !response.body) return response
      heardAt = Date.now()
      // Without a known event, the stream begins now: what was read before may be older.
      if (last === undefined) onGap()
      setState('live')
      const body = response.body.pipeThrough(
        new TransformStream<Uint8Array, Uint8Array>({
          transform(bytes, controller) {
            heardAt = Date.now()
            controller.enqueue(bytes)
          },
        }),
      )
      return new Response(body, { status: response.status, headers: response.headers })
    } finally {
      isTrying = false
    }
  }

  const look = (): void => {
    const silence = Date.now() - heardAt
    if (state === 'live' && telling === undefined && silence > silentMs) {
      setState('lost')
      again()
    } else if (state === 'lost' && document.visibilityState === 'visible') {
      if (Date.now() - triedAt > (isTrying ? patienceMs : againMs)) again()
    }
  }
  const onVisible = (): void => {
    if (document.visibilityState !== 'visible') return
    if (state === 'lost' && !isTrying) again()
    else look()
  }
  const ended = { signal }
  const timer = setInterval(look, lookMs)
  document.addEventListener('visibilitychange', onVisible, ended)
  // The network is another one now, or none: only an answer tells whether the server can be reached.
  addEventListener('online', again, ended)
  addEventListener('offline', again, ended)
  const client = createClient({ url: location.origin, fetch: watched })
  try {
    while (!signal.aborted) {
      connection = new AbortController()
      const { signal: cut } = connection
      try {
        const options = { signal: AbortSignal.any([signal, cut]), onReset: onGap }
        for await (const event of client.events(last === undefined ? options : { ...options, after: last })) {
          last = event.id
          onEvent(event)
        }
      } catch (error) {
        if (!signal.aborted && !cut.aborted) throw error
      }
    }
  } finally {
    clearInterval(timer)
    clearTimeout(telling)
  }
}
