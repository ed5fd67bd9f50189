/** The child's half of `child.ts`: takes one request, answers it, and never outlives its parent. */
import type { ChildReport, ChildRequest } from './child.ts'
import type { MediaError, MediaJob } from './media.ts'
import { ownerUmask } from '../owner-only.ts'

export interface ChildWork {
  describe(program: string | null): Promise<string>
  /** Resolves with the frames written. */
  run(job: MediaJob, program: string | null, report: (frames: number) => void): Promise<number>
  /** Resident bytes of whatever FFmpeg runs in. */
  memoryBytes(): number
}

/** Thrown inside the child; crosses to the parent as a report. */
export class ChildFailure extends Error {
  readonly code: MediaError['code']
  constructor(code: MediaError['code'], message: string) {
    super(message)
    this.code = code
  }
}

const progressEveryMs = 100
const memoryEveryMs = 100

export function answerParent(work: ChildWork): void {
  process.umask(ownerUmask)
  process.once('disconnect', endGroup)
  process.once('message', (request: ChildRequest) => {
    answer(work, request).then(send, (error: unknown) => send(toReport(error)))
  })
}

async function answer(work: ChildWork, request: ChildRequest): Promise<ChildReport> {
  if (request.kind === 'describe') return { kind: 'described', version: await work.describe(request.program) }
  const { job, program } = request
  let frames = 0
  let reported = 0
  const progress = setInterval(() => {
    if (frames > reported) send({ kind: 'progress', frames: (reported = frames) })
  }, progressEveryMs)
  const memory = setInterval(() => {
    const bytes = work.memoryBytes()
    if (bytes <= job.limits.memoryBytes) return
    send({
      kind: 'failed',
      code: 'failed',
      message: `needs more memory than the ${megabytes(job.limits.memoryBytes)} allowed`,
    })
  }, memoryEveryMs)
  try {
    return { kind: 'done', frames: await work.run(job, program, (done) => (frames = done)) }
  } finally {
    clearInterval(progress)
    clearInterval(memory)
  }
}

function send(report: ChildReport): void {
  process.send?.(report, undefined, undefined, () => {})
}

function toReport(error: unknown): ChildReport {
  if (error instanceof ChildFailure) return { kind: 'failed', code: error.code, message: error.message }
  return { kind: 'failed', code: 'failed', message: error instanceof Error ? error.message : String(error) }
}

/** SIGKILL, because FFmpeg's threads in this process would be waited for by an exit. */
function endGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`
}

const fullDisk = /No space left on device|Disk quota exceeded/

/** What went wrong, told by FFmpeg's own lines: a full disk is nobody's fault and passes. */
export function failureCode(lines: readonly string[]): MediaError['code'] {
  return lines.some((line) => fullDisk.test(line)) ? 'disk_full' : 'failed'
}
