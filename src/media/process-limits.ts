/** Enforces the limits of an operation in a media process from outside: a stuck process cannot do so itself. */
import type { Host } from '../host.ts'
import { MediaError, type MediaLimits } from './ffmpeg.ts'
import { cpuMs, residentBytes } from './usage.ts'

export interface HeldOperation {
  readonly limits: MediaLimits
  readonly host: Host
  /** The process and the program that it runs. */
  readonly pids: ReadonlySet<number>
  /** Read repeatedly; the caller updates it. */
  readonly progress: { readonly frames: number; readonly lastFrameAtMs: number }
  kill(why: MediaError): void
  /** Called if there is a limit of processor time, and the operation has used so much that it should yield to others. */
  onSlow(): void
}

/** How often memory and processor time are read. */
const lookEveryMs = 100

/** Processor time after which an operation counts as slow. */
const slowMs = 1000

/** Kills the process when a limit is reached; the returned function stops the checks. */
export function holdToLimits(operation: HeldOperation): () => void {
  const over = new AbortController()
  const cpuBeforeMs = cpuOfAllMs(operation.pids)
  const looking = setInterval(() => void holdToUsage(operation, cpuBeforeMs, over.signal), lookEveryMs)
  void holdToTime(operation, over.signal)
  return () => {
    over.abort()
    clearInterval(looking)
  }
}

async function holdToTime({ limits, host, progress, kill }: HeldOperation, over: AbortSignal): Promise<void> {
  const startedAtMs = progress.lastFrameAtMs
  const done = (): string => (progress.frames > 0 ? ` (${progress.frames} frames done)` : '')
  while (!over.aborted) {
    const now = host.monotonic()
    const wallLeftMs = startedAtMs + limits.wallMs - now
    const stallLeftMs = progress.lastFrameAtMs + limits.stallMs - now
    if (wallLeftMs <= 0)
      return kill(new MediaError('too_long', `took longer than ${limits.wallMs / 1000} s${done()}`))
    if (stallLeftMs <= 0)
      return kill(new MediaError('hung', `no new frame for ${limits.stallMs / 1000} s${done()}`))
    await host.sleep(Math.min(wallLeftMs, stallLeftMs), over)
  }
}

async function holdToUsage(
  { limits, pids, kill, onSlow }: HeldOperation,
  cpuBeforeMs: number,
  over: AbortSignal,
): Promise<void> {
  if (limits.cpuMs !== undefined) {
    const usedMs = cpuOfAllMs(pids) - cpuBeforeMs
    if (usedMs > limits.cpuMs)
      kill(new MediaError('too_long', `took more than ${limits.cpuMs / 1000} s of processor time`))
    if (usedMs > slowMs) onSlow()
  }
  if ((await residentBytes(pids)) > limits.memoryBytes && !over.aborted)
    kill(new MediaError('failed', `needs more memory than the ${megabytes(limits.memoryBytes)} allowed`))
}

const cpuOfAllMs = (pids: ReadonlySet<number>): number => [...pids].reduce((sum, pid) => sum + cpuMs(pid), 0)

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`
