/** Uploads photographs, some at once, each with its own progress and outcome. */
import { type AssetAnswer, createClient, noteStatus } from './client.ts'

/** The server decodes each on arrival: more at once would only wait there. */
const atOnce = 3

/** `fetch` does not tell how much is sent; this does. */
const sendingFetch =
  (onSent: (bytes: number) => void): typeof fetch =>
  (input, init) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      const signal = init?.signal
      const stop = (): void => request.abort()
      const end = (): void => signal?.removeEventListener('abort', stop)
      request.open(init?.method ?? 'GET', input instanceof Request ? input.url : input)
      new Headers(init?.headers).forEach((value, name) => request.setRequestHeader(name, value))
      request.upload.addEventListener('progress', ({ loaded }) => onSent(loaded))
      request.addEventListener('load', () => {
        end()
        noteStatus(request.status)
        const headers = { 'content-type': request.getResponseHeader('content-type') ?? '' }
        resolve(new Response(request.responseText, { status: request.status, headers }))
      })
      request.addEventListener('error', () => {
        end()
        reject(new TypeError('The upload was cut off'))
      })
      request.addEventListener('abort', () => {
        end()
        reject(signal?.reason)
      })
      if (signal?.aborted) return reject(signal.reason)
      signal?.addEventListener('abort', stop, { once: true })
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- in browsers, the client sends no stream
      request.send(init?.body as XMLHttpRequestBodyInit)
      return undefined
    })

export interface UploadListener {
  readonly onSent: (id: string, bytes: number) => void
  readonly onEnd: (id: string, outcome: { readonly asset: AssetAnswer } | { readonly error: unknown }) => void
}

export class Uploads {
  #listener: UploadListener
  /** In the order in which they are sent; kept after a failure, so that it can be tried again. */
  #files = new Map<string, File>()
  #waiting: string[] = []
  #running = new Map<string, AbortController>()

  constructor(listener: UploadListener) {
    this.#listener = listener
  }

  add(id: string, file: File): void {
    this.#files.set(id, file)
    this.#waiting.push(id)
    this.#next()
  }

  /** False if its file is not at hand. */
  again(id: string): boolean {
    if (!this.#files.has(id)) return false
    if (!this.#waiting.includes(id) && !this.#running.has(id)) this.#waiting.push(id)
    this.#next()
    return true
  }

  remove(id: string): void {
    this.#files.delete(id)
    this.#waiting = this.#waiting.filter((one) => one !== id)
    this.#running.get(id)?.abort()
  }

  #next(): void {
    while (this.#running.size < atOnce) {
      const id = this.#waiting.shift()
      if (id === undefined) return
      const file = this.#files.get(id)
      if (file) void this.#send(id, file)
    }
  }

  async #send(id: string, file: File): Promise<void> {
    const ended = new AbortController()
    this.#running.set(id, ended)
    const send = sendingFetch((bytes) => {
      if (!ended.signal.aborted) this.#listener.onSent(id, bytes)
    })
    try {
      const { uploadAsset } = createClient({ url: location.origin, fetch: send })
      const asset = await uploadAsset(file, { signal: ended.signal })
      this.#files.delete(id)
      this.#listener.onEnd(id, { asset })
    } catch (error) {
      if (!ended.signal.aborted) this.#listener.onEnd(id, { error })
    } finally {
      this.#running.delete(id)
      this.#next()
    }
  }
}
