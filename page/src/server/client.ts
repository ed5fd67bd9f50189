/** The project's own typed client, at the server that this page came from. The session's cookie goes with each request. */
import { createClient } from '../../../src/client/client.ts'
import { learnClock } from './clock.ts'

export * from '../../../src/client/client.ts'

/** Hears that the server wants a key, whatever was asked for. */
let onRefusal = (): void => {}
export const listenToRefusals = (listener: () => void): void => {
  onRefusal = listener
}

export function noteStatus(status: number): void {
  if (status === 401) onRefusal()
}

async function ask(input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> {
  const response = await fetch(input, init)
  noteStatus(response.status)
  learnClock(response.headers.get('date'))
  return response
}

export const client = createClient({ url: location.origin, fetch: ask })
