/** The film's single sound track: its silent packet, and how a clip's sound is aligned to the film's grid. */
import type { Ffmpeg, MediaInput, MediaLimits } from './ffmpeg.ts'
import { readBytes, readTrack, withMp4 } from './mp4.ts'
import { cellSamples, sampleRate } from '../job/timeline.ts'

/** AAC-LC, stereo: a packet without spectral lines, so it decodes to silence, whatever came before. */
export const silentPacket = Uint8Array.of(0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c)

export const isSilent = (packet: Uint8Array): boolean => Buffer.compare(packet, silentPacket) === 0

export const soundBitrate = 192_000

/** 5 ms: long enough not to click, short enough not to be heard as a fade. */
const rampSamples = 240

/**
 * adelay and apad after atrim gave frames without timestamps: counting samples gives each one. The quotient is rounded,
 * because at some samples it is slightly less than the number, and FFmpeg truncates.
 */
export const counted = 'asetpts=round(N/SR/TB)'

/** A stretch of sound in samples of 48 kHz, relative to the clip's first picture. */
export interface SoundPlace {
  readonly samples: number
  /** Channels of the clip's sound. */
  readonly channels: number
  /** How much later than the picture the clip's sound begins; negative: earlier. */
  readonly delaySamples: number
  /** Silent before `quietUntil` and from `quietFrom` on; null means no such limit. */
  readonly quietUntil: number | null
  readonly quietFrom: number | null
}

/** From input `pad` to exactly `samples` of 48 kHz stereo, beginning with the picture. No output label. */
export function placedSound(pad: string, place: SoundPlace): string {
  const { samples, channels, delaySamples, quietUntil, quietFrom } = place
  const filters = [
    // Gaps in the timestamps become silence instead of pulling the rest forward.
    `[${pad}]aresample=${sampleRate}:async=1:min_hard_comp=0.01`,
    // Keeps mono at its loudness: FFmpeg makes a centre channel on two sides 3 dB quieter.
    ...(channels === 1 ? ['pan=stereo|c0=c0|c1=c0'] : []),
    'aformat=sample_fmts=fltp:channel_layouts=stereo',
    counted,
  ]
  if (delaySamples > 0) filters.push(`adelay=delays=${delaySamples}S:all=1`, counted)
  if (delaySamples < 0) filters.push(`atrim=start_sample=${-delaySamples}`, counted)
  filters.push(`apad=whole_len=${samples}`, `atrim=end_sample=${samples}`, counted)
  if (quietUntil !== null && quietUntil > 0) filters.push(`afade=t=in:ss=${quietUntil}:ns=${rampSamples}`)
  if (quietFrom !== null && quietFrom < samples)
    filters.push(`afade=t=out:ss=${Math.max(0, quietFrom - rampSamples)}:ns=${rampSamples}`)
  return filters.join(',')
}

/** Adds `lead` silent samples before, and silence after for the encoder's look-ahead. Ends in `[a]`. */
export const ontoGrid = (lead: number, packets: number): string =>
  [
    ...(lead > 0 ? [`adelay=delays=${lead}S:all=1`, counted] : []),
    `apad=whole_len=${(packets + 1) * cellSamples}`,
    `atrim=end_sample=${(packets + 1) * cellSamples}[a]`,
  ].join(',')

export interface EncodeSoundRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  readonly inputs: readonly MediaInput[]
  /** Provides `[a]`: (packets + 1) x 1024 samples, beginning with the first packet's cell. */
  readonly graph: string
  readonly packets: number
  readonly scratchPath: string
  readonly limits: MediaLimits
}

/**
 * Encodes a piece of sound into its AAC packets.
 * @throws {MediaError}
 */
export async function encodeSound(request: EncodeSoundRequest): Promise<Uint8Array[]> {
  const { media, inputs, graph, packets, scratchPath, limits } = request
  await media.run({
    inputs,
    graph,
    output: { kind: 'audio', path: scratchPath, bitrate: soundBitrate },
    limits,
  })
  const encoded = await withMp4(await readBytes(scratchPath), async (input) => {
    const track = await input.getPrimaryAudioTrack()
    return track === null ? [] : (await readTrack(track)).packets
  })
  // By time, not by number: encoders begin with one or two packets that only prime the decoder.
  const byCell = new Map<number, Uint8Array>()
  for (const packet of encoded)
    byCell.set(Math.round(packet.timestamp * sampleRate) / cellSamples, packet.data)
  return Array.from({ length: packets }, (_, cell) => {
    const data = byCell.get(cell)
    if (data === undefined)
      throw new Error(`the encoder gave no packet of sound for sample ${cell * cellSamples}`)
    return data
  })
}
