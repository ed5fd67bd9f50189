/**
 * FFmpeg's libraries, in a media process. Everything slow is asynchronous, in FFmpeg's own threads.
 *
 * A wrapper frees what it owns when it is collected, also while FFmpeg still uses it through another wrapper: the sink of a
 * graph keeps no graph alive. So a run holds each wrapper that owns something until its end, and frees all of them then,
 * because the process lives on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_FRAME_DATA_DISPLAYMATRIX,
  AV_FRAME_FLAG_CORRUPT,
  AV_LOG_WARNING,
  AV_NOPTS_VALUE,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AVCOL_RANGE_JPEG,
  AVDISCARD_ALL,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVMEDIA_TYPE_ATTACHMENT,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  type AVPixelFormat,
  type AVSampleFormat,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBX264,
  FF_ENCODER_MJPEG,
} from 'node-av/constants'
import {
  avChannelLayoutDescribe,
  avGetPixFmtName,
  avGetSampleFmtName,
  avRescaleQ,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  type FilterContext,
  FilterGraph,
  FormatContext,
  Frame,
  getFFmpegInfo,
  InputFormat,
  Log,
  Packet,
  Rational,
  SoftwareResampleContext,
  type Stream,
} from 'node-av/lib'
import {
  excess,
  type Ffmpeg,
  failureCode,
  hasAlpha,
  joinWords,
  MediaError,
  type MediaJob,
  type MediaResult,
  promisedFrom,
  quarterTurn,
  type Rotation,
  type SeenPicture,
  type SeenSound,
} from './ffmpeg.ts'
import {
  type AvOptions,
  graphPads,
  graphThreads,
  type PlannedInput,
  type PlannedOutput,
  planMedia,
} from './plan.ts'

const encoders = { libx264: FF_ENCODER_LIBX264, aac: FF_ENCODER_AAC, mjpeg: FF_ENCODER_MJPEG } as const

/** The last of what FFmpeg said in this run. */
const lastLines: string[] = []

/** Said of every JPEG, and no reason for anything. */
const said = /deprecated pixel format used/

const microseconds = new Rational(1, 1_000_000)

/** How many packets one input is read ahead for a graph that gives nothing, before another is tried. */
const patiencePackets = 8

/** What a run holds until its end. Freed in the order opposite to that in which it was made. */
type Held = AsyncDisposableStack

interface Pad {
  readonly name: string
  readonly stream: Stream
  readonly decoder: CodecContext
  readonly isVideo: boolean
  /** By the stream's rate, where its packets have none: without it the last picture would last no time. 0: unknown. */
  readonly frameDuration: bigint
  /** Frames decoded before the graph could be built from the first of them. */
  readonly waiting: Frame[]
  source: FilterContext | null
  /** Of sound: how the graph takes it; set with `source`. */
  sound: SoundShape | null
  /** From what sound has become since to what the graph takes. */
  resampler: { readonly from: SoundShape; readonly context: SoftwareResampleContext } | null
}

interface SoundShape {
  readonly sampleRate: number
  readonly format: AVSampleFormat
  readonly layout: Frame['channelLayout']
}

interface OpenInput {
  readonly url: string
  readonly format: FormatContext
  readonly pads: Pad[]
  /** Subtracted from every timestamp, in microseconds: files may start later than 0. */
  readonly startUs: bigint
  ended: boolean
}

interface Progress {
  frames: number
  readonly report: (frames: number) => void
}

/** FFmpeg's lines reach us through the event loop: after the call that failed has returned. */
const logDelayMs = 20

/** `onFrames`: the frames of the run so far. */
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

/** `wanted`: the streams to open, `v` or `a` the first of its kind; null for all there are. */
async function openInput(
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
    // By number: each reading of `streams` makes new objects.
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

/** A picture to be shown instead of the file, such as an album's. */
function isCover(stream: Stream): boolean {
  return (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) !== 0
}

function isMedia(stream: Stream): boolean {
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

/** Reads one packet, and hands on the frames that came of it; null once a stream has ended. */
async function readPacket(
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

/** The next frame, which the caller frees; null where the decoder has none. */
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

async function decodeAll(input: OpenInput, progress: Progress): Promise<Omit<MediaResult, 'frames'>> {
  let picture: SeenPicture | null = null
  let sound: SeenSound | null = null
  let endSeconds = 0
  let pixels = 0
  const found: { excess: string | null } = { excess: null }
  const counted = input.pads.find(({ isVideo }) => isVideo)
  while (!input.ended && found.excess === null) {
    await readPacket(input, async (pad, frame) => {
      if (frame === null) return
      const { num, den } = pad.stream.timeBase
      const startSeconds = frame.pts === AV_NOPTS_VALUE ? 0 : (Number(frame.pts) * num) / den
      const seconds = pad.isVideo
        ? (Number(frame.duration) * num) / den
        : frame.nbSamples / Math.max(1, frame.sampleRate)
      endSeconds = Math.max(endSeconds, startSeconds + seconds)
      if (pad.isVideo) picture ??= pictureOf(frame, startSeconds, pad.stream.avgFrameRate)
      else sound ??= { channels: frame.channelLayout.nbChannels, startSeconds }
      if (pad.isVideo) pixels += frame.width * frame.height
      frame.free()
      if (pad === counted) progress.report(++progress.frames)
      found.excess ??= excess(progress.frames, pixels)
    })
  }
  const seen = { picture, sound, promisedSeconds: promisedSeconds(input), endSeconds }
  return { seen, ...(found.excess !== null && { exceeds: found.excess }) }
}

function promisedSeconds({ format, startUs }: OpenInput): number | null {
  // Subtitles may last longer than what is shown and heard.
  const isAlone = format.streams.every(
    (stream) => isMedia(stream) || isCover(stream) || stream.codecpar.codecType === AVMEDIA_TYPE_ATTACHMENT,
  )
  return format.duration > 0n && isAlone
    ? promisedFrom(Number(format.duration) / 1e6, Number(startUs) / 1e6)
    : null
}

function pictureOf(frame: Frame, startSeconds: number, rate: Rational): SeenPicture {
  const { num, den } = frame.sampleAspectRatio
  return {
    width: frame.width,
    height: frame.height,
    hasAlpha: hasAlpha(avGetPixFmtName(pixelFormat(frame.format)) ?? ''),
    pixelAspect: num > 0 && den > 0 ? num / den : 1,
    rotation: rotationOf(frame.getSideData(AV_FRAME_DATA_DISPLAYMATRIX)),
    matrix: frame.colorSpace,
    primaries: frame.colorPrimaries,
    transfer: frame.colorTrc,
    isFullRange: frame.colorRange === AVCOL_RANGE_JPEG,
    startSeconds,
    frameRate: rate.num > 0 && rate.den > 0 ? rate.num / rate.den : null,
  }
}

/** Of a matrix of 3 x 3 numbers, the first two of which tell where the right side of the picture points. */
function rotationOf(matrix: Buffer | null): Rotation {
  if (matrix === null || matrix.length < 36) return 0
  return quarterTurn((Math.atan2(matrix.readInt32LE(4), matrix.readInt32LE(0)) * 180) / Math.PI)
}

/** A graph can only be built once the first frame of every input has told its size and format. */
async function buildGraph(
  graphText: string,
  output: PlannedOutput,
  inputs: readonly OpenInput[],
  held: Held,
): Promise<FilterContext> {
  const sources: string[] = []
  for (const input of inputs) {
    while (!input.ended && input.pads.some((pad) => pad.waiting.length === 0)) {
      await readPacket(input, async (pad, frame) => {
        if (frame !== null) pad.waiting.push(held.use(frame))
      })
    }
    for (const pad of input.pads) {
      const first = pad.waiting[0]
      if (first === undefined) throw failure(`${input.url} holds no frame`)
      if (!pad.isVideo) pad.sound = soundShape(first)
      sources.push(`${sourceText(pad, first)}[${pad.name}]`)
    }
  }
  const graph = held.use(new FilterGraph())
  graph.alloc()
  graph.nbThreads = graphThreads
  const sinkText = output.stream === 'video' ? 'buffersink@out' : 'abuffersink@out'
  const text = [...sources, graphText, `${output.graphEnd},${sinkText}`].join(';')
  check(graph.parsePtr(text, null, null), 'the filter graph is not valid')
  check(await graph.config(), 'the filter graph cannot be built')
  for (const pad of inputs.flatMap((input) => input.pads))
    pad.source = needed(graph.getFilter(sourceName(pad)))
  for (const input of inputs) {
    for (const pad of input.pads) {
      for (const frame of pad.waiting.splice(0)) await addFrame(pad, frame, held)
      if (input.ended) await addFrame(pad, null, held)
    }
  }
  return needed(graph.getFilter(sinkText))
}

function needed<Value>(value: Value | null): Value {
  if (value === null) throw failure('the filter graph cannot be built')
  return value
}

function sourceName(pad: Pad): string {
  return `${pad.isVideo ? 'buffer' : 'abuffer'}@in_${pad.name.replace(':', '_')}`
}

function sourceText(pad: Pad, first: Frame): string {
  const timeBase = `time_base=${pad.stream.timeBase.num}/${pad.stream.timeBase.den}`
  if (!pad.isVideo) {
    const { sampleRate, format, layout } = soundShape(first)
    return `${sourceName(pad)}=${timeBase}:sample_rate=${sampleRate}:sample_fmt=${avGetSampleFmtName(format)}:channel_layout=${avChannelLayoutDescribe(layout)}`
  }
  const rate = pad.stream.avgFrameRate.num > 0 ? pad.stream.avgFrameRate : pad.stream.rFrameRate
  const aspect = first.sampleAspectRatio
  return [
    `${sourceName(pad)}=${timeBase}`,
    `video_size=${first.width}x${first.height}`,
    `pix_fmt=${avGetPixFmtName(pixelFormat(first.format))}`,
    `pixel_aspect=${aspect.num > 0 ? `${aspect.num}/${aspect.den}` : '1/1'}`,
    `colorspace=${first.colorSpace}`,
    `range=${first.colorRange}`,
    ...(rate.num > 0 ? [`frame_rate=${rate.num}/${rate.den}`] : []),
  ].join(':')
}

async function addFrame(pad: Pad, given: Frame | null, held: Held): Promise<void> {
  const frame = given && resampled(pad, given, held)
  const added = await needed(pad.source).buffersrcAddFrame(frame)
  frame?.free()
  // The graph has all it needs of this input.
  if (added !== AVERROR_EOF) check(added, 'a frame does not fit the filter graph')
}

function soundShape(frame: Frame): SoundShape {
  const { sampleRate, channelLayout } = frame
  return { sampleRate, format: sampleFormat(frame.format), layout: channelLayout }
}

const sameShape = (one: SoundShape, other: SoundShape): boolean =>
  one.sampleRate === other.sampleRate &&
  one.format === other.format &&
  one.layout.nbChannels === other.layout.nbChannels &&
  one.layout.mask === other.layout.mask

/** A graph takes no sound that changes its rate or its channels, as joined files do: it becomes what it was. Frees `frame`. */
function resampled(pad: Pad, frame: Frame, held: Held): Frame {
  const { sound } = pad
  if (sound === null) return frame
  const from = soundShape(frame)
  if (sameShape(from, sound)) return frame
  if (pad.resampler === null || !sameShape(pad.resampler.from, from)) {
    const context = held.use(new SoftwareResampleContext())
    const to = [sound.layout, sound.format, sound.sampleRate] as const
    check(
      context.allocSetOpts2(...to, from.layout, from.format, from.sampleRate),
      'the sound cannot be resampled',
    )
    check(context.init(), 'the sound cannot be resampled')
    pad.resampler = { from, context }
  }
  using rest = new DisposableStack()
  const made = rest.use(new Frame())
  made.alloc()
  made.sampleRate = sound.sampleRate
  made.format = sound.format
  made.channelLayout = sound.layout
  check(pad.resampler.context.convertFrame(made, frame), 'the sound cannot be resampled')
  made.pts = frame.pts
  frame.free()
  rest.move()
  return made
}

async function writeOutput(
  output: PlannedOutput,
  sink: FilterContext,
  inputs: readonly OpenInput[],
  progress: Progress,
  held: Held,
): Promise<number> {
  const encoder = await openEncoder(output, sink, held)
  const muxer = held.use(new FormatContext())
  check(muxer.allocOutputContext2(null, output.muxer, output.url), 'the output cannot be made')
  const stream = muxer.newStream(null)
  check(stream.codecpar.fromContext(encoder), 'the output cannot be made')
  stream.timeBase = encoder.timeBase
  if (output.stream === 'video') stream.avgFrameRate = encoder.framerate
  check(await muxer.openOutput(), 'the output cannot be opened')
  check(await muxer.writeHeader(dictionary(output.muxerOptions, held)), 'the output cannot be written')

  const writePackets = async (): Promise<void> => {
    for (;;) {
      using packet = new Packet()
      packet.alloc()
      const got = await encoder.receivePacket(packet)
      if (got === AVERROR_EAGAIN || got === AVERROR_EOF) return
      check(got, 'the output cannot be encoded')
      packet.streamIndex = stream.index
      packet.rescaleTs(encoder.timeBase, stream.timeBase)
      check(await muxer.interleavedWriteFrame(packet), 'the output cannot be written')
    }
  }

  const forced = new Set(output.keyframes)
  await pullFrames(sink, inputs, held, async (frame) => {
    if (output.frames !== null && progress.frames >= output.frames) throw wrongCount(output, 'more')
    frame.pts = avRescaleQ(frame.pts, sink.buffersinkGetTimeBase(), encoder.timeBase)
    frame.pictType = forced.has(progress.frames) ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
    check(await encoder.sendFrame(frame), 'the output cannot be encoded')
    await writePackets()
    progress.report(++progress.frames)
  })
  if (output.frames !== null && progress.frames !== output.frames)
    throw wrongCount(output, String(progress.frames))
  check(await encoder.sendFrame(null), 'the output cannot be encoded')
  await writePackets()
  check(await muxer.writeTrailer(), 'the output cannot be written')
  await muxer.flush()
  check(muxer.pb?.error ?? 0, 'the output cannot be written')
  await muxer.closeOutput()
  return progress.frames
}

/** Takes what the graph has; where it waits for input, feeds one input as long as that helps, then the next. */
async function pullFrames(
  sink: FilterContext,
  inputs: readonly OpenInput[],
  held: Held,
  take: (frame: Frame) => Promise<void>,
): Promise<void> {
  let turn = 0
  let fed = 0
  using frame = new Frame()
  frame.alloc()
  for (;;) {
    const got = await sink.buffersinkGetFrame(frame)
    if (got === AVERROR_EOF) return
    if (got !== AVERROR_EAGAIN) {
      check(got, 'the filter graph failed')
      await take(frame)
      frame.unref()
      fed = 0
      continue
    }
    const open = inputs.filter((input) => !input.ended)
    if (open.length === 0) throw failure('the filter graph waits for input after the end of all')
    if (fed >= patiencePackets) {
      turn++
      fed = 0
    }
    const input = open[turn % open.length]
    if (input === undefined) continue
    fed++
    await readPacket(input, (pad, decoded) => addFrame(pad, decoded, held))
  }
}

async function openEncoder(output: PlannedOutput, sink: FilterContext, held: Held): Promise<CodecContext> {
  const codec = Codec.findEncoderByName(encoders[output.encoder])
  if (codec === null) throw new MediaError('unusable', `this FFmpeg has no ${output.encoder} encoder`)
  const encoder = held.use(new CodecContext())
  encoder.allocContext3(codec)
  encoder.timeBase = new Rational(1, output.rate)
  if (output.stream === 'video') {
    encoder.width = sink.buffersinkGetWidth()
    encoder.height = sink.buffersinkGetHeight()
    encoder.pixelFormat = pixelFormat(sink.buffersinkGetFormat())
    encoder.framerate = new Rational(output.rate, 1)
    encoder.sampleAspectRatio = new Rational(1, 1)
    encoder.colorRange = sink.buffersinkGetColorRange()
    encoder.colorSpace = sink.buffersinkGetColorspace()
  } else {
    encoder.sampleRate = sink.buffersinkGetSampleRate()
    encoder.sampleFormat = sampleFormat(sink.buffersinkGetFormat())
    encoder.channelLayout = sink.buffersinkGetChannelLayout()
  }
  const options: AvOptions =
    output.muxer === 'mp4' ? { ...output.encoderOptions, flags: '+global_header' } : output.encoderOptions
  check(await encoder.open2(codec, dictionary(options, held)), 'the encoder cannot be opened')
  return encoder
}

// FFmpeg keeps both kinds of format in one int; the stream's kind tells which it is.
function pixelFormat(format: AVPixelFormat | AVSampleFormat): AVPixelFormat {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return format as AVPixelFormat
}

function sampleFormat(format: AVPixelFormat | AVSampleFormat): AVSampleFormat {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return format as AVSampleFormat
}

function wrongCount(output: PlannedOutput, got: string): MediaError {
  return new MediaError('failed', `the filter graph gave ${got} frames where ${output.frames} were asked for`)
}

function dictionary(options: AvOptions, held: Held): Dictionary {
  return held.use(Dictionary.fromObject(options))
}

function check(code: number, what: string): void {
  if (code < 0) throw failure(what, FFmpegError.strerror(code))
}

function failure(what: string, reason = ''): MediaError {
  const words = [what, reason]
  return new MediaError(failureCode(words), joinWords(words))
}
