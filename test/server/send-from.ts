/** Requests from an address of this machine, so that a server sees several who send. Linux has 127.0.0.0/8 for that. */
import { request } from 'node:http'
import type { Answer, ServerProcess } from './process.ts'

export interface Sent {
  readonly localAddress: string
  readonly path: string
  /** A picture. */
  readonly body: Uint8Array
}

export const sendFrom = (server: ServerProcess, { localAddress, path, body }: Sent): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'image/jpeg' }
    const sent = request(`${server.url}${path}`, { method: 'POST', localAddress, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode!, body: JSON.parse(text) }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
