/** Files opened with FFmpeg's libraries: demuxed and decoded, frame by frame. */
import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_FRAME_FLAG_CORRUPT,
  AV_NOPTS_VALUE,
  AVDISCARD_ALL,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  type AVSampleFormat,
} from 'node-av/constants'
import {
  avRescaleQ,
  Codec,
  CodecContext,
  type FilterContext,
  FormatContext,
  Frame,
  InputFormat,
  Packet,
  Rational,
  SoftwareResampleContext,
  type Stream,
} from 'node-av/lib'
import { MediaError } from './ffmpeg.ts'
import { check, dictionary, failure, type Held } from './libav.ts'
import type { PlannedInput } from './plan.ts'

export const microseconds = new Rational(1, 1_000_000)

export interface Pad {
  readonly name: string
  readonly stream: Stream
  readonly decoder: CodecContext
  readonly isVideo: boolean
  /** From the stream's rate, for packets without a duration: otherwise the last picture would have none. 0: unknown. */
  readonly frameDuration: bigint
  /** Frames decoded before the graph could be built from the first of them. */
  readonly waiting: Frame[]
  source: FilterContext | null
  /** For sound: the shape that the graph accepts; set with `source`. */
  sound: SoundShape | null
  /** Converts sound that has changed its shape to the shape that the graph accepts. */
  resampler: { readonly from: SoundShape; readonly context: SoftwareResampleContext } | null
}

export interface SoundShape {
  readonly sampleRate: number
  readonly format: AVSampleFormat
  readonly layout: Frame['channelLayout']
}

export interface OpenInput {
  readonly url: string
  readonly format: FormatContext
  readonly pads: Pad[]
  /** Subtracted from every timestamp, in microseconds: files may start later than 0. */
  readonly startUs: bigint
  ended: boolean
}

/** `wanted`: the streams to open: `v` and `a` mean the first of their kind; null means all. */
export async function openInput(
  planned: PlannedInput,
  index: number,
  wanted: readonly ('v' | 'a')[] | null,
  held: Held,
): Promise<OpenInput> {
  const format = held.use(new FormatContext())
  const demuxer = InputFormat.findInputFormat(planned.demuxer)
  if (demuxer === null) throw new MediaError('unusable', `this FFmpeg has no ${planned.demuxer} demuxer`)
  check(
    await format.openInput(planned.url, demuxer, dictionary(planned.demuxerOptions, held)),
    `${planned.url} cannot be opened`,
  )
  if (!planned.isPicture) check(await format.findStreamInfo(null), `${planned.url} cannot be read`)
  const chosen =
    wanted === null
      ? format.streams.filter((stream) => isMedia(stream))
      : wanted.map((kind) => firstStream(format, kind, planned.url))
  const pads: Pad[] = []
  for (const stream of format.streams) {
    // By index: each read of `streams` creates new objects.
    if (!chosen.some((each) => each.index === stream.index)) stream.discard = AVDISCARD_ALL
  }
  for (const stream of chosen) {
    const isVideo = stream.codecpar.codecType === AVMEDIA_TYPE_VIDEO
    const decoder = await openDecoder(stream, planned, held)
    pads.push({
      name: `${index}:${isVideo ? 'v' : 'a'}`,
      stream,
      decoder,
      isVideo,
      frameDuration: isVideo ? frameDuration(stream) : 0n,
      waiting: [],
      source: null,
      sound: null,
      resampler: null,
    })
  }
  if (pads.length === 0) throw new MediaError('failed', `${planned.url} holds no picture and no sound`)
  const startUs = format.startTime === AV_NOPTS_VALUE ? 0n : format.startTime
  return { url: planned.url, format, pads, startUs, ended: false }
}

function frameDuration({ avgFrameRate: { num, den }, timeBase }: Stream): bigint {
  return num > 0 && den > 0 ? avRescaleQ(1n, new Rational(den, num), timeBase) : 0n
}

/** Whether a stream is a cover picture, such as an album's. */
export function isCover(stream: Stream): boolean {
  return (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) !== 0
}

export function isMedia(stream: Stream): boolean {
  if (isCover(stream)) return false
  return stream.codecpar.codecType === AVMEDIA_TYPE_VIDEO || stream.codecpar.codecType === AVMEDIA_TYPE_AUDIO
}

function firstStream(format: FormatContext, kind: 'v' | 'a', url: string): Stream {
  const type = kind === 'v' ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO
  const stream = format.streams.find((each) => isMedia(each) && each.codecpar.codecType === type)
  if (stream === undefined)
    throw new MediaError('failed', `${url} holds no ${kind === 'v' ? 'picture' : 'sound'}`)
  return stream
}

async function openDecoder(stream: Stream, planned: PlannedInput, held: Held): Promise<CodecContext> {
  const codec = Codec.findDecoder(stream.codecpar.codecId)
  if (codec === null) throw new MediaError('failed', `${planned.url}: this FFmpeg cannot decode it`)
  const decoder = held.use(new CodecContext())
  decoder.allocContext3(codec)
  check(decoder.parametersToContext(stream.codecpar), `${planned.url} cannot be decoded`)
  decoder.pktTimebase = stream.timeBase
  check(
    await decoder.open2(codec, dictionary(planned.decoderOptions, held)),
    `${planned.url} cannot be decoded`,
  )
  return decoder
}

/** Reads one packet and passes its frames to `take`; null once a stream has ended. */
export async function readPacket(
  input: OpenInput,
  take: (pad: Pad, frame: Frame | null) => Promise<void>,
): Promise<void> {
  using packet = new Packet()
  packet.alloc()
  const got = await input.format.readFrame(packet)
  if (got === AVERROR_EOF) {
    input.ended = true
    for (const pad of input.pads) {
      await decode(input, pad, null, take)
      await take(pad, null)
    }
    return
  }
  check(got, `${input.url} cannot be read to its end`)
  const pad = input.pads.find((each) => each.stream.index === packet.streamIndex)
  if (pad !== undefined) await decode(input, pad, packet, take)
}

async function decode(
  input: OpenInput,
  pad: Pad,
  packet: Packet | null,
  take: (pad: Pad, frame: Frame) => Promise<void>,
): Promise<void> {
  check(await pad.decoder.sendPacket(packet), `${input.url} is damaged`)
  for (;;) {
    const frame = await receiveFrame(input, pad)
    if (frame === null) return
    await take(pad, frame)
  }
}

/** The next frame, which the caller frees; null if the decoder has none. */
async function receiveFrame(input: OpenInput, pad: Pad): Promise<Frame | null> {
  using rest = new DisposableStack()
  const frame = rest.use(new Frame())
  frame.alloc()
  const got = await pad.decoder.receiveFrame(frame)
  if (got === AVERROR_EAGAIN || got === AVERROR_EOF) return null
  check(got, `${input.url} is damaged`)
  if (frame.hasFlags(AV_FRAME_FLAG_CORRUPT) || frame.decodeErrorFlags !== 0)
    throw failure(`${input.url} is damaged`)
  const pts = frame.bestEffortTimestamp
  if (pts !== AV_NOPTS_VALUE) frame.pts = pts - avRescaleQ(input.startUs, microseconds, pad.stream.timeBase)
  if (pad.frameDuration > 0n && frame.duration <= 0n) frame.duration = pad.frameDuration
  rest.move()
  return frame
}
