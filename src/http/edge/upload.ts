/** An uploaded file's bytes, from the whole body or the single file of a form. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import type { Context } from 'hono'
import { incomingBody, refuseEncoded, wrongContentType } from './body.ts'
import { malformedField, tooLarge } from './problem.ts'

/** Room for a form's boundaries, names and small fields around the file. */
const formOverheadBytes = 64 << 10
const mostParts = 22

export interface Upload {
  readonly bytes: AsyncIterable<Uint8Array>
  /** See `IncomingBody`. */
  readonly discard: () => Promise<void>
}

export function incomingUpload(c: Context, maxBytes: number): Upload {
  const contentType = c.req.header('content-type') ?? 'application/octet-stream'
  refuseEncoded(c)
  if (/^(?:image\/|application\/octet-stream\b)/i.test(contentType)) return incomingBody(c, maxBytes)
  if (!/^multipart\/form-data\b/i.test(contentType))
    throw wrongContentType('image/jpeg, image/png, image/webp, image/avif, image/heic or multipart/form-data')
  const body = incomingBody(c, maxBytes + formOverheadBytes, maxBytes)
  return { bytes: filePart(body.bytes, contentType, maxBytes), discard: body.discard }
}

/** The bytes of a form's single file. It ends without an error only if the form does, with no second file. */
async function* filePart(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  const form = openForm(contentType)
  const files: BusboyFileStream[] = []
  const first = Promise.withResolvers<AsyncIterable<Uint8Array>>()
  // Without this, all parts would be parsed, and each costs a stream.
  form.on('partsLimit', () => form.destroy(new Error(`It has more than ${mostParts} parts`)))
  form.on('file', (_field, file) => {
    if (files.push(file) === 1) first.resolve(file)
    else file.resume()
  })
  const source = Readable.from(body, { objectMode: false })
  const parsed = pipeline(source, form).catch((error: unknown) => {
    // Busboy leaves a file open forever if its source fails.
    for (const file of files)
      file.destroy(error instanceof Error ? error : new Error('The form broke off', { cause: error }))
    throw error
  })
  parsed.catch(() => {})
  try {
    const file = await Promise.race([first.promise, parsed.then(() => undefined)])
    if (!file) throw malformedField('file', 'The form holds no file: send one file part')
    let size = 0
    for await (const chunk of file) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge(maxBytes)
      yield chunk
    }
    await parsed
    if (files.length > 1)
      throw malformedField('file', 'The form holds several files: send one for each asset')
  } catch (error) {
    throw saidAsProblem(error)
  } finally {
    source.destroy()
  }
}

function openForm(contentType: string): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: { files: 2, fields: 20, parts: mostParts, fieldSize: formOverheadBytes, headerPairs: 100 },
    })
  } catch (cause) {
    throw malformedField('Content-Type', 'The multipart form has no boundary', { cause })
  }
}

/** Busboy reports malformed forms by plain errors. */
const saidAsProblem = (error: unknown): unknown =>
  error instanceof Error && error.constructor === Error && !('code' in error)
    ? malformedField('', `The multipart form is broken: ${error.message}`, { cause: error })
    : error
