/** Makes the pictures of an order reachable for Replicate, with a mark that shows in its records. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ProviderOrder, ProviderTrouble } from '../provider.ts'
import { answerBytes, type Api, createDeadlineMs } from './api.ts'
import { refusalOf } from './refusal.ts'

export interface ReachablePictures {
  /** One per image, in their order. */
  readonly urls: readonly string[]
  /** Texts that only this order's request contains. */
  readonly marks: readonly string[]
}

/** Replicate accepts data URLs under 256 kB; base64 turns 3 bytes into 4 characters. */
const inlineBytes = 190_000

export async function reachPictures(
  { attemptId, mark, images }: ProviderOrder,
  api: Api,
  inputUrl: ((attemptId: string, n: number) => string) | undefined,
  signal: AbortSignal,
): Promise<ReachablePictures | ProviderTrouble> {
  if (inputUrl) return { urls: images.map((_path, n) => inputUrl(attemptId, n)), marks: [mark] }
  const urls: string[] = []
  const marks = [mark]
  for (const [n, path] of images.entries()) {
    const bytes = await readFile(path, { signal })
    if (bytes.length <= inlineBytes) {
      urls.push(`data:image/jpeg;attempt=${mark};base64,${bytes.toString('base64')}`)
      continue
    }
    const uploaded = await upload(new File([bytes], `${mark}-${n}.jpg`, { type: 'image/jpeg' }), api, signal)
    if (typeof uploaded !== 'string') return uploaded
    urls.push(uploaded)
    // The mark is in the file's name, but a prediction shows only the file's address.
    marks.push(uploaded)
  }
  return { urls, marks }
}

const uploadedFile = z.object({ urls: z.object({ get: z.url({ protocol: /^https?$/ }) }) })

async function upload(file: File, api: Api, signal: AbortSignal): Promise<string | ProviderTrouble> {
  const body = new FormData()
  body.set('content', file)
  const answer = await api.send(
    { method: 'POST', url: api.url('/v1/files'), body, deadlineMs: createDeadlineMs, maxBytes: answerBytes },
    signal,
  )
  signal.throwIfAborted()
  if (answer.kind === 'ok') {
    const parsed = uploadedFile.safeParse(answer.json)
    return parsed.success ? parsed.data.urls.get : failed('the answer has no file address')
  }
  if (answer.kind !== 'status') return failed(answer.reason)
  return refusalOf(answer)?.trouble ?? failed(answer.words)
}

const failed = (reason: string): ProviderTrouble => ({ code: 'upload_failed', reason, retry: true })
