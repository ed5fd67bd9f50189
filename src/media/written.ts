/** Compares a film with what was written to it, before it is published. */
import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { EncodedPacketSink, FilePathSource, type Input, type InputTrack } from 'mediabunny'
import { descriptionOf, type Packet, sameBytes, withMp4 } from './mp4.ts'
import { type Mp4Ledger, videoTimescale } from './mp4-writer.ts'
import { cellSamples, sampleRate } from '../job/timeline.ts'

/** The file differs from what was written: a fault of the disk or of this program, never of a clip. */
export class NotAsWrittenError extends Error {
  readonly code = 'not_as_written'
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, options)
    this.name = 'NotAsWrittenError'
  }
}

/**
 * Reads the whole file again and checks its size, the header at the front, each packet's position, time, length
 * and key flag, every byte (by checksum), and where both tracks end.
 * @throws {NotAsWrittenError}
 */
export async function verifyMp4(path: string, ledger: Mp4Ledger): Promise<void> {
  const complain = (reason: string, cause?: unknown): never => {
    throw new NotAsWrittenError(path, reason, { cause })
  }
  const { sizeBytes, headerFirst } = await layoutOf(path)
  if (sizeBytes !== ledger.sizeBytes) complain(`${sizeBytes} bytes instead of ${ledger.sizeBytes}`)
  if (!headerFirst) complain('the header is not in front of the packets')
  try {
    await withMp4(new FilePathSource(path), (input) => compare(input, ledger, complain))
  } catch (error) {
    if (error instanceof NotAsWrittenError) throw error
    complain('it cannot be read', error)
  }
}

type Complain = (reason: string) => never

async function compare(
  input: Input,
  { request, video, audio }: Mp4Ledger,
  complain: Complain,
): Promise<void> {
  const videoTrack = await input.getPrimaryVideoTrack()
  const audioTrack = await input.getPrimaryAudioTrack()
  if (videoTrack === null) return complain('no picture')
  if ((audioTrack === null) !== (request.audio === null)) return complain('a track is missing or too many')
  if (!sameBytes(await descriptionOf(videoTrack), request.video.description))
    complain('another decoder configuration')
  if ((await videoTrack.getCodedWidth()) !== request.video.width) complain('another width')
  if ((await videoTrack.getCodedHeight()) !== request.video.height) complain('another height')
  await expectEnd(videoTrack, request.video.frames / request.video.fps, 'picture', complain)
  if (audioTrack !== null) await expectEnd(audioTrack, request.audio!.samples / sampleRate, 'sound', complain)

  const ticksAFrame = videoTimescale / request.video.fps
  const picture = await openTrack(videoTrack, 'picture', video, complain, (packet, index) => {
    if (Math.round(packet.timestamp * videoTimescale) !== video.frames[index]! * ticksAFrame)
      complain(`packet ${index} of the picture is shown at another time`)
    if ((packet.type === 'key') !== video.keys[index])
      complain(`packet ${index} of the picture is wrongly marked as key frame or not`)
  })
  const tracks = [picture]
  if (audioTrack !== null)
    tracks.push(
      await openTrack(audioTrack, 'sound', audio, complain, (packet, index) => {
        if (Math.round(packet.timestamp * sampleRate) !== index * cellSamples - request.audio!.leadSamples)
          complain(`packet ${index} of the sound is heard at another time`)
      }),
    )
  // Both tracks in the order of the file, so that it is read once, from front to back.
  for (;;) {
    const [first, second] = tracks
    const next = second !== undefined && second.time() < first!.time() ? second : first!
    if (next.time() === Infinity) break
    await next.step()
  }
  for (const track of tracks) track.end()
}

interface OpenTrack {
  /** When the next packet is shown, in seconds; Infinity at the end. */
  time(): number
  /** Compares the next packet with what was written, and reads the one after it. */
  step(): Promise<void>
  end(): void
}

async function openTrack(
  track: InputTrack,
  name: string,
  written: { readonly sizes: readonly number[]; readonly crc: number },
  complain: Complain,
  check: (packet: Packet, index: number) => void,
): Promise<OpenTrack> {
  const sink = new EncodedPacketSink(track)
  let next = await sink.getFirstPacket()
  let index = 0
  let crc = 0
  return {
    time: () => next?.timestamp ?? Infinity,
    async step() {
      const packet = next!
      if (packet.byteLength !== written.sizes[index])
        complain(`packet ${index} of the ${name} is of another length`)
      check(packet, index)
      crc = crc32(packet.data, crc)
      index++
      next = await sink.getNextPacket(packet)
    },
    end() {
      if (index !== written.sizes.length)
        complain(`${index} packets of the ${name} instead of ${written.sizes.length}`)
      if (crc !== written.crc) complain(`the bytes of the ${name} are not those written`)
    },
  }
}

async function expectEnd(
  track: InputTrack,
  endSeconds: number,
  name: string,
  complain: Complain,
): Promise<void> {
  const found = await track.getDurationFromMetadata()
  // Half a sample of 48 kHz.
  if (found === null || Math.abs(found - endSeconds) > 1e-5)
    complain(`the ${name} ends at ${found} s instead of ${endSeconds}`)
}

/** Boxes of an MP4 are a length and a name; only the first few matter here. */
async function layoutOf(path: string): Promise<{ sizeBytes: number; headerFirst: boolean }> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const names: string[] = []
    for (let at = 0; at < size && !names.includes('mdat') && names.length < 8;) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, at)
      if (bytesRead < 8) break
      names.push(buffer.toString('latin1', 4))
      const length = buffer.readUInt32BE(0)
      if (length < 8) break
      at += length
    }
    return { sizeBytes: size, headerFirst: names[0] === 'ftyp' && names[1] === 'moov' }
  } finally {
    await handle.close()
  }
}
