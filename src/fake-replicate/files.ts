/** Replicate's file store: uploads, by the URL that an input may contain. */
import { createHash } from 'node:crypto'
import type { Host } from '../host.ts'
import { drawId } from './chance.ts'
import { type FakeRequest, type Reply, answerJson, answerProblem, notFound } from './reply.ts'

interface StoredFile {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
  readonly origin: string
  readonly createdAt: number
}

const keptMs = 24 * 3_600_000
const maxBytes = 100 << 20

export interface FilesOptions {
  readonly host: Host
  readonly random: () => number
}

export function createFiles({ host, random }: FilesOptions) {
  const files = new Map<string, StoredFile>()

  const find = (id: string): StoredFile | undefined => {
    const file = files.get(id)
    return file && host.now() < file.createdAt + keptMs ? file : undefined
  }

  const show = ({ id, name, type, bytes, origin, createdAt }: StoredFile): object => ({
    id,
    name,
    content_type: type,
    size: bytes.length,
    etag: createHash('md5').update(bytes).digest('hex'),
    checksums: { sha256: createHash('sha256').update(bytes).digest('hex') },
    metadata: {},
    created_at: new Date(createdAt).toISOString(),
    expires_at: new Date(createdAt + keptMs).toISOString(),
    urls: { get: `${origin}/v1/files/${id}` },
  })

  const upload = async (request: FakeRequest, origin: string): Promise<Reply> => {
    const content = await contentPart(request)
    if (content === null)
      return answerProblem(400, 'Bad request', 'Missing content: send a multipart form with a file in it')
    if (content.size > maxBytes) return answerProblem(413, 'File too large', 'Files may have 100 MiB')
    const file: StoredFile = {
      id: drawId(random),
      name: content.name,
      type: content.type === '' ? 'application/octet-stream' : content.type,
      bytes: new Uint8Array(await content.arrayBuffer()),
      origin,
      createdAt: host.now(),
    }
    files.set(file.id, file)
    return answerJson(201, show(file))
  }

  return {
    upload,
    get: (id: string): Reply => {
      const file = find(id)
      return file ? answerJson(200, show(file)) : notFound()
    },
    /** The bytes of a file's URL; undefined for an unknown URL. */
    bytes: (url: string): Uint8Array | undefined => find(/\/v1\/files\/(\w+)$/.exec(url)?.[1] ?? '')?.bytes,
    /** Names of all files whose URLs a text contains. */
    namesIn: (text: string): string[] =>
      [...text.matchAll(/\/v1\/files\/(\w+)/g)].map(([, id = '']) => find(id)?.name ?? ''),
  }
}

async function contentPart({ method, url, headers, body }: FakeRequest): Promise<File | null> {
  try {
    const form = await new Request(url, { method, headers, body: new Uint8Array(body) }).formData()
    const content = form.get('content')
    return content instanceof File ? content : null
  } catch {
    return null
  }
}
