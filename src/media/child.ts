/**
 * One FFmpeg run, one child process: started, watched and killed here, the same for both adapters. The child
 * leads a process group of its own, so one signal reaches everything it started, and kills that group itself
 * when the channel to us closes: whether we said so or died.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { basename, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host } from '../host.ts'
import { type Media, type MediaDescription, MediaError, type MediaJob, type MediaLimits } from './media.ts'

export type ChildRequest =
  | { readonly kind: 'describe'; readonly program: string | null }
  | { readonly kind: 'run'; readonly program: string | null; readonly job: MediaJob }

export type ChildReport =
  | { readonly kind: 'progress'; readonly frames: number }
  | { readonly kind: 'described'; readonly version: string }
  | { readonly kind: 'done'; readonly frames: number }
  | { readonly kind: 'failed'; readonly code: MediaError['code']; readonly message: string }

type Verdict = Exclude<ChildReport, { kind: 'progress' }>

export interface ChildMediaOptions {
  readonly kind: MediaDescription['kind']
  /** Name without extension of the module beside this one that runs in the child. */
  readonly module: string
  /** The FFmpeg program, where there is one. */
  readonly program: string | null
  /** All the environment that the child sees: our own holds secrets it has no use for. */
  readonly environment: Readonly<Record<string, string>>
  readonly host: Host
}

/** Describing loads the libraries or asks the program its version: a second at most, on a cold disk more. */
const describeLimits: MediaLimits = { wallMs: 30_000, stallMs: 30_000, memoryBytes: 2 ** 30 }

export function createChildMedia(options: ChildMediaOptions): Media {
  const running = new Set<ChildRun>()
  let closed = false

  const start = async (
    request: ChildRequest,
    limits: MediaLimits,
    signal: AbortSignal | undefined,
    onProgress: (frames: number) => void,
  ): Promise<Verdict> => {
    if (closed) throw new MediaError('unusable', 'FFmpeg is closed: this process is ending')
    if (signal?.aborted)
      throw new MediaError('cancelled', 'cancelled before it started', { cause: signal.reason })
    const run = startChild(options, request, limits, onProgress)
    running.add(run)
    const cancel = (): void => run.kill(new MediaError('cancelled', 'cancelled', { cause: signal?.reason }))
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await run.ended
    } finally {
      signal?.removeEventListener('abort', cancel)
      running.delete(run)
    }
  }

  return {
    describe: async () => {
      const verdict = await start(
        { kind: 'describe', program: options.program },
        describeLimits,
        undefined,
        () => {},
      )
      if (verdict.kind === 'described') return { kind: options.kind, version: verdict.version }
      throw toError(verdict, [])
    },

    run: async (job, { signal, onProgress } = {}) => {
      let most = 0
      const verdict = await start(
        { kind: 'run', program: options.program, job },
        job.limits,
        signal,
        (frames) => {
          if (frames <= most) return
          most = frames
          onProgress?.(frames)
        },
      )
      if (verdict.kind !== 'done') throw toError(verdict, namesOf(job))
      if (verdict.frames > most) onProgress?.(verdict.frames)
      return { frames: verdict.frames }
    },

    close: async () => {
      closed = true
      const ending = [...running].map((run) => {
        run.kill(new MediaError('cancelled', 'killed: this process is ending'))
        return run.ended.catch(() => {})
      })
      await Promise.all(ending)
    },
  }
}

interface ChildRun {
  /** Settles when the process is gone. */
  readonly ended: Promise<Verdict>
  kill(why: MediaError): void
}

function startChild(
  { module, environment, host }: ChildMediaOptions,
  request: ChildRequest,
  limits: MediaLimits,
  onProgress: (frames: number) => void,
): ChildRun {
  const child = fork(modulePath(module), [], {
    execArgv: [],
    env: { ...environment },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const over = new AbortController()
  const lastWords = keepLast(child)
  let killed: MediaError | undefined
  let verdict: Verdict | undefined
  let frames = 0
  let lastFrameAtMs = host.monotonic()

  const kill = (why: MediaError): void => {
    if (verdict !== undefined || over.signal.aborted) return
    killed ??= why
    killGroup(child)
  }

  const watch = async (): Promise<void> => {
    const startedAtMs = lastFrameAtMs
    for (;;) {
      const now = host.monotonic()
      const wallLeftMs = startedAtMs + limits.wallMs - now
      const stallLeftMs = lastFrameAtMs + limits.stallMs - now
      if (wallLeftMs <= 0)
        return kill(
          new MediaError('too_long', `took longer than ${limits.wallMs / 1000} s (${frames} frames done)`),
        )
      if (stallLeftMs <= 0)
        return kill(
          new MediaError('hung', `no new frame for ${limits.stallMs / 1000} s (${frames} frames done)`),
        )
      await host.sleep(Math.min(wallLeftMs, stallLeftMs), over.signal)
      if (over.signal.aborted) return
    }
  }

  child.on('message', (report: ChildReport) => {
    if (report.kind === 'progress') {
      if (report.frames <= frames) return
      frames = report.frames
      lastFrameAtMs = host.monotonic()
      if (killed === undefined) onProgress(frames)
      return
    }
    verdict ??= report
    // The child ends itself when the channel closes.
    if (child.connected) child.disconnect()
  })

  const ended = new Promise<Verdict>((resolve, reject) => {
    const settle = (end: string, signal: NodeJS.Signals | null): void => {
      over.abort()
      if (killed !== undefined) reject(killed)
      else if (verdict !== undefined) resolve(verdict)
      else
        reject(
          new MediaError(
            // A crash of FFmpeg itself says nothing about its files either.
            signal === null ? 'failed' : 'killed',
            joinWords([`FFmpeg's process ended by itself (${end})`, ...lastWords()]),
          ),
        )
    }
    child.once('error', (cause) => {
      if (child.pid === undefined) {
        over.abort()
        reject(new MediaError('unusable', `FFmpeg's process cannot be started: ${cause.message}`, { cause }))
      }
    })
    child.once('exit', (code, signal) => {
      const end = signal ?? `exit code ${code}`
      // A report that was already on its way is delivered before the channel says that it is closed.
      if (child.connected) child.once('disconnect', () => settle(end, signal))
      else settle(end, signal)
    })
  })

  // A child that died at once shows in its exit; the failed send adds nothing.
  child.send(request, () => {})
  void watch()
  return { ended, kill }
}

/** Node runs the source as it is; the published package holds the same files compiled. */
function modulePath(module: string): string {
  return fileURLToPath(new URL(`./${module}${extname(import.meta.url)}`, import.meta.url))
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

/** The end of what the process wrote to its stderr, which is all a crash leaves. */
function keepLast(child: ChildProcess): () => string[] {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-4000)
  })
  return () => text.trim().split('\n').slice(-4)
}

function toError(verdict: Verdict, names: readonly string[]): MediaError {
  if (verdict.kind !== 'failed') return new MediaError('failed', `FFmpeg's process answered ${verdict.kind}`)
  // FFmpeg names files in full; a person who reads why a scene failed has no use for our folders.
  const message = names.reduce(
    (text, name) => text.replaceAll(`file:${name}`, basename(name)).replaceAll(name, basename(name)),
    verdict.message,
  )
  return new MediaError(verdict.code, message)
}

function namesOf(job: MediaJob): string[] {
  const names = job.inputs.map((input) => input.path)
  return job.output.kind === 'nothing' ? names : [...names, job.output.path]
}

/** One line out of several, without what FFmpeg repeats. */
export function joinWords(lines: readonly string[]): string {
  return [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))].join('; ')
}
