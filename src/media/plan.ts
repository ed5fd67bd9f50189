/**
 * What both FFmpeg adapters must do alike: which demuxer opens a file and what it may access, how a graph
 * ends, the encoder's and the muxer's options. Pure. Options have FFmpeg's own names (AVOption): one adapter
 * sets them through the library, the other puts a dash before them.
 */
import { cellSamples, sampleRate } from '../job/timeline.ts'
import type { MediaInput, MediaJob, MediaOutput, VideoEncoding } from './ffmpeg.ts'

export type AvOptions = Readonly<Record<string, string>>

export interface PlannedInput {
  readonly url: string
  readonly demuxer: string
  /** A single picture: probing its stream would decode it twice. */
  readonly isPicture: boolean
  /** For the demuxer and its protocol. */
  readonly demuxerOptions: AvOptions
  /** For every decoder opened on it. */
  readonly decoderOptions: AvOptions
}

export interface PlannedOutput {
  readonly url: string
  readonly stream: 'video' | 'audio'
  readonly muxer: string
  readonly muxerOptions: AvOptions
  readonly encoder: 'libx264' | 'aac' | 'mjpeg'
  readonly encoderOptions: AvOptions
  /** Ends the job's graph, from its `[v]` or `[a]`; without an output label. */
  readonly graphEnd: string
  /** The required number of frames; null allows any number. */
  readonly frames: number | null
  /** Ticks a second of the encoder's clock. */
  readonly rate: number
  readonly keyframes: readonly number[]
}

export interface MediaPlan {
  readonly inputs: readonly PlannedInput[]
  readonly graph: string
  /** Null: everything is decoded and discarded. */
  readonly output: PlannedOutput | null
}

/** Pipe demuxers read one picture and, unlike image2, support neither patterns nor sequences. */
const demuxers: Readonly<Record<MediaInput['format'], string>> = {
  mp4: 'mov',
  matroska: 'matroska',
  avi: 'avi',
  mpegts: 'mpegts',
  mpegps: 'mpeg',
  gif: 'gif',
  webp: 'webp_anim',
  apng: 'apng',
  flv: 'flv',
  ogg: 'ogg',
  asf: 'asf',
  mxf: 'mxf',
  ivf: 'ivf',
  nut: 'nut',
  png: 'png_pipe',
  jpeg: 'jpeg_pipe',
  wav: 'wav',
}

/** 8192 x 8192: above any picture we make, below the memory that a hostile header can claim. */
export const maxPixels = 2 ** 26

/**
 * Slicing frames over several threads costs a fifth more processor time in total, and other scenes keep the
 * cores busy.
 */
export const graphThreads = 1

/**
 * Fixed, because x264's output depends on it: a machine with more cores would make other bytes from the same
 * request.
 */
const x264Threads = 2

export function planMedia(job: MediaJob): MediaPlan {
  return {
    inputs: job.inputs.map((input) => planInput(input, job.output)),
    graph: job.graph,
    output: planOutput(job.output),
  }
}

/** `file:` keeps a name such as `concat:a|b` or `http:` from being read as a protocol. */
export function fileUrl(path: string): string {
  return `file:${path}`
}

function planInput(input: MediaInput, output: MediaOutput): PlannedInput {
  const demuxer = demuxers[input.format]
  return {
    url: fileUrl(input.path),
    demuxer,
    isPicture: demuxer.endsWith('_pipe'),
    // With the protocol list alone, a DASH file named .mp4 still reached the network.
    demuxerOptions: { protocol_whitelist: 'file', format_whitelist: demuxer },
    decoderOptions: {
      max_pixels: String(maxPixels),
      ...(output.kind === 'nothing' && output.deblocking === 'skipped' && { skip_loop_filter: 'all' }),
    },
  }
}

function planOutput(output: MediaOutput): PlannedOutput | null {
  if (output.kind === 'nothing') return null
  const url = fileUrl(output.path)
  if (output.kind === 'video') return planVideo(url, output.video)
  return output.kind === 'audio' ? planAudio(url, output.bitrate) : planPicture(url)
}

function planVideo(url: string, video: VideoEncoding): PlannedOutput {
  return {
    url,
    stream: 'video',
    muxer: 'mp4',
    muxerOptions: { movflags: '+faststart', video_track_timescale: '90000' },
    encoder: 'libx264',
    encoderOptions: x264Options(video),
    graphEnd: `[v]${numbered(video.fps)},format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709`,
    frames: video.frames,
    rate: video.fps,
    keyframes: video.keyframes,
  }
}

function planAudio(url: string, bitrate: number): PlannedOutput {
  return {
    url,
    stream: 'audio',
    muxer: 'mp4',
    muxerOptions: { movflags: '+faststart' },
    encoder: 'aac',
    encoderOptions: { b: String(bitrate) },
    graphEnd: `[a]aresample=${sampleRate},aformat=sample_fmts=fltp:channel_layouts=stereo,asetnsamples=n=${cellSamples}:p=0`,
    frames: null,
    rate: sampleRate,
    keyframes: [],
  }
}

/** A single picture has no rate, but an encoder needs one. */
const pictureRate = 25

/**
 * Frames are numbered, not timed: `fps` here would drop or double the last frame of some graphs, depending on
 * FFmpeg's version, because a merge or a cross-fade reports its end at the start of its last frame.
 */
function numbered(rate: number): string {
  return `settb=1/${rate},setpts=N`
}

function planPicture(url: string): PlannedOutput {
  return {
    url,
    stream: 'video',
    muxer: 'mjpeg',
    muxerOptions: {},
    encoder: 'mjpeg',
    // 2 x FF_QP2LAMBDA: what -q:v 2 means.
    encoderOptions: { flags: '+qscale', global_quality: '236' },
    graphEnd: `[v]${numbered(pictureRate)},scale=out_range=pc:out_color_matrix=bt601:flags=bicubic,format=yuvj420p`,
    frames: 1,
    rate: pictureRate,
    keyframes: [],
  }
}

function x264Options(video: VideoEncoding): AvOptions {
  return {
    preset: video.preset,
    crf: String(video.crf),
    profile: 'high',
    // A key frame every two seconds, so that players seek quickly.
    g: String(video.fps * 2),
    'forced-idr': '1',
    threads: String(x264Threads),
    // FFmpeg before 6 copies the chroma location from the clip, and another location changes the decoder configuration.
    'x264-params': video.content === 'photographs' ? 'chromaloc=0:subme=1:b-adapt=0' : 'chromaloc=0',
    color_range: 'tv',
    colorspace: 'bt709',
    color_primaries: 'bt709',
    color_trc: 'bt709',
  }
}

/** The inputs' streams that a graph names, such as `0:v`, each once. */
export function graphPads(graph: string): readonly { input: number; stream: 'v' | 'a' }[] {
  const names = new Set([...graph.matchAll(/\[(\d+):([va])\]/g)].map((match) => `${match[1]}:${match[2]}`))
  return [...names].map((name) => {
    const [input, stream] = name.split(':')
    return { input: Number(input), stream: stream === 'a' ? 'a' : 'v' }
  })
}
