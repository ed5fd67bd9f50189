/** MP4 as a list of packets. */
import { readFile } from 'node:fs/promises'
import {
  BufferSource,
  type EncodedPacket,
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  type InputTrack,
  type InputVideoTrack,
  Logging,
  LogLevel,
  MP4,
  QTFF,
  type Source,
} from 'mediabunny'
import { maxPackets } from './mp4-tables.ts'

// Faults of untrusted files are reported in our own words; the library would print them as well.
Logging.level = LogLevel.Silent

/** A packet of an MP4, as the library reads it; `timestamp` and `duration` are in seconds. */
export type Packet = EncodedPacket

/** @throws the library's errors, if `source` is not an MP4 with a header. */
export async function withMp4<T>(source: Source, use: (input: Input) => Promise<T>): Promise<T> {
  using input = new Input({ source, formats: [MP4, QTFF] })
  return await use(input)
}

export const readBytes = async (path: string): Promise<BufferSource> => new BufferSource(await readFile(path))

export interface TrackPackets {
  readonly packets: readonly Packet[]
  /** How many packets the header promises: more than `packets` if the file was cut off. */
  readonly promised: number
}

/** All packets of a track in decoding order, with their bytes. Stops at the first that is not in the file. */
export async function readTrack(track: InputTrack): Promise<TrackPackets> {
  const sink = new EncodedPacketSink(track)
  const packets: Packet[] = []
  for (let packet = await sink.getFirstPacket(); packet !== null;) {
    packets.push(packet)
    if (packets.length > maxPackets) throw new Error(`more than ${maxPackets} packets`)
    packet = await sink.getNextPacket(packet)
  }
  const promised = await countPromised(sink, packets)
  return { packets, promised }
}

async function countPromised(sink: EncodedPacketSink, packets: readonly Packet[]): Promise<number> {
  const options = { metadataOnly: true } as const
  const last = packets.at(-1)
  let count = packets.length
  for (
    let packet = last ? await sink.getNextPacket(last, options) : await sink.getFirstPacket(options);
    packet !== null && count <= maxPackets;
    packet = await sink.getNextPacket(packet, options)
  )
    count++
  return count
}

/** The avcC or AudioSpecificConfig, which a decoder needs before the first packet. */
export async function descriptionOf(track: InputVideoTrack | InputAudioTrack): Promise<Uint8Array | null> {
  const description = (await track.getDecoderConfig())?.description
  if (description === undefined) return null
  return description instanceof Uint8Array
    ? description
    : ArrayBuffer.isView(description)
      ? new Uint8Array(description.buffer, description.byteOffset, description.byteLength)
      : new Uint8Array(description)
}

export const sameBytes = (one: Uint8Array | null, other: Uint8Array): boolean =>
  one !== null && Buffer.compare(one, other) === 0
