/**
 * Clips as they come from elsewhere, made here with any codec, and the eye and ear that look at a film
 * without our own code: FFmpeg's decoders straight through node-av.
 */
import { readFile } from 'node:fs/promises'
import {
  ALL_FORMATS,
  BufferSource,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  FilePathTarget,
  Input,
  Mp4OutputFormat,
  Output,
} from 'mediabunny'
import {
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AV_LOG_ERROR,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  type AVPixelFormat,
  type AVSampleFormat,
  type FFEncoderCodec,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FilterGraph,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
} from 'node-av/lib'

export interface EncodeSettings {
  /** A filter graph without inputs; `[out]` is encoded. */
  readonly graph: string
  readonly kind: 'video' | 'audio'
  readonly codec: string
  readonly path: string
  readonly options?: Readonly<Record<string, string>>
  /** What FFmpeg calls it; MP4 if not given. */
  readonly container?: string
  /** Frames a second; not used for sound. */
  readonly fps?: number
  /** Ticks a second of the file's clock. */
  readonly timescale?: number
}

// FFmpeg's words between the results of tests tell nobody anything.
Log.setLevel(AV_LOG_ERROR)

const check = (code: number): void => FFmpegError.throwIfError(code, 'a source clip')

/** Encodes one stream into a file. */
export async function encode(settings: EncodeSettings): Promise<void> {
  const { graph: text, kind, codec: name, path, options = {}, fps = 24, timescale } = settings
  const { container = 'mp4' } = settings
  // Held until the end: a wrapper that is collected frees what it owns.
  using graph = new FilterGraph()
  graph.alloc()
  const sinkText = kind === 'video' ? 'buffersink@out' : 'abuffersink@out'
  check(graph.parsePtr(`${text};[out]${sinkText}`, null, null))
  check(await graph.config())
  const sink = graph.getFilter(sinkText)!
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const codec = Codec.findEncoderByName(name as FFEncoderCodec)
  if (codec === null) throw new Error(`no encoder ${name}`)
  using encoder = new CodecContext()
  encoder.allocContext3(codec)
  if (kind === 'video') {
    encoder.width = sink.buffersinkGetWidth()
    encoder.height = sink.buffersinkGetHeight()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    encoder.pixelFormat = sink.buffersinkGetFormat() as AVPixelFormat
    encoder.timeBase = sink.buffersinkGetTimeBase()
    encoder.framerate = new Rational(fps, 1)
    encoder.sampleAspectRatio = sink.buffersinkGetSampleAspectRatio()
  } else {
    encoder.sampleRate = sink.buffersinkGetSampleRate()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    encoder.sampleFormat = sink.buffersinkGetFormat() as AVSampleFormat
    encoder.channelLayout = sink.buffersinkGetChannelLayout()
    encoder.timeBase = new Rational(1, encoder.sampleRate)
  }
  // These have no header that could hold it.
  const flags = ['mpegts', 'avi', 'gif', 'webp', 'apng'].includes(container)
    ? {}
    : { flags: '+global_header' }
  using encoding = Dictionary.fromObject({ ...flags, ...options })
  check(await encoder.open2(codec, encoding))
  await using muxer = new FormatContext()
  check(muxer.allocOutputContext2(null, container, path))
  const stream = muxer.newStream(null)
  check(stream.codecpar.fromContext(encoder))
  stream.timeBase = encoder.timeBase
  stream.sampleAspectRatio = encoder.sampleAspectRatio
  check(await muxer.openOutput())
  using muxing = Dictionary.fromObject(timescale ? { video_track_timescale: String(timescale) } : {})
  check(await muxer.writeHeader(muxing))
  const drain = async (): Promise<void> => {
    for (;;) {
      using packet = new Packet()
      packet.alloc()
      const got = await encoder.receivePacket(packet)
      if (got === AVERROR_EAGAIN || got === AVERROR_EOF) return
      check(got)
      packet.streamIndex = stream.index
      packet.rescaleTs(encoder.timeBase, stream.timeBase)
      check(await muxer.interleavedWriteFrame(packet))
    }
  }
  using frame = new Frame()
  frame.alloc()
  for (;;) {
    const got = await sink.buffersinkGetFrame(frame)
    if (got === AVERROR_EOF) break
    check(got)
    check(await encoder.sendFrame(frame))
    await drain()
    frame.unref()
  }
  check(await encoder.sendFrame(null))
  await drain()
  check(await muxer.writeTrailer())
  await muxer.closeOutput()
}

export interface RemuxSettings {
  readonly videoPath: string
  readonly audioPath?: string
  readonly path: string
  readonly rotation?: 0 | 90 | 180 | 270
  /** Frames a second of the file's clock, as the library asks for it: its timescale. */
  readonly timescale?: number
  /** From the packet's time to the one it gets, in seconds. */
  readonly retimeVideo?: (seconds: number) => number
  readonly retimeAudio?: (seconds: number) => number
  /** What is put before the first packet of the picture. */
  readonly prefix?: Uint8Array
}

/** Puts picture and sound into one MP4, at other times, turned, or by another clock. */
export async function remux(settings: RemuxSettings): Promise<void> {
  const { videoPath, audioPath, path, rotation = 0, timescale } = settings
  const output = new Output({
    format: new Mp4OutputFormat({ fastStart: 'in-memory' }),
    target: new FilePathTarget(path),
  })
  using video = new Input({ source: new BufferSource(await readFile(videoPath)), formats: ALL_FORMATS })
  using audio =
    audioPath === undefined
      ? undefined
      : new Input({ source: new BufferSource(await readFile(audioPath)), formats: ALL_FORMATS })
  const videoTrack = (await video.getPrimaryVideoTrack())!
  const audioTrack = audio && (await audio.getPrimaryAudioTrack())!
  const videoSource = new EncodedVideoPacketSource((await videoTrack.getCodec())!)
  output.addVideoTrack(videoSource, { rotation, ...(timescale && { frameRate: timescale }) })
  const audioSource = audioTrack && new EncodedAudioPacketSource((await audioTrack.getCodec())!)
  if (audioSource) output.addAudioTrack(audioSource)
  await output.start()
  const videoMeta = { decoderConfig: (await videoTrack.getDecoderConfig())! }
  let { prefix = new Uint8Array() } = settings
  for await (const packet of new EncodedPacketSink(videoTrack).packets()) {
    const timestamp = settings.retimeVideo?.(packet.timestamp) ?? packet.timestamp
    const data = Buffer.concat([prefix, packet.data])
    prefix = new Uint8Array()
    await videoSource.add(new EncodedPacket(data, packet.type, timestamp, packet.duration), videoMeta)
  }
  if (audioTrack && audioSource) {
    const audioMeta = { decoderConfig: (await audioTrack.getDecoderConfig())! }
    for await (const packet of new EncodedPacketSink(audioTrack).packets()) {
      const timestamp = settings.retimeAudio?.(packet.timestamp) ?? packet.timestamp
      await audioSource.add(
        new EncodedPacket(packet.data, packet.type, timestamp, packet.duration),
        audioMeta,
      )
    }
  }
  await output.finalize()
}

export interface SeenFrame {
  readonly seconds: number
  readonly width: number
  readonly height: number
  /** Means over the middle half of the picture, 0 to 255. */
  readonly luma: number
  readonly blue: number
  readonly red: number
  /** The same over the left eighth. */
  readonly left: { readonly blue: number }
}

/** Decodes every picture, which must be 4:2:0 of 8 bits. */
export async function watch(path: string): Promise<SeenFrame[]> {
  const seen: SeenFrame[] = []
  await decode(path, 'video', (frame, seconds) => {
    const [luma, blue, red] = [0, 1, 2].map((plane) =>
      planeMean(
        frame.data![plane]!,
        frame.linesize[plane]!,
        plane === 0 ? frame.width : frame.width >> 1,
        plane === 0 ? frame.height : frame.height >> 1,
      ),
    )
    const { width, height } = frame
    const left = { blue: planeMean(frame.data![1]!, frame.linesize[1]!, width >> 3, height >> 1) }
    seen.push({ seconds, width, height, luma: luma!, blue: blue!, red: red!, left })
  })
  return seen
}

function planeMean(plane: Buffer, stride: number, width: number, height: number): number {
  let sum = 0
  let count = 0
  for (let y = height >> 2; y < height - (height >> 2); y++)
    for (let x = width >> 2; x < width - (width >> 2); x++) {
      sum += plane[y * stride + x]!
      count++
    }
  return sum / count
}

export interface Heard {
  /** The left channel, 48 kHz; sample 0 is at 0 s. */
  readonly samples: Float32Array
  readonly sampleRate: number
  readonly channels: number
}

/** Decodes all sound, each frame laid where its timestamp says. */
export async function listen(path: string): Promise<Heard> {
  const pieces: { at: number; data: Float32Array }[] = []
  let sampleRate = 0
  let channels = 0
  let end = 0
  await decode(path, 'audio', (frame, seconds) => {
    sampleRate = frame.sampleRate
    channels = frame.channelLayout.nbChannels
    const bytes = frame.extendedData![0]!
    const data = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + frame.nbSamples * 4),
    )
    const at = Math.round(seconds * sampleRate)
    pieces.push({ at, data })
    end = Math.max(end, at + data.length)
  })
  const samples = new Float32Array(end)
  for (const { at, data } of pieces) samples.set(at < 0 ? data.subarray(-at) : data, Math.max(0, at))
  return { samples, sampleRate, channels }
}

async function decode(
  path: string,
  kind: 'video' | 'audio',
  take: (frame: Frame, seconds: number) => void,
): Promise<void> {
  await using input = new FormatContext()
  check(await input.openInput(path))
  check(await input.findStreamInfo(null))
  const type = kind === 'video' ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO
  const stream = input.streams.find((each) => each.codecpar.codecType === type)
  if (stream === undefined) throw new Error(`${path} has no ${kind}`)
  const codec = Codec.findDecoder(stream.codecpar.codecId)!
  using decoder = new CodecContext()
  decoder.allocContext3(codec)
  check(decoder.parametersToContext(stream.codecpar))
  decoder.pktTimebase = stream.timeBase
  using strict = Dictionary.fromObject({ err_detect: 'explode' })
  check(await decoder.open2(codec, strict))
  using packet = new Packet()
  packet.alloc()
  using frame = new Frame()
  frame.alloc()
  const { num, den } = stream.timeBase
  const drain = async (): Promise<void> => {
    for (;;) {
      const got = await decoder.receiveFrame(frame)
      if (got === AVERROR_EAGAIN || got === AVERROR_EOF) return
      check(got)
      take(frame, (Number(frame.bestEffortTimestamp) * num) / den)
      frame.unref()
    }
  }
  for (;;) {
    const got = await input.readFrame(packet)
    if (got === AVERROR_EOF) break
    check(got)
    if (packet.streamIndex === stream.index) {
      check(await decoder.sendPacket(packet))
      await drain()
    }
    packet.unref()
  }
  check(await decoder.sendPacket(null))
  await drain()
}
