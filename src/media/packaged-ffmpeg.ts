/** FFmpeg's libraries, in a media process. Everything slow is asynchronous, in FFmpeg's own threads. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AV_LOG_WARNING } from 'node-av/constants'
import { getFFmpegInfo, Log } from 'node-av/lib'
import { type Ffmpeg, failureCode, joinWords, MediaError, type MediaJob, type MediaResult } from './ffmpeg.ts'
import type { Held, Progress } from './libav.ts'
import { decodeAll } from './packaged-decode.ts'
import { buildGraph } from './packaged-graph.ts'
import { type OpenInput, openInput } from './packaged-input.ts'
import { writeOutput } from './packaged-output.ts'
import { graphPads, planMedia } from './plan.ts'

/** FFmpeg's last log lines of this run. */
const lastLines: string[] = []

/** Logged for every JPEG, and never the reason for a failure. */
const said = /deprecated pixel format used/

/** FFmpeg's lines arrive through the event loop, after the failed call has returned. */
const logDelayMs = 20

/** `onFrames`: called with the frames of the run so far. */
export function createPackagedFfmpeg(onFrames: (frames: number) => void): Ffmpeg {
  Log.setCallback(
    (_level, message) => {
      if (!said.test(message)) lastLines.push(message.trim())
      if (lastLines.length > 12) lastLines.shift()
    },
    { maxLevel: AV_LOG_WARNING },
  )
  return {
    describe: async () => getFFmpegInfo().version,
    run: (job) => runJob(job, onFrames),
  }
}

async function runJob(job: MediaJob, report: (frames: number) => void): Promise<MediaResult> {
  lastLines.length = 0
  try {
    await using held = new AsyncDisposableStack()
    return await tryJob(job, report, held)
  } catch (error) {
    if (!(error instanceof MediaError) || error.code !== 'failed') throw error
    await sleep(logDelayMs)
    const words = [error.message, ...lastLines.slice(-4)]
    throw new MediaError(failureCode(words), joinWords(words))
  }
}

async function tryJob(job: MediaJob, report: (frames: number) => void, held: Held): Promise<MediaResult> {
  const plan = planMedia(job)
  const progress: Progress = { frames: 0, report }
  if (plan.output === null) {
    const input = await openInput(plan.inputs[0]!, 0, null, held)
    return { ...(await decodeAll(input, progress)), frames: progress.frames }
  }
  const pads = graphPads(plan.graph)
  const inputs: OpenInput[] = []
  for (const [index, input] of plan.inputs.entries()) {
    const wanted = pads.filter((pad) => pad.input === index).map((pad) => pad.stream)
    inputs.push(await openInput(input, index, wanted, held))
  }
  const sink = await buildGraph(plan.graph, plan.output, inputs, held)
  return { frames: await writeOutput(plan.output, sink, inputs, progress, held) }
}
