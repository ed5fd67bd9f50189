/** Encodes and writes a graph's output with FFmpeg's libraries. */
import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBX264,
  FF_ENCODER_MJPEG,
} from 'node-av/constants'
import {
  avRescaleQ,
  Codec,
  CodecContext,
  type FilterContext,
  FormatContext,
  Frame,
  Packet,
  Rational,
} from 'node-av/lib'
import { MediaError } from './ffmpeg.ts'
import { check, dictionary, failure, type Held, pixelFormat, type Progress, sampleFormat } from './libav.ts'
import { addFrame } from './packaged-graph.ts'
import { type OpenInput, readPacket } from './packaged-input.ts'
import type { AvOptions, PlannedOutput } from './plan.ts'

const encoders = { libx264: FF_ENCODER_LIBX264, aac: FF_ENCODER_AAC, mjpeg: FF_ENCODER_MJPEG } as const

/** How many packets of one input are read for a graph that yields nothing, before another input is tried. */
const patiencePackets = 8

export async function writeOutput(
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

/** Takes the graph's frames. While it waits for input, feeds one input as long as that helps, then the next. */
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

function wrongCount(output: PlannedOutput, got: string): MediaError {
  return new MediaError('failed', `the filter graph gave ${got} frames where ${output.frames} were asked for`)
}
