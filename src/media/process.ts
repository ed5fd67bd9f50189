/**
 * The server's side of a media process: starts, watches and kills it. The process leads a separate process group, so one
 * signal reaches everything it started. It kills this group itself when the channel to the server closes, even by a crash.
 *
 * `startMediaProcess` is long because all of it shares one state: the child, the operation under way, and how it ended.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { Socket } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host } from '../host.ts'
import { joinWords, MediaError, type MediaErrorCode, type MediaLimits } from './ffmpeg.ts'
import type { MediaRunOptions } from './media.ts'
import type { OperationName } from './operations.ts'
import { holdToLimits } from './process-limits.ts'
import { lowerPriority, residentBytes } from './usage.ts'

export interface MediaOrder {
  readonly name: OperationName
  readonly request: unknown
}

export type MediaReport =
  | { readonly kind: 'progress'; readonly frames: number }
  /** It has started an FFmpeg program. */
  | { readonly kind: 'program'; readonly pid: number }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string; readonly code?: string }

export interface MediaProcess {
  /**
   * Performs one operation; there is only one at a time.
   * @throws {MediaError}
   */
  perform(order: MediaOrder, limits: MediaLimits, options: MediaRunOptions): Promise<unknown>
  /** Whether it can perform another operation; if not, the caller must kill it. */
  canGoOn(): boolean
  residentBytes(): Promise<number>
  /** Marks it as idle: it no longer keeps the server's process from exiting. */
  rest(): void
  kill(why: MediaError): void
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>
}

export interface MediaProcessOptions {
  /** The FFmpeg program to use instead of the packaged one. */
  readonly program: string | undefined
  readonly host: Host
  /** Arguments for Node itself; only tests set any. */
  readonly execArgv?: readonly string[]
}

/**
 * Its whole environment, because the server's holds secrets. glibc gives each thread a separate arena, which doubles
 * resident memory with FFmpeg's dozen threads. (Returning freed memory at once cost a render 8 % more.)
 */
const environment = { MALLOC_ARENA_MAX: '2' }

/** A limit that holds even without the server. Packets lie outside the heap; a film of an hour needs half of it. */
const mostHeap = '--max-old-space-size=1024'

interface Operation {
  readonly options: MediaRunOptions
  readonly finish: (report: Extract<MediaReport, { kind: 'done' | 'failed' }>) => void
  frames: number
  lastFrameAtMs: number
}

export function startMediaProcess({ program, host, execArgv = [] }: MediaProcessOptions): MediaProcess {
  const child = fork(modulePath(), program === undefined ? [] : [program], {
    execArgv: [mostHeap, ...execArgv],
    env: { ...environment },
    detached: true,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const lastWords = keepLast(child)
  const pids = new Set(child.pid === undefined ? [] : [child.pid])
  let operation: Operation | undefined
  let isSlow = false
  let killed: MediaError | undefined
  let end: MediaError | undefined

  const kill = (why: MediaError): void => {
    killed ??= why
    // Its exit is awaited.
    holdOpen(child)
    killGroup(child)
  }

  child.on('message', (report: MediaReport) => {
    if (report.kind === 'program') pids.add(report.pid)
    else if (report.kind !== 'progress') operation?.finish(report)
    else if (operation) {
      operation.lastFrameAtMs = host.monotonic()
      if (report.frames <= operation.frames) return
      operation.frames = report.frames
      if (!killed) operation.options.onProgress?.(report.frames)
    }
  })

  const ended = Promise.withResolvers<MediaError>()
  const settle = (words: string): void => {
    end = killed ?? crash(words, lastWords())
    ended.resolve(end)
  }
  child.on('error', (cause) => {
    if (child.pid === undefined)
      ended.resolve(
        (end = new MediaError('unusable', `No media process can be started: ${cause.message}`, { cause })),
      )
  })
  child.once('exit', (code, signal) => {
    const words = signal ?? `exit code ${code}`
    // A report that was already sent is delivered before `disconnect`.
    if (child.connected) child.once('disconnect', () => settle(words))
    else settle(words)
  })

  return {
    async perform(order, limits, options) {
      if (end ?? killed) throw end ?? killed
      // It never started, because files or memory ran out: the reason follows in `error`.
      if (child.pid === undefined) throw await ended.promise
      const { signal } = options
      const reported = Promise.withResolvers<Parameters<Operation['finish']>[0]>()
      const running: Operation = {
        options,
        finish: reported.resolve,
        frames: 0,
        lastFrameAtMs: host.monotonic(),
      }
      operation = running
      lastWords.forget()
      holdOpen(child)
      const cancel = (): void => kill(new MediaError('cancelled', 'cancelled', { cause: signal?.reason }))
      signal?.addEventListener('abort', cancel, { once: true })
      const endWatch = holdToLimits({
        limits,
        host,
        pids,
        progress: running,
        kill,
        onSlow: () => {
          if (!isSlow) for (const pid of pids) lowerPriority(pid)
          isSlow = true
        },
      })
      try {
        // If the process died at once, its exit reports that; the failed send adds nothing.
        child.send(order, () => {})
        const report = await Promise.race([reported.promise, ended.promise])
        if (report instanceof MediaError) throw report
        // It was killed after it had sent this report.
        if (killed) throw killed
        if (report.kind === 'failed') throw toError(report)
        return report.result
      } finally {
        endWatch()
        signal?.removeEventListener('abort', cancel)
        operation = undefined
        pids.clear()
        if (child.pid !== undefined) pids.add(child.pid)
      }
    },
    // A lowered priority cannot be raised again without privileges.
    canGoOn: () => end === undefined && killed === undefined && !isSlow,
    residentBytes: () => residentBytes(pids),
    rest: () => letGo(child),
    kill,
    gone: ended.promise.then(() => undefined),
  }
}

/** Node runs the source as it is; the published package holds the same files compiled. */
function modulePath(): string {
  return fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url))
}

/** Makes the child keep this process from exiting. */
function holdOpen(child: ChildProcess): void {
  for (const handle of handlesOf(child)) handle?.ref()
}

function letGo(child: ChildProcess): void {
  for (const handle of handlesOf(child)) handle?.unref()
}

function handlesOf(child: ChildProcess) {
  // A child's stream is a socket, although its type does not say so.
  const { stderr } = child
  return [child, child.channel, stderr instanceof Socket ? stderr : undefined]
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

/** A crash says nothing about the files that were read. */
const crash = (words: string, lines: readonly string[]): MediaError =>
  new MediaError('killed', joinWords([`The media process crashed (${words})`, ...lines]))

interface LastWords {
  (): string[]
  forget(): void
}

/** Keeps the end of the process's stderr, the only trace of a crash. */
function keepLast(child: ChildProcess): LastWords {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-4000)
  })
  return Object.assign(() => text.trim().split('\n').slice(-4), { forget: () => void (text = '') })
}

const codes: ReadonlySet<string> = new Set<MediaErrorCode>([
  'failed',
  'killed',
  'hung',
  'too_long',
  'cancelled',
  'disk_full',
  'unusable',
])
const isMediaCode = (code: string | undefined): code is MediaErrorCode =>
  code !== undefined && codes.has(code)

function toError({ name, message, code }: Extract<MediaReport, { kind: 'failed' }>): Error {
  if (name === 'MediaError' && isMediaCode(code)) return new MediaError(code, message)
  return Object.assign(new Error(message), { name, ...(code !== undefined && { code }) })
}
