/** The project's own typed client, at the server that this page came from. The session's cookie goes with each request. */
import { createClient } from '../../../src/client/client.ts'

export * from '../../../src/client/client.ts'

export type StreamState = 'connecting' | 'live' | 'lost'

/** Hears whether the stream of events is connected, which the client itself makes good. */
let onStream = (_state: StreamState): void => {}
export const listenToStream = (listener: (state: StreamState) => void): void => {
  onStream = listener
}

/** Hears that the server wants a key, whatever was asked for. */
let onRefusal = (): void => {}
export const listenToRefusals = (listener: () => void): void => {
  onRefusal = listener
}

export function noteStatus(status: number): void {
  if (status === 401) onRefusal()
}

const isStream = (init: RequestInit | undefined): boolean =>
  new Headers(init?.headers).get('accept') === 'text/event-stream'

async function ask(input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> {
  if (!isStream(init)) {
    const response = await fetch(input, init)
    noteStatus(response.status)
    return response
  }
  try {
    const response = await fetch(input, init)
    if (!response.ok) onStream('lost')
    if (!response.ok || !response.body) return response
    onStream('live')
    const body = response.body.pipeThrough(new TransformStream({ flush: () => onStream('lost') }))
    return new Response(body, { status: response.status, headers: response.headers })
  } catch (error) {
    onStream('lost')
    throw error
  }
}

export const client = createClient({ url: location.origin, fetch: ask })
