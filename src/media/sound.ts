/** The film's one row of sound: what silence is, and how a clip's own sound is laid on the film's grid. */
import type { Ffmpeg, MediaInput, MediaLimits } from './ffmpeg.ts'
import { readBytes, readTrack, withMp4 } from './mp4.ts'
import { cellSamples, sampleRate } from '../job/timeline.ts'

/** AAC-LC, stereo: a packet in which no spectral line is set, so it decodes to nothing, whatever came before. */
export const silentPacket = Uint8Array.of(0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c)

export const isSilent = (packet: Uint8Array): boolean => Buffer.compare(packet, silentPacket) === 0

export const soundBitrate = 192_000

/** 5 ms: long enough not to click, short enough not to be heard as a fade. */
const rampSamples = 240

/**
 * adelay and apad after atrim gave frames without a time; by counting samples each has its own. The quotient is a hair less
 * than the number at some samples, and FFmpeg cuts off what is behind the point.
 */
export const counted = 'asetpts=round(N/SR/TB)'

/** A stretch of sound in samples of 48 kHz, relative to the clip's first picture. */
export interface SoundPlace {
  readonly samples: number
  /** Of the clip's sound. */
  readonly channels: number
  /** How much later than the picture the clip's sound begins; negative: earlier. */
  readonly delaySamples: number
  /** Silent before, and from then on; null: neither. */
  readonly quietUntil: number | null
  readonly quietFrom: number | null
}

/** From input `pad` to exactly `samples` of 48 kHz stereo, beginning with the picture. No label at its end. */
export function placedSound(pad: string, place: SoundPlace): string {
  const { samples, channels, delaySamples, quietUntil, quietFrom } = place
  const filters = [
    // Gaps in the timestamps become silence instead of pulling the rest forward.
    `[${pad}]aresample=${sampleRate}:async=1:min_hard_comp=0.01`,
    // As loud as it came: a centre that is laid on two sides is made 3 dB quieter.
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

/** `lead` silent samples before; silence after, up to what the encoder looks ahead. Ends in `[a]`. */
export const ontoGrid = (lead: number, packets: number): string =>
  [
    ...(lead > 0 ? [`adelay=delays=${lead}S:all=1`, counted] : []),
    `apad=whole_len=${(packets + 1) * cellSamples}`,
    `atrim=end_sample=${(packets + 1) * cellSamples}[a]`,
  ].join(',')

export interface EncodeSoundRequest {
  readonly media: Pick<Ffmpeg, 'run'>
  readonly inputs: readonly MediaInput[]
  /** Gives `[a]`: (packets + 1) x 1024 samples, the first of them the first of the first packet's cell. */
  readonly graph: string
  readonly packets: number
  readonly scratchPath: string
  readonly limits: MediaLimits
}

/**
 * The packets of a piece of sound.
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
