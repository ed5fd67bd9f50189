/**
 * A media process: performs one operation after the other for the server that started it, and never outlives it.
 * `node child.ts [path of an FFmpeg program]`.
 */
import { Worker } from 'node:worker_threads'
import { type Ffmpeg, MediaError } from './ffmpeg.ts'
import { ownerUmask } from '../owner-only.ts'
import { operations } from './operations.ts'
import type { MediaOrder, MediaReport } from './process.ts'

const progressEveryMs = 100

const [, , program] = process.argv

// Only the owner may read files written here, whatever umask the server was started with.
process.umask(ownerUmask)

let frames = 0
let loading: Promise<Ffmpeg> | undefined

const onFrames = (done: number): void => void (frames = done)

const loadFfmpeg = async (): Promise<Ffmpeg> => {
  if (program === undefined) return (await import('./packaged-ffmpeg.ts')).createPackagedFfmpeg(onFrames)
  return (await import('./command-ffmpeg.ts')).createCommandFfmpeg({
    program,
    onFrames,
    onProgram: (pid) => send({ kind: 'program', pid }),
  })
}

const ffmpeg: Ffmpeg = {
  describe: async () => (await (loading ??= loadFfmpeg())).describe(),
  run: async (job) => (await (loading ??= loadFfmpeg())).run(job),
}

process.once('disconnect', endGroup)
// A stuck parser would block the event `disconnect`: another thread watches the parent and kills the group.
new Worker(
  `const parent = process.ppid
  setInterval(() => { if (process.ppid !== parent) process.kill(-process.pid, 'SIGKILL') }, 500)`,
  { eval: true, resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 } },
).unref()
process.on('message', (order: MediaOrder) => {
  frames = 0
  let reported = -1
  const report = (): void => {
    if (frames !== reported) send({ kind: 'progress', frames: (reported = frames) })
  }
  // The first report marks the beginning: until then the process was starting.
  report()
  const progress = setInterval(report, progressEveryMs)
  perform(order)
    .finally(() => {
      clearInterval(progress)
      report()
    })
    .then(
      (result) => send({ kind: 'done', result }),
      (error: unknown) => send(toReport(error)),
    )
})

const perform = async ({ name, request }: MediaOrder): Promise<unknown> =>
  // Both sides have one version, and the types of `Media` match names with requests.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  (operations[name] as (media: Ffmpeg, request: unknown) => Promise<unknown>)(ffmpeg, request)

function send(report: MediaReport): void {
  process.send?.(report, undefined, undefined, () => {})
}

function toReport(error: unknown): MediaReport {
  if (!(error instanceof Error)) return { kind: 'failed', name: 'Error', message: String(error) }
  const { name, message } = error
  const code = error instanceof MediaError || 'code' in error ? String(error.code) : undefined
  return { kind: 'failed', name, message, ...(code !== undefined && { code }) }
}

/** SIGKILL, because an exit would wait for FFmpeg's threads in this process. */
function endGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}
