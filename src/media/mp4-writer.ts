/**
 * Writes MP4. mediabunny computes the layout and the header; the packets' bytes go straight to the positions that
 * it names. Its own file targets copy each byte three times (a quarter of a film's time), do not check for partial
 * writes, and cannot be synced.
 */
import { crc32 } from 'node:zlib'
import {
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  Mp4OutputFormat,
  NullTarget,
  Output,
} from 'mediabunny'
import { createBlockFile } from './block-file.ts'
import { cellSamples, sampleRate } from '../job/timeline.ts'

/** Ticks a second of every video track we write; all our frame rates divide it. */
export const videoTimescale = 90_000

/** AAC-LC, 48 kHz, stereo. */
const audioConfig = {
  codec: 'mp4a.40.2',
  sampleRate,
  numberOfChannels: 2,
  description: Uint8Array.of(0x11, 0x90),
} as const

export interface Mp4Video {
  readonly width: number
  readonly height: number
  readonly fps: number
  /** The decoder configuration (avcC). */
  readonly description: Uint8Array
  readonly frames: number
}

export interface Mp4Audio {
  /** The number of AAC packets. */
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

/** What was written, to verify the file against. */
export interface Mp4Ledger {
  readonly request: Mp4Request
  readonly sizeBytes: number
  /** For each packet of the picture: its frame number, whether it is a key frame, its bytes; and a checksum over all. */
  readonly video: {
    readonly frames: number[]
    readonly keys: boolean[]
    readonly sizes: number[]
    crc: number
  }
  readonly audio: { readonly sizes: number[]; crc: number }
}

export interface Mp4Writer {
  /** `frame`: its number in presentation order; packets are added in decoding order. */
  addVideo(packet: Pick<EncodedPacket, 'data' | 'type'>, frame: number): Promise<void>
  addAudio(data: Uint8Array): Promise<void>
  /** Completes the header at the front; the bytes may not be on the disk yet. */
  finish(): Promise<Mp4Ledger>
  /** Resolves when the whole file is on the disk. */
  sync(): Promise<void>
  /** Closes the file; must be called in any case. */
  close(): Promise<void>
}

/**
 * Creates an MP4 with its header at the front. Timestamps are whole ticks: frame k at k/fps of 90000, sound on
 * the sample, and the last packet of sound ends with the picture. Its methods throw a MediaError `disk_full` if the
 * disk is full.
 */
export async function createMp4(request: Mp4Request): Promise<Mp4Writer> {
  const { path, video, audio } = request
  const layout = new NullTarget()
  const header: Uint8Array[] = []
  const keep = (data: Uint8Array): number => header.push(Uint8Array.from(data))
  const output = new Output({
    format: new Mp4OutputFormat({ fastStart: 'reserve', onFtyp: keep, onMoov: keep }),
    target: layout,
  })
  const videoSource = new EncodedVideoPacketSource('avc')
  const audioSource = new EncodedAudioPacketSource('aac')
  // Set before the first packet, so that the size reserved for the header is known by then.
  const videoConfig = {
    codec: avcCodec(video.description),
    codedWidth: video.width,
    codedHeight: video.height,
    description: video.description,
  }
  output.addVideoTrack(videoSource, {
    frameRate: videoTimescale,
    maximumPacketCount: video.frames,
    decoderConfig: videoConfig,
  })
  if (audio !== null)
    output.addAudioTrack(audioSource, { maximumPacketCount: audio.packets, decoderConfig: audioConfig })
  await output.start()

  const file = await createBlockFile(path)
  const waiting = { video: createQueue(), audio: createQueue() }
  // The library places a track's packets in batches, when another is added; at the end, the picture's first.
  let adding: 'video' | 'audio' | null = null
  let mdatStart: number | null = null
  let misplaced = false
  layout.on('write', ({ start, end }) => {
    mdatStart ??= start
    if (start < mdatStart + mdatHeaderBytes) return
    const data = waiting[adding ?? (waiting.video.size() > 0 ? 'video' : 'audio')].take()
    if (data?.byteLength === end - start) file.place(data, start)
    else misplaced = true
  })

  const written: Pick<Mp4Ledger, 'video' | 'audio'> = {
    video: { frames: [], keys: [], sizes: [], crc: 0 },
    audio: { sizes: [], crc: 0 },
  }
  const add = async (kind: 'video' | 'audio', packet: EncodedPacket): Promise<void> => {
    const track = written[kind]
    track.sizes.push(packet.byteLength)
    track.crc = crc32(packet.data, track.crc)
    waiting[kind].put(packet.data)
    adding = kind
    await (kind === 'video' ? videoSource : audioSource).add(packet)
    adding = null
    if (file.hasFullBlock()) await file.drain()
  }
  return {
    addVideo({ data, type }, frame) {
      written.video.frames.push(frame)
      written.video.keys.push(type === 'key')
      return add('video', new EncodedPacket(data, type, frame / video.fps, 1 / video.fps))
    },
    addAudio(data) {
      const start = written.audio.sizes.length * cellSamples - audio!.leadSamples
      const samples = Math.min(cellSamples, audio!.samples - start)
      return add('audio', new EncodedPacket(data, 'key', start / sampleRate, samples / sampleRate))
    },
    async finish() {
      await output.finalize()
      const sizeBytes = file.end()
      if (misplaced || mdatStart === null || waiting.video.size() + waiting.audio.size() > 0)
        throw new Error(`${path}: a packet was given no place`)
      file.place(mdatHeader(sizeBytes - mdatStart), mdatStart)
      const front = Buffer.concat(header)
      file.place(Buffer.concat([front, freeHeader(mdatStart - front.length)]), 0)
      await file.finish()
      return { request, sizeBytes, ...written }
    },
    sync: () => file.sync(),
    close: () => file.close(),
  }
}

const hex = (byte: number | undefined): string => (byte ?? 0).toString(16).padStart(2, '0')

const avcCodec = (avcC: Uint8Array): string => `avc1.${hex(avcC[1])}${hex(avcC[2])}${hex(avcC[3])}`

/** The library always reserves space for the long form. */
const mdatHeaderBytes = 16

function mdatHeader(bytes: number): Buffer {
  const header = Buffer.alloc(mdatHeaderBytes)
  const isLong = bytes >= 2 ** 32
  header.writeUInt32BE(isLong ? 1 : bytes, 0)
  header.write('mdat', 4)
  if (isLong) header.writeBigUInt64BE(BigInt(bytes), 8)
  return header
}

/** The head of a `free` box over the unused part of the space reserved for the header. */
function freeHeader(bytes: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(bytes, 0)
  header.write('free', 4)
  return header
}

interface Queue {
  size(): number
  put(data: Uint8Array): void
  take(): Uint8Array | undefined
}

/** Avoids `shift` for each packet, which would move all the others. */
function createQueue(): Queue {
  let items: Uint8Array[] = []
  let taken = 0
  return {
    size: () => items.length - taken,
    put: (data) => void items.push(data),
    take() {
      const data = items[taken++]
      if (taken >= 256) {
        items = items.slice(taken)
        taken = 0
      }
      return data
    },
  }
}
