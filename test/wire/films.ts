/** Films of a second a scene, asked for over the API of a node in this process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { picture } from '../server/process.ts'
import type { Node } from './nodes.ts'

export async function uploadTo({ app }: Pick<Node, 'app'>, bytes: Uint8Array): Promise<string> {
  const response = await app.request('/api/v3/assets', {
    method: 'POST',
    body: new Uint8Array(bytes),
    headers: { 'content-type': 'image/jpeg', 'content-length': String(bytes.length) },
  })
  const answer: any = await response.json()
  if (response.status !== 201) throw new Error(JSON.stringify(answer))
  return answer.id
}

export interface FilmOrder {
  readonly scenes?: number
  readonly hue?: number
  readonly parameters?: object
  readonly members?: object
}

/** An approved job. */
export async function orderFilm(node: Node, order: FilmOrder = {}): Promise<number> {
  const { scenes = 2, hue = 0, parameters = {}, members = {} } = order
  const photos = []
  for (let index = 0; index < scenes; index++)
    photos.push({ asset_id: await uploadTo(node, await picture(hue + index * 40)) })
  const created = await node.ask('POST', '/jobs', {
    type: 'property_photos',
    parameters: { photos, clip_duration: 1, resolution: '360p', transition: 'cut', ...parameters },
    ...members,
  })
  if (created.status !== 201) throw new Error(JSON.stringify(created.body))
  const jobId: number = created.body.job_id
  const approved = await node.ask('POST', `/jobs/${jobId}/approve`)
  if (approved.status !== 200) throw new Error(JSON.stringify(approved.body))
  return jobId
}

/** The job when it has ended; the test's own guard is the deadline. */
export async function endOf(node: Pick<Node, 'ask'>, jobId: number): Promise<any> {
  for (;;) {
    const { body } = await node.ask('GET', `/jobs/${jobId}`)
    if (['completed', 'failed', 'cancelled'].includes(body.status)) return body
    await sleep(50)
  }
}

/** The address of a job's film. */
export const filmAt = (jobId: number): string => `/api/v3/videos/${jobId}/combined`
