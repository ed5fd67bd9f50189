/** MP4 as a list of packets: read whole, and written so that what the caller is told is on the disk is there. */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import {
  BufferSource,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  type InputAudioTrack,
  type InputTrack,
  type InputVideoTrack,
  Logging,
  LogLevel,
  MP4,
  Mp4OutputFormat,
  Output,
  QTFF,
  type Source,
  StreamTarget,
  type StreamTargetChunk,
} from 'mediabunny'
import { cellSamples, sampleRate } from './timeline.ts'
import { MediaError } from './media.ts'

// What is wrong with a stranger's file is told in our own words; the library would print it as well.
Logging.level = LogLevel.Silent

/** A packet of an MP4, as the library reads it; `timestamp` and `duration` are in seconds. */
export type Packet = EncodedPacket

/** Ticks a second of every video track we write; all our frame rates divide it. */
export const videoTimescale = 90_000

/** AAC-LC, 48 kHz, stereo. */
const audioConfig = {
  codec: 'mp4a.40.2',
  sampleRate,
  numberOfChannels: 2,
  description: Uint8Array.of(0x11, 0x90),
} as const

/** Above this a clip is not one: 20 minutes of sound, 15 of 60 frames a second. */
const maxPackets = 60_000

/** @throws whatever the library does where `bytes` is not an MP4 with a header. */
export async function withMp4<T>(source: Source, use: (input: Input) => Promise<T>): Promise<T> {
  using input = new Input({ source, formats: [MP4, QTFF] })
  return await use(input)
}

export const readBytes = async (path: string): Promise<BufferSource> => new BufferSource(await readFile(path))

export interface TrackPackets {
  readonly packets: readonly Packet[]
  /** How many the file's header promises; more than there are where the file was cut. */
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

/** The avcC or AudioSpecificConfig: what a decoder must be told before the first packet. */
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

export interface Mp4Video {
  readonly width: number
  readonly height: number
  readonly fps: number
  /** The avcC. */
  readonly description: Uint8Array
  readonly frames: number
}

export interface Mp4Audio {
  /** How many AAC packets there will be. */
  readonly packets: number
  /** Samples before the first picture: decoded, not played. */
  readonly leadSamples: number
  /** Samples from the first picture to the end of the last. */
  readonly samples: number
}

export interface Mp4Request {
  readonly path: string
  readonly video: Mp4Video
  readonly audio: Mp4Audio | null
}

/** What was written, for holding the file against it. */
export interface Mp4Ledger {
  readonly request: Mp4Request
  readonly sizeBytes: number
  /** Of each packet of the picture: which frame it is, whether a key frame, its bytes; and a checksum of them all. */
  readonly video: {
    readonly frames: number[]
    readonly keys: boolean[]
    readonly sizes: number[]
    crc: number
  }
  readonly audio: { readonly sizes: number[]; crc: number }
}

export interface Mp4Writer {
  /** `frame`: which picture it is, in the order of showing; packets come in the order of decoding. */
  addVideo(data: Uint8Array, key: boolean, frame: number): Promise<void>
  addAudio(data: Uint8Array): Promise<void>
  /** Completes the header, in front; the bytes may not be on the disk yet. */
  finish(): Promise<Mp4Ledger>
  /** Resolves when all of it is on the disk. */
  sync(): Promise<void>
  /** Lets go of the file; to be called in any case. */
  close(): Promise<void>
}

/**
 * An MP4 with its header in front. Timestamps are whole ticks: frame k at k/fps of 90000, sound on the
 * sample, and the last packet of sound ends where the picture does.
 */
export async function createMp4(request: Mp4Request): Promise<Mp4Writer> {
  const { video, audio } = request
  const file = await createOutputFile(request.path)
  const output = new Output({
    format: new Mp4OutputFormat({ fastStart: 'reserve' }),
    target: new StreamTarget(file.writable),
  })
  const videoSource = new EncodedVideoPacketSource('avc')
  const audioSource = new EncodedAudioPacketSource('aac')
  output.addVideoTrack(videoSource, { frameRate: videoTimescale, maximumPacketCount: video.frames })
  if (audio !== null) output.addAudioTrack(audioSource, { maximumPacketCount: audio.packets })
  await output.start()

  const videoMeta = {
    decoderConfig: {
      codec: avcCodec(video.description),
      codedWidth: video.width,
      codedHeight: video.height,
      description: video.description,
    },
  }
  const audioMeta = { decoderConfig: audioConfig }
  const written: Pick<Mp4Ledger, 'video' | 'audio'> = {
    video: { frames: [], keys: [], sizes: [], crc: 0 },
    audio: { sizes: [], crc: 0 },
  }
  return {
    addVideo(data, key, frame) {
      written.video.frames.push(frame)
      written.video.keys.push(key)
      written.video.sizes.push(data.byteLength)
      written.video.crc = crc32(data, written.video.crc)
      return translateFullDisk(
        videoSource.add(
          new EncodedPacket(data, key ? 'key' : 'delta', frame / video.fps, 1 / video.fps),
          videoMeta,
        ),
      )
    },
    addAudio(data) {
      const start = written.audio.sizes.length * cellSamples - audio!.leadSamples
      const samples = Math.min(cellSamples, audio!.samples - start)
      written.audio.sizes.push(data.byteLength)
      written.audio.crc = crc32(data, written.audio.crc)
      return translateFullDisk(
        audioSource.add(new EncodedPacket(data, 'key', start / sampleRate, samples / sampleRate), audioMeta),
      )
    },
    async finish() {
      await translateFullDisk(output.finalize())
      return { request, sizeBytes: file.size(), ...written }
    },
    sync: () => translateFullDisk(file.sync()),
    close: () => file.close(),
  }
}

const hex = (byte: number | undefined): string => (byte ?? 0).toString(16).padStart(2, '0')

const avcCodec = (avcC: Uint8Array): string => `avc1.${hex(avcC[1])}${hex(avcC[2])}${hex(avcC[3])}`

async function translateFullDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new MediaError('disk_full', 'no room left to write the film', { cause: error })
    throw error
  }
}

/** So much is gathered before it is written: a film is thousands of packets of a few bytes. */
const writeBytes = 2 ** 22
/** One writev takes at most 1024 pieces. */
const writePieces = 512

interface OutputFile {
  readonly writable: WritableStream<StreamTargetChunk>
  size(): number
  sync(): Promise<void>
  close(): Promise<void>
}

/** The library's own file target writes piece by piece, trusts each write to be whole, and can't be synced. */
async function createOutputFile(path: string): Promise<OutputFile> {
  const handle = await open(path, 'w')
  let pieces: Uint8Array[] = []
  let start = 0
  let gathered = 0
  let size = 0
  const flush = async (): Promise<void> => {
    const batch = pieces
    const at = start
    pieces = []
    start += gathered
    gathered = 0
    await writeAll(handle, batch, at)
  }
  const writable = new WritableStream<StreamTargetChunk>(
    {
      async write({ data, position }) {
        if (position !== start + gathered) {
          await flush()
          start = position
        }
        pieces.push(data)
        gathered += data.byteLength
        size = Math.max(size, position + data.byteLength)
        if (gathered >= writeBytes || pieces.length >= writePieces) await flush()
      },
      close: flush,
    },
    { highWaterMark: 2 * writeBytes, size: (chunk) => chunk?.data.byteLength ?? 0 },
  )
  return { writable, size: () => size, sync: () => handle.sync(), close: () => handle.close() }
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[], position: number): Promise<void> {
  let rest = [...pieces]
  let at = position
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest, at)
    if (bytesWritten === 0) throw new Error(`nothing could be written at byte ${at}`)
    at += bytesWritten
    const kept = rest.findIndex((piece) => {
      if (bytesWritten < piece.byteLength) return true
      bytesWritten -= piece.byteLength
      return false
    })
    rest = kept === -1 ? [] : [rest[kept]!.subarray(bytesWritten), ...rest.slice(kept + 1)]
  }
}
