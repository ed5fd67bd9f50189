/** Adds a tone as AAC to a clip, without changing its video packets. */
import { readFile, rm } from 'node:fs/promises'
import {
  BufferSource,
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  MP4,
  Mp4OutputFormat,
  Output,
} from 'mediabunny'
import type { MediaLimits } from '../media/ffmpeg.ts'
import type { Media } from '../media/media.ts'

export interface ToneRequest {
  readonly media: Pick<Media, 'run'>
  readonly limits: MediaLimits
  /** An MP4 with video only. */
  readonly picture: Uint8Array
  readonly seconds: number
  /** Overwritten, then removed. */
  readonly scratchPath: string
}

/** The clip with a tone of the same length. */
export async function withTone(request: ToneRequest): Promise<Uint8Array> {
  const { media, limits, picture, seconds, scratchPath } = request
  try {
    await media.run({
      inputs: [],
      graph: `sine=frequency=440:sample_rate=48000:duration=${seconds},aformat=sample_fmts=fltp:channel_layouts=stereo[a]`,
      output: { kind: 'audio', path: scratchPath, bitrate: 128_000 },
      limits,
    })
    return await joined(picture, await readFile(scratchPath))
  } finally {
    await rm(scratchPath, { force: true })
  }
}

async function joined(picture: Uint8Array, sound: Uint8Array): Promise<Uint8Array> {
  using pictureFile = open(picture)
  using soundFile = open(sound)
  const videoTrack = (await pictureFile.getPrimaryVideoTrack())!
  const audioTrack = (await soundFile.getPrimaryAudioTrack())!
  const target = new BufferTarget()
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'in-memory' }), target })
  const video = new EncodedVideoPacketSource('avc')
  const audio = new EncodedAudioPacketSource('aac')
  output.addVideoTrack(video)
  output.addAudioTrack(audio)
  await output.start()
  const ofVideo = { decoderConfig: (await videoTrack.getDecoderConfig())! }
  for await (const packet of new EncodedPacketSink(videoTrack).packets()) await video.add(packet, ofVideo)
  const ofAudio = { decoderConfig: (await audioTrack.getDecoderConfig())! }
  for await (const packet of new EncodedPacketSink(audioTrack).packets()) await audio.add(packet, ofAudio)
  await output.finalize()
  return new Uint8Array(target.buffer!)
}

const open = (bytes: Uint8Array): Input => new Input({ source: new BufferSource(bytes), formats: [MP4] })
