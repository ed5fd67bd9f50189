/** The HTTP app over a harness, a client of it, and what answers are read by. */
import { createHash } from 'node:crypto'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { type AppOptions, createApp } from '../../src/http/app.ts'
import type { Harness } from './harness.ts'

export type App = ReturnType<typeof createApp>

/** The app over a harness: without artifacts or uploads, unless they are given. */
export const appOver = (
  { coordinator, log }: Pick<Harness, 'coordinator' | 'log'>,
  options: Partial<AppOptions> = {},
): App =>
  createApp({
    coordinator,
    log,
    artifacts: {} as ArtifactStore,
    takeAsset: () => Promise.reject(new Error('no pictures are taken here')),
    ...options,
  })

/** An answer, to be looked at rather than typed; null where there is no body. */
export interface Answer {
  readonly status: number
  readonly body: any
}

export type Ask = (method: string, path: string, body?: unknown, key?: string) => Promise<Answer>

/** Asks `app` at a path below /api/v3, or at an address of an answer; text goes as it stands, anything else as JSON. */
export const asking =
  (app: () => Pick<App, 'request'>): Ask =>
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
