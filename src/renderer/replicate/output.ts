/**
 * Downloads a paid clip. Received bytes are kept, and the next call resumes there. `<path>.etag` beside the file
 * identifies the clip that its bytes belong to.
 */
import { type FileHandle, open, readFile, rm, writeFile } from 'node:fs/promises'
import type { Host } from '../../host.ts'
import { fileKindOf, headBytes } from '../../job/file-kind.ts'
import { ownerFile } from '../../owner-only.ts'
import type { FetchOutcome } from '../provider.ts'
import { type Api, isWeb, reasonOf, withDeadline } from './api.ts'

export interface ClipRequest {
  readonly url: string
  /** Checked if present; one that is a clip replaces a `url` that is not. */
  readonly others?: readonly string[]
  readonly path: string
  readonly maxBytes: number
}

export interface ClipSource {
  readonly api: Pick<Api, 'origin' | 'authorization'>
  readonly host: Host
  readonly fetch: typeof fetch
  /** Connects to public addresses only. */
  readonly fetchOutside: typeof fetch
}

/** Longest time without a byte. */
const stallMs = 30_000
/** Total time of a call, against a slow server; nothing is lost, because the next call resumes. */
const callMs = 15 * 60_000
const maxRedirects = 3

/** @throws if the file can't be written. */
export function fetchClip(
  request: ClipRequest,
  source: ClipSource,
  signal: AbortSignal,
): Promise<FetchOutcome> {
  const { host } = source
  return withDeadline({ host, ms: callMs, signal }, async (ending) => {
    // In append mode every byte goes after the last one.
    await using file = await open(request.path, 'a+', ownerFile)
    const { size } = await file.stat()
    const etag = size > 0 ? await readEtag(request.path) : null
    const watch = watchForStall(host, ending)
    try {
      const url = await clipAmong([request.url, ...(request.others ?? [])], source, watch)
      const reached = await reach(url, etag === null ? {} : resuming(size, etag), source, watch)
      // Not by its class: an HTTP server in this process may have replaced the global Response.
      if ('kind' in reached) return reached
      return await receive(reached, { ...request, file, kept: size, etag }, watch)
    } finally {
      watch.end()
    }
  })
}

const failed = (reason: string): FetchOutcome => ({ kind: 'failed', reason })

/** More than the number of addresses that models return beside the clip. */
const mostLooks = 8

/** The first address whose bytes are a clip; else the first that may be one; else the first. */
async function clipAmong(urls: readonly string[], source: ClipSource, watch: StallWatch): Promise<string> {
  let perhaps: string | undefined
  let unreached: string | undefined
  if (urls.length > 1)
    for (const url of urls.slice(0, mostLooks)) {
      const looked = await lookAt(url, source, watch)
      if (looked === 'clip') return url
      // An address that is unreachable now may be the clip, so it is tried again rather than replaced by a preview.
      if (looked === 'not reached') unreached ??= url
      else if (looked !== 'no clip') perhaps ??= url
    }
  return unreached ?? perhaps ?? urls[0]!
}

async function lookAt(
  url: string,
  source: ClipSource,
  watch: StallWatch,
): Promise<'clip' | 'animation' | 'perhaps' | 'no clip' | 'not reached'> {
  const reached = await reach(url, { range: `bytes=0-${headBytes - 1}` }, source, watch)
  if ('kind' in reached || !reached.ok) return 'not reached'
  const head = await headOf(reached, watch)
  const type = reached.headers.get('content-type') ?? ''
  const kind = head.length > 0 ? fileKindOf(head) : undefined
  if (kind !== undefined) {
    if (kind.container === undefined) return 'no clip'
    return kind.contentType.startsWith('image/') ? 'animation' : 'clip'
  }
  if (type.startsWith('video/')) return 'clip'
  return /^(?:image|audio|text)\/|\bjson\b/.test(type) ? 'no clip' : 'perhaps'
}

/** Reads enough bytes to detect the type, in any number of chunks. */
async function headOf({ body }: Response, watch: StallWatch): Promise<Buffer> {
  const reader = body?.getReader()
  const parts: Uint8Array[] = []
  for (let size = 0; size < headBytes;) {
    const part = await reader?.read().catch(() => undefined)
    if (part?.value === undefined) break
    watch.heard()
    parts.push(part.value)
    size += part.value.length
  }
  await reader?.cancel().catch(() => {})
  return Buffer.concat(parts)
}

const resuming = (size: number, etag: string): Record<string, string> => ({
  range: `bytes=${size}-`,
  'if-range': etag,
})

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Follows redirects manually, to check each address and send the token only to the API's own origin. The API's host may
 * be private, because the operator configured it, for example a fake provider on this machine.
 */
async function reach(
  url: string,
  headers: Readonly<Record<string, string>>,
  { api, fetch, fetchOutside }: ClipSource,
  watch: StallWatch,
): Promise<Response | FetchOutcome> {
  let target: string | undefined = url
  let from: string | undefined
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const address = URL.parse(target, from)
    const objection = objectionTo(address, api)
    if (address === null || objection !== null) return failed(`The clip's address ${objection}`)
    try {
      const isApi = address.hostname === new URL(api.origin).hostname
      const response = await (isApi ? fetch : fetchOutside)(address, {
        redirect: 'manual',
        signal: watch.signal,
        headers: {
          ...headers,
          // If compressed, its length would differ from the file's.
          'accept-encoding': 'identity',
          ...(address.origin === api.origin ? { authorization: api.authorization } : {}),
        },
      })
      watch.heard()
      const location = response.headers.get('location')
      if (!redirects.has(response.status) || location === null) return response
      await response.body?.cancel()
      target = location
      from = address.href
    } catch (error) {
      return failed(reasonOf(error))
    }
  }
  return failed(`The clip's address redirects more than ${maxRedirects} times`)
}

interface Target extends ClipRequest {
  readonly file: FileHandle
  /** Bytes from an earlier call. */
  readonly kept: number
  /** ETag of the clip they belong to; null if unknown, which makes them useless. */
  readonly etag: string | null
}

async function receive(response: Response, target: Target, watch: StallWatch): Promise<FetchOutcome> {
  const { status, headers } = response
  const { file, path, kept, etag, maxBytes } = target
  if (status === 403 || status === 404 || status === 410) return { kind: 'gone', reason: `HTTP ${status}` }
  if (status !== 200 && status !== 206 && status !== 416) return failed(`HTTP ${status}`)

  /** The next call starts over. */
  const discard = async (reason: string): Promise<FetchOutcome> => {
    await rm(path, { force: true })
    await rm(etagPath(path), { force: true })
    return failed(reason)
  }
  const range = rangeOf(headers.get('content-range'))
  if (status === 416) {
    if (range?.total !== kept || kept === 0) return discard('The clip has changed since the last download')
    if (kept > maxBytes) return discard(`The clip has ${kept} bytes, more than ${maxBytes}`)
    await file.sync()
    return { kind: 'fetched', size: kept }
  }

  const type = headers.get('content-type') ?? ''
  // A page instead of the rest is an error page; instead of the whole clip it is the only output, and is kept.
  if (kept > 0 && etag !== null && /\b(html|json)\b/i.test(type))
    return failed('Received a page instead of the rest of the clip')
  const isEncoded = (headers.get('content-encoding') ?? 'identity') !== 'identity'
  if (isEncoded && status === 206)
    return discard('The rest of the clip is compressed, so it cannot be appended')
  if (status === 206 && !goesOn(target, range, headers.get('etag')))
    return discard('The server resumed the clip at another position or version')
  // The length of the transferred bytes, not of the decompressed ones.
  const length = isEncoded ? null : wholeNumber(headers.get('content-length'))
  const announced = status === 206 ? (range?.total ?? range?.end ?? null) : length
  if (announced !== null && announced > maxBytes)
    return discard(`The clip has ${announced} bytes, more than ${maxBytes}`)

  if (status === 200) await startOver(target, isEncoded ? null : headers.get('etag'))
  const from = status === 200 ? 0 : kept
  const { size, cut } = await append(response, file, { from, maxBytes }, watch)
  if (size > maxBytes) return discard(`The clip has more than ${maxBytes} bytes`)
  if (cut !== null) return failed(cut)
  if (announced !== null && size !== announced) return failed(`received ${size} of ${announced} bytes`)
  await file.sync()
  return { kind: 'fetched', size }
}

/** Whether a 206 continues the kept bytes. */
function goesOn({ kept, etag }: Target, range: ContentRange | null, current: string | null): boolean {
  return etag !== null && range?.start === kept && (current === null || current === etag)
}

/** In this order, so that a crash in between never leaves bytes with another clip's ETag. */
async function startOver({ file, path }: Target, etag: string | null): Promise<void> {
  await file.truncate(0)
  // A weak ETag may be equal for different bytes.
  if (etag === null || etag.startsWith('W/')) await rm(etagPath(path), { force: true })
  else await writeFile(etagPath(path), etag, { mode: ownerFile })
}

/** Waits for the disk before reading more. `cut`: why the transfer broke off. */
async function append(
  { body }: Response,
  file: FileHandle,
  { from, maxBytes }: { readonly from: number; readonly maxBytes: number },
  watch: StallWatch,
): Promise<{ readonly size: number; readonly cut: string | null }> {
  let size = from
  const reader = body?.getReader()
  if (!reader) return { size, cut: null }
  for (;;) {
    const part = await reader.read().catch((error: unknown) => ({ cut: reasonOf(error) }))
    if ('cut' in part) return { size, cut: part.cut }
    if (part.done) return { size, cut: null }
    size += part.value.length
    if (size > maxBytes) return { size, cut: null }
    await file.appendFile(part.value)
    watch.heard()
  }
}

const etagPath = (path: string): string => `${path}.etag`

async function readEtag(path: string): Promise<string | null> {
  try {
    return (await readFile(etagPath(path), 'utf8')) || null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

interface ContentRange {
  readonly start: number | null
  /** Exclusive. */
  readonly end: number | null
  readonly total: number | null
}

/** `bytes 5-9/10`; a star stands for an unknown total or, with 416, for the range. */
function rangeOf(header: string | null): ContentRange | null {
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(header ?? '')
  if (!match) return null
  const [start, last, total] = [match[1], match[2], match[3]].map((text) => wholeNumber(text ?? null))
  return {
    start: start ?? null,
    end: last === undefined || last === null ? null : last + 1,
    total: total ?? null,
  }
}

const wholeNumber = (text: string | null): number | null =>
  text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null

/** The problem with an address, judged by its text; the IP address is checked when connecting. */
function objectionTo(address: URL | null, { origin }: Pick<Api, 'origin'>): string | null {
  if (address === null) return 'is invalid'
  if (!isWeb(address.protocol)) return 'must begin with https://'
  if (address.protocol === 'http:' && !origin.startsWith('http:'))
    return "must begin with https://, as Replicate's own does"
  if (address.username !== '' || address.password !== '') return 'must not contain a user name or a password'
  return null
}

interface StallWatch {
  /** Fires with the caller's, and after a stall. */
  readonly signal: AbortSignal
  heard(): void
  /** Ends the watch, and aborts an answer that was not read to its end. */
  end(): void
}

function watchForStall(host: Host, signal: AbortSignal): StallWatch {
  const stalled = new AbortController()
  const ended = new AbortController()
  let heardAt = host.monotonic()
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const quietMs = host.monotonic() - heardAt
      if (quietMs >= stallMs) return stalled.abort(new Error(`no byte for ${stallMs / 1000} s`))
      await host.sleep(stallMs - quietMs, ended.signal)
    }
  }
  void watch()
  return {
    signal: AbortSignal.any([signal, stalled.signal, ended.signal]),
    heard: () => {
      heardAt = host.monotonic()
    },
    end: () => ended.abort(),
  }
}
