/** A client of an app, and what answers are read by. */
import { createHash } from 'node:crypto'

/** An answer, to be looked at rather than typed; null where there is no body. */
export interface Answer {
  readonly status: number
  readonly body: any
}

export type Ask = (method: string, path: string, body?: unknown, key?: string) => Promise<Answer>

interface App {
  request(path: string, init: RequestInit): Response | Promise<Response>
}

/** Asks `app` at a path below /api/v3, or at an address of an answer; text goes as it stands, anything else as JSON. */
export const asking =
  (app: () => App): Ask =>
  async (method, path, body, key) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const response = await app().request(path.startsWith('/api/') ? path : `/api/v3${path}`, {
      method,
      ...(text !== undefined && { body: text }),
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        }),
      },
    })
    const answer = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, body: isJson ? JSON.parse(answer) : answer || null }
  }

/** An answer's body, to be looked at rather than typed. */
export const jsonOf = async (response: Response | Promise<Response>): Promise<any> =>
  JSON.parse(await (await response).text())

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export async function* chunksOf(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size)
}
