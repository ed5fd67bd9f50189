/** Runs in the child: one job through an FFmpeg program, and that program's end. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { cellSamples, sampleRate } from '../job/timeline.ts'
import { answerParent, ChildFailure, failureCode } from './child-side.ts'
import { joinWords } from './child.ts'
import type { MediaJob } from './media.ts'
import { type AvOptions, graphThreads, type PlannedInput, type PlannedOutput, planMedia } from './plan.ts'

const oldest = { major: 5, minor: 1 }

let ffmpeg: ChildProcess | undefined

async function describe(program: string): Promise<string> {
  const { lines: about } = await runProgram(program, ['-hide_banner', '-version'])
  const version = /^ffmpeg version (\S+)/.exec(about[0] ?? '')?.[1]
  if (version === undefined)
    throw unusable(program, `it does not answer as FFmpeg does: ${about[0] ?? 'no answer'}`)
  const [, major, minor] = /^n?(\d+)\.(\d+)/.exec(version) ?? []
  // A build from the repository has no number, only a date: newer than any we would refuse.
  if (Number(major) < oldest.major || (Number(major) === oldest.major && Number(minor) < oldest.minor))
    throw unusable(program, `it is version ${version}; ${oldest.major}.${oldest.minor} or later is needed`)
  const { lines: encoders } = await runProgram(program, ['-hide_banner', '-loglevel', 'error', '-encoders'])
  for (const encoder of ['libx264', 'aac', 'mjpeg']) {
    if (!encoders.some((line) => line.trim().split(/\s+/)[1] === encoder))
      throw unusable(program, `it has no ${encoder} encoder`)
  }
  return version
}

function unusable(program: string, why: string): ChildFailure {
  return new ChildFailure(
    'unusable',
    `FFMPEG_PATH=${program} cannot be used: ${why}. Give the path of an FFmpeg with libx264, or unset it to use the packaged one`,
  )
}

async function runJob(job: MediaJob, program: string, report: (frames: number) => void): Promise<number> {
  const { inputs, graph, output } = planMedia(job)
  if (output !== null) {
    const frames = await runOnce(
      program,
      [...inputLine(inputs), ...outputLine(graph, output)],
      output.stream,
      report,
    )
    if (output.frames === null || frames === output.frames) return frames
    const got = frames > output.frames ? 'more' : String(frames)
    throw new ChildFailure(
      'failed',
      `the filter graph gave ${got} frames where ${output.frames} were asked for`,
    )
  }
  // One after the other: FFmpeg would count the frames of the first alone.
  let before = 0
  for (const input of inputs) {
    const line = [...inputLine([input]), ...words('-map 0:v? -map 0:a? -fps_mode passthrough -f null -')]
    before += await runOnce(program, line, 'video', (frames) => report(before + frames))
  }
  return before
}

async function runOnce(
  program: string,
  args: readonly string[],
  stream: 'video' | 'audio',
  report: (frames: number) => void,
): Promise<number> {
  let frames = 0
  const { code, signal, errors } = await runProgram(program, args, (line) => {
    const [name, value] = line.split('=')
    const count = Number(value)
    if (Number.isNaN(count)) return
    if (stream === 'video' && name === 'frame') report((frames = count))
    if (stream === 'audio' && name === 'out_time_us') report((frames = audioFrames(count)))
  })
  if (code === 0) return frames
  const end = signal === null ? `FFmpeg ended with exit code ${code}` : `FFmpeg was ended by ${signal}`
  const said = [end, ...errors]
  // A crash says nothing about its files.
  throw new ChildFailure(signal === null ? failureCode(said) : 'killed', joinWords(said))
}

/** FFmpeg tells how far sound is by the time alone. */
function audioFrames(microseconds: number): number {
  return Math.round((microseconds * sampleRate) / cellSamples / 1_000_000)
}

function inputLine(inputs: readonly PlannedInput[]): string[] {
  return [
    ...words('-hide_banner -nostats -loglevel warning -progress pipe:1 -stats_period 0.1 -xerror -y'),
    ...inputs.flatMap((input) => [
      '-noautorotate',
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
    `${graph};${output.graphEnd}[out]`,
    ...words('-map [out] -map_metadata -1 -map_chapters -1'),
    ...(video ? words(`-fps_mode cfr -r ${output.rate}`) : []),
    ...words(`-c:${kind} ${output.encoder}`),
    ...dashed(output.encoderOptions, `:${kind}`),
    // One more than asked for shows a graph that does not end.
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
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<ProgramEnd> {
  // stdin is ignored here rather than by -nostdin, with which FFmpeg 7.0 overhears a signal.
  const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  ffmpeg = started
  const lines: string[] = []
  const errors: string[] = []
  createInterface({ input: started.stdout }).on('line', onLine ?? ((line) => lines.push(line)))
  createInterface({ input: started.stderr }).on('line', (line) => {
    errors.push(line.replace(/ @ 0x[0-9a-f]+/, ''))
    if (errors.length > 4) errors.shift()
  })
  return new Promise((resolve, reject) => {
    started.once('error', (error) => reject(unusable(program, error.message)))
    started.once('close', (code, signal) => resolve({ code, signal, lines, errors }))
  })
}

/** What FFmpeg itself holds; this process is a few megabytes beside it. */
function memoryBytes(): number {
  if (ffmpeg?.pid === undefined || ffmpeg.exitCode !== null) return 0
  try {
    if (process.platform !== 'linux')
      return (
        Number(execFileSync('/bin/ps', ['-o', 'rss=', '-p', String(ffmpeg.pid)], { encoding: 'utf8' })) * 1024
      )
    const [, kilobytes] =
      /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${ffmpeg.pid}/status`, 'utf8')) ?? []
    return Number(kilobytes ?? 0) * 1024
  } catch {
    // It has just ended.
    return 0
  }
}

answerParent({
  describe: (program) => describe(program ?? ''),
  run: (job, program, report) => runJob(job, program ?? '', report),
  memoryBytes,
})
