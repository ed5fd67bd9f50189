/** Makes the pictures of an order reachable for Replicate, in a way that shows in its records whose they are. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ProviderOrder, ProviderTrouble } from '../provider.ts'
import { answerBytes, type Api, createDeadlineMs } from './api.ts'
import { refusalOf } from './refusal.ts'

export interface ReachablePictures {
  /** One an image, in their order. */
  readonly urls: readonly string[]
  /** Texts that are in the request only because it is this order's. */
  readonly marks: readonly string[]
}

/** Replicate takes data URLs of less than 256 kB; base64 makes 4 characters of 3 bytes. */
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
    // The mark is in the file's name, which a prediction doesn't show; its address it does.
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
    return parsed.success ? parsed.data.urls.get : failed("the answer doesn't tell the file's address")
  }
  if (answer.kind !== 'status') return failed(answer.reason)
  return refusalOf(answer)?.trouble ?? failed(answer.words)
}

const failed = (reason: string): ProviderTrouble => ({ code: 'upload_failed', reason, retry: true })
