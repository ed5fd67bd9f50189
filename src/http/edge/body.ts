/** Reads request bodies and counts their bytes, so that none over its limit is buffered. */
import type { Context } from 'hono'
import { JsonBoundError, createJsonReader } from '../../json-reader.ts'
import { HttpProblem, malformedField, tooLarge } from './problem.ts'

export interface BodyLimits {
  readonly jsonBytes: number
  /** Maximum nesting of arrays and objects. */
  readonly jsonDepth: number
  /** Maximum number of values in all arrays and objects. */
  readonly jsonValues: number
  readonly assetBytes: number
}

export const defaultBodyLimits: BodyLimits = {
  jsonBytes: 1 << 20,
  jsonDepth: 64,
  jsonValues: 50_000,
  assetBytes: 100 << 20,
}

export interface IncomingBody {
  /** Throws an HttpProblem: 413 above `maxBytes`, 400 if the client disconnects. */
  readonly bytes: AsyncGenerator<Uint8Array, void, void>
  /** Reads the rest, up to the limit: a client that is still sending would not see an earlier answer. */
  readonly discard: () => Promise<void>
}

/** Bodies that were read as bytes before their route parses them. */
const readBefore = new WeakMap<Request, Uint8Array<ArrayBuffer>>()

/** Reads the whole body, which stays readable. Throws as `IncomingBody` does. */
export async function readAhead(c: Context, maxBytes: number): Promise<Uint8Array> {
  const bytes = Buffer.concat(await Array.fromAsync(incomingBody(c, maxBytes).bytes))
  readBefore.set(c.req.raw, bytes)
  return bytes
}

/** `saidBytes`: the limit that the refusal names, if not that of the whole body. */
export function incomingBody(c: Context, maxBytes: number, saidBytes: number = maxBytes): IncomingBody {
  if (Number(c.req.header('content-length') ?? 0) > maxBytes) throw tooLarge(saidBytes)
  const ahead = readBefore.get(c.req.raw)
  const reader = (ahead ? new Blob([ahead]).stream() : c.req.raw.body)?.getReader()
  let size = 0
  const next = async (): Promise<Uint8Array | undefined> => {
    const { value } = (await reader?.read().catch((cause: unknown) => {
      throw malformedField('', 'The body broke off before its end', { cause })
    })) ?? { value: undefined }
    size += value?.length ?? 0
    if (size > maxBytes) throw tooLarge(saidBytes)
    return value
  }
  return {
    bytes: (async function* () {
      for (let chunk = await next(); chunk !== undefined; chunk = await next()) yield chunk
    })(),
    discard: async () => {
      // `next` throws above the limit, and after a disconnection.
      while ((await next().catch(() => undefined)) !== undefined);
    },
  }
}

/** Reads a JSON body. @throws {HttpProblem} */
export async function readJson(c: Context, limits: BodyLimits): Promise<unknown> {
  const contentType = c.req.header('content-type') ?? ''
  if (!/^application\/(?:json|[\w.+-]+\+json)\s*(?:;|$)/i.test(contentType))
    throw wrongContentType('application/json')
  refuseEncoded(c)
  const bytes = await readBounded(c, limits)
  if (bytes.length === 0) throw malformedField('', 'The body is empty; send a JSON object')
  return parseJson(decodeUtf8(bytes))
}

/** Limits nesting and values before parsing: parsed JSON may need much more memory than its bytes. */
async function readBounded(
  c: Context,
  { jsonBytes, jsonDepth, jsonValues }: BodyLimits,
): Promise<Uint8Array> {
  const reader = createJsonReader({ depth: jsonDepth, values: jsonValues })
  const body = incomingBody(c, jsonBytes)
  try {
    for await (const chunk of body.bytes) reader.write(chunk)
  } catch (error) {
    if (!(error instanceof JsonBoundError)) throw error
    await body.discard()
    throw malformedField('', `The JSON ${error.message}`, { cause: error })
  }
  return reader.bytes()
}

/** Reads an optional body: an empty object without one. */
export async function readOptionalJson(c: Context, limits: BodyLimits): Promise<unknown> {
  const hasBody =
    c.req.header('transfer-encoding') !== undefined || Number(c.req.header('content-length') ?? 0) > 0
  return hasBody ? readJson(c, limits) : {}
}

export const wrongContentType = (wanted: string): HttpProblem =>
  new HttpProblem(
    415,
    { error: 'Wrong content type', field: 'Content-Type', reason: `Send the body as ${wanted}` },
    { headers: { accept: wanted } },
  )

export function refuseEncoded(c: Context): void {
  const encoding = c.req.header('content-encoding')
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new HttpProblem(
      415,
      { error: 'Wrong content encoding', field: 'Content-Encoding', reason: 'Send the body uncompressed' },
      { headers: { 'accept-encoding': 'identity' } },
    )
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw malformedField('', 'The body is not UTF-8', { cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw malformedField(
      '',
      `The body is not JSON: ${cause instanceof Error ? cause.message : 'unreadable'}`,
      { cause },
    )
  }
}
