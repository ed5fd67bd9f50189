/** A client of all nodes: asks one after another until there is an answer, with one Idempotency-Key for a change. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Reply {
  readonly status: number
  readonly body: any
}

export interface Client {
  ask(method: string, path: string, body?: unknown): Promise<Reply>
  /** Answers by their status, and what is wrong with some. */
  readonly statuses: ReadonlyMap<number | 'none', number>
  readonly wrong: readonly string[]
}

export interface ClientOptions {
  readonly urls: readonly string[]
  readonly name: string
  /** No request is repeated after it. */
  readonly deadline: number
  readonly timeoutMs?: number
}

export function createClient({ urls, name, deadline, timeoutMs = 10_000 }: ClientOptions): Client {
  const statuses = new Map<number | 'none', number>()
  const wrong: string[] = []
  let requests = 0
  let turn = 0
  const count = (status: number | 'none'): void => void statuses.set(status, (statuses.get(status) ?? 0) + 1)

  const ask = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const key = `${name}-${requests++}`
    let last = 'nothing was answered'
    for (;;) {
      if (performance.now() > deadline) throw new Error(`${method} ${path} got no answer: ${last}`)
      const url = urls[turn++ % urls.length]
      const isBytes = body instanceof Uint8Array
      const response = await fetch(`${url}/api/v3${path}`, {
        method,
        headers: {
          ...(method !== 'GET' && !isBytes ? { 'idempotency-key': key } : {}),
          'content-type': isBytes ? 'image/jpeg' : 'application/json',
        },
        ...(body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      }).catch((error: unknown) => void (last = String(error)))
      const text = await response?.text().catch(() => undefined)
      if (!response || text === undefined) {
        count('none')
        await sleep(100)
        continue
      }
      count(response.status)
      const isBusy = response.status === 503 || response.status === 429
      const runs = response.status === 409 && response.headers.has('retry-after')
      if (isBusy && !response.headers.has('retry-after'))
        wrong.push(
          `${method} ${path} was answered ${response.status} without Retry-After: ${text.slice(0, 200)}`,
        )
      if (response.status >= 500 && !isBusy)
        wrong.push(`${method} ${path} was answered ${response.status}: ${text.slice(0, 300)}`)
      if (response.status < 500 && !isBusy && !runs)
        return { status: response.status, body: JSON.parse(text) }
      last = `${response.status} ${text.slice(0, 200)}`
      await sleep(200)
    }
  }
  return { ask, statuses, wrong }
}
