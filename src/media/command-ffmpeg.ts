/** Runs the FFmpeg program at FFMPEG_PATH, in a media process. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { cellSamples, sampleRate } from '../job/timeline.ts'
import {
  excess,
  type Ffmpeg,
  failureCode,
  joinWords,
  MediaError,
  type MediaJob,
  type MediaResult,
} from './ffmpeg.ts'
import { type AvOptions, graphThreads, type PlannedInput, type PlannedOutput, planMedia } from './plan.ts'
import { isOfInterest, seenIn } from './seen.ts'

const oldest = { major: 5, minor: 1 }

export interface CommandFfmpegOptions {
  /** Absolute path of an FFmpeg program, 5.1 or later with libx264. */
  readonly program: string
  /** Called with the frames of the run so far. */
  readonly onFrames: (frames: number) => void
  /** Called with the program's process id once it runs: its memory and processor time count toward the limits. */
  readonly onProgram: (pid: number) => void
}

export function createCommandFfmpeg(options: CommandFfmpegOptions): Ffmpeg {
  const { program, onFrames, onProgram } = options
  const run: RunProgram = (...request) => runProgram(program, onProgram, ...request)
  return {
    describe: () => describe(program, run),
    run: (job) => runJob(job, run, onFrames),
  }
}

type RunProgram = (
  args: readonly string[],
  onLine?: (line: string) => void,
  onError?: (line: string) => void,
  enough?: AbortSignal,
) => Promise<ProgramEnd>

async function describe(program: string, run: RunProgram): Promise<string> {
  const { lines: about } = await run(['-hide_banner', '-version'])
  const version = /^ffmpeg version (\S+)/.exec(about[0] ?? '')?.[1]
  if (version === undefined)
    throw unusable(program, `it does not answer as FFmpeg does: ${about[0] ?? 'no answer'}`)
  const [, major, minor] = /^n?(\d+)\.(\d+)/.exec(version) ?? []
  // A development build has a date instead of a number: it is newer than any version that is refused.
  if (Number(major) < oldest.major || (Number(major) === oldest.major && Number(minor) < oldest.minor))
    throw unusable(program, `it is version ${version}; ${oldest.major}.${oldest.minor} or later is needed`)
  const { lines: encoders } = await run(['-hide_banner', '-loglevel', 'error', '-encoders'])
  for (const encoder of ['libx264', 'aac', 'mjpeg']) {
    if (!encoders.some((line) => line.trim().split(/\s+/)[1] === encoder))
      throw unusable(program, `it has no ${encoder} encoder`)
  }
  return version
}

function unusable(program: string, why: string): MediaError {
  return new MediaError(
    'unusable',
    `FFMPEG_PATH=${program} cannot be used: ${why}. Give the path of an FFmpeg with libx264, or unset it to use the packaged one`,
  )
}

async function runJob(
  job: MediaJob,
  run: RunProgram,
  report: (frames: number) => void,
): Promise<MediaResult> {
  const { inputs, graph, output } = planMedia(job)
  if (output !== null) {
    const { frames } = await runOnce(
      run,
      [...inputLine(inputs), ...outputLine(graph, output)],
      output.stream,
      report,
    )
    if (output.frames === null || frames === output.frames) return { frames }
    const got = frames > output.frames ? 'more' : String(frames)
    throw new MediaError(
      'failed',
      `the filter graph gave ${got} frames where ${output.frames} were asked for`,
    )
  }
  const said: string[] = []
  const line = [
    ...inputLine(inputs, 'level+info'),
    ...words('-map 0:V? -map 0:a? -filter:v:0 showinfo=checksum=0 -filter:a:0 ashowinfo'),
    ...words('-fps_mode passthrough -f null -'),
  ]
  const enough = new AbortController()
  let exceeds: string | null = null
  const onFrames = (frames: number): void => {
    report(frames)
    const { width = 0, height = 0 } = seenIn(said, 0).picture ?? {}
    exceeds ??= excess(frames, frames * width * height)
    if (exceeds !== null) enough.abort()
  }
  const onError = (text: string): void => {
    if (isOfInterest(text) && said.length < mostSaid) said.push(text)
  }
  const { frames, seconds } = await runOnce(run, line, 'video', onFrames, onError, enough.signal)
  return { frames, seen: seenIn(said, seconds), ...(exceeds !== null && { exceeds }) }
}

/** Lines kept at most: only the first frames of each stream matter. */
const mostSaid = 5000

async function runOnce(
  run: RunProgram,
  args: readonly string[],
  stream: 'video' | 'audio',
  report: (frames: number) => void,
  onError?: (line: string) => void,
  enough?: AbortSignal,
): Promise<{ readonly frames: number; readonly seconds: number }> {
  let frames = 0
  let seconds = 0
  const onLine = (line: string): void => {
    const [name, value] = line.split('=')
    const count = Number(value)
    if (Number.isNaN(count)) return
    if (stream === 'video' && name === 'frame') report((frames = count))
    if (name !== 'out_time_us') return
    seconds = count / 1_000_000
    if (stream === 'audio') report((frames = audioFrames(count)))
  }
  let damage: string | undefined
  const onSaid = (line: string): void => {
    if (line.includes('corrupt decoded frame')) damage ??= line
    onError?.(line)
  }
  const { code, signal, errors } = await run(args, onLine, onSaid, enough)
  if (code === 0 && damage !== undefined) throw new MediaError('failed', joinWords([damage, ...errors]))
  if (code === 0 || enough?.aborted) return { frames, seconds }
  const end = signal === null ? `FFmpeg ended with exit code ${code}` : `FFmpeg was ended by ${signal}`
  const said = [end, ...errors]
  const [, lacking] =
    /(?:Unknown input format: '|No such filter: '(?=zscale|tonemap))(\w+)'/.exec(said.join()) ?? []
  if (lacking !== undefined)
    throw new MediaError(
      'unusable',
      `this FFmpeg has no ${lacking}: give FFMPEG_PATH one that has it, or unset it to use the packaged one`,
    )
  // A crash says nothing about the files that were read.
  throw new MediaError(signal === null ? failureCode(said) : 'killed', joinWords(said))
}

/** FFmpeg reports the progress of sound only as time. */
function audioFrames(microseconds: number): number {
  return Math.round((microseconds * sampleRate) / cellSamples / 1_000_000)
}

function inputLine(inputs: readonly PlannedInput[], level: 'warning' | 'level+info' = 'warning'): string[] {
  // -xerror would fail at the jumping packet numbers of a joined transport stream; damage shows in its frames.
  const strict = inputs.some(({ demuxer }) => demuxer === 'mpegts') ? '-max_error_rate 0' : '-xerror'
  return [
    ...words(`-hide_banner -nostats -loglevel ${level} -progress pipe:1 -stats_period 0.1 ${strict} -y`),
    ...inputs.flatMap((input) => [
      '-noautorotate',
      // The graph continues if pictures change their size: they are scaled like the others.
      ...words('-reinit_filter:v 0'),
      ...dashed(input.demuxerOptions),
      ...dashed(input.decoderOptions),
      '-f',
      input.demuxer,
      '-i',
      input.url,
    ]),
  ]
}

function outputLine(graph: string, output: PlannedOutput): string[] {
  const video = output.stream === 'video'
  const kind = video ? 'v' : 'a'
  const forced = output.keyframes.map((number) => `eq(n,${number})`).join('+')
  return [
    '-filter_complex_threads',
    String(graphThreads),
    '-filter_complex',
    // V excludes cover pictures.
    `${graph.replaceAll(/(?<=\[\d+:)v(?=\])/g, 'V')};${output.graphEnd}[out]`,
    ...words('-map [out] -map_metadata -1 -map_chapters -1'),
    ...(video ? words(`-fps_mode cfr -r ${output.rate}`) : []),
    ...words(`-c:${kind} ${output.encoder}`),
    ...dashed(output.encoderOptions, `:${kind}`),
    // One frame more than expected reveals a graph that does not end.
    ...(output.frames === null ? [] : ['-frames:v', String(output.frames + 1)]),
    ...(forced === '' ? [] : ['-force_key_frames', `expr:${forced}`]),
    ...dashed(output.muxerOptions),
    '-f',
    output.muxer,
    output.url,
  ]
}

function words(text: string): string[] {
  return text.split(' ')
}

function dashed(options: AvOptions, suffix = ''): string[] {
  return Object.entries(options).flatMap(([name, value]) => [`-${name}${suffix}`, value])
}

interface ProgramEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly lines: readonly string[]
  readonly errors: readonly string[]
}

async function runProgram(
  program: string,
  onProgram: (pid: number) => void,
  ...[args, onLine, onError, enough]: Parameters<RunProgram>
): Promise<ProgramEnd> {
  // stdin is ignored here, because with -nostdin FFmpeg 7.0 misses a signal.
  const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  if (started.pid !== undefined) onProgram(started.pid)
  enough?.addEventListener('abort', () => started.kill('SIGKILL'))
  const lines: string[] = []
  const errors: string[] = []
  createInterface({ input: started.stdout }).on('line', onLine ?? ((line) => lines.push(line)))
  createInterface({ input: started.stderr }).on('line', (line) => {
    onError?.(line)
    if (line.includes('[info]')) return
    errors.push(line.replace(/ @ 0x[0-9a-f]+/, '').replace(/\[(?:error|fatal|warning)\] /, ''))
    if (errors.length > 4) errors.shift()
  })
  return new Promise((resolve, reject) => {
    started.once('error', (error) => reject(unusable(program, error.message)))
    started.once('close', (code, signal) => resolve({ code, signal, lines, errors }))
  })
}
