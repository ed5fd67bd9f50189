/** Builds a filter graph with FFmpeg's libraries, from the first frames of its inputs, and feeds it. */
import { AVERROR_EOF } from 'node-av/constants'
import {
  avChannelLayoutDescribe,
  avGetPixFmtName,
  avGetSampleFmtName,
  type FilterContext,
  FilterGraph,
  Frame,
  SoftwareResampleContext,
} from 'node-av/lib'
import { check, failure, type Held, needed, pixelFormat, sampleFormat } from './libav.ts'
import { type OpenInput, type Pad, readPacket, type SoundShape } from './packaged-input.ts'
import { graphThreads, type PlannedOutput } from './plan.ts'

/** A graph can only be built once the first frame of every input gives its size and format. */
export async function buildGraph(
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

export async function addFrame(pad: Pad, given: Frame | null, held: Held): Promise<void> {
  const frame = given && resampled(pad, given, held)
  const added = await needed(pad.source).buffersrcAddFrame(frame)
  frame?.free()
  // The graph needs no more of this input.
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

/** A graph rejects sound that changes its rate or channels, as in joined files: it is converted back, and `frame` freed. */
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
