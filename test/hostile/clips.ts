/** What a provider may send instead of a clip, or as one: each kind by name. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Media } from '../../src/media/media.ts'
import { encode, remux } from '../media/source-clip.ts'

const limits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 }

export const clipKinds = [
  'good',
  'with_sound',
  'promising_tables',
  'changed_numbers',
  'changed_bytes',
  'cut_short',
  'empty',
  'text',
  'zeros',
  'playlist',
] as const
export type ClipKind = (typeof clipKinds)[number]

export interface Clips {
  of(kind: ClipKind, random: () => number): Buffer
}

/** Makes the clips that the others are changed from, of four seconds. */
export async function makeClips(media: Media, directory: string): Promise<Clips> {
  const [videoPath, audioPath, path] = ['v.mp4', 'a.mp4', 'both.mp4'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  await media.run({
    inputs: [],
    graph: 'testsrc2=s=1280x720:r=24:d=4,format=yuv420p[v]',
    output: {
      kind: 'video',
      path: videoPath,
      video: { fps: 24, frames: 96, crf: 35, preset: 'ultrafast', keyframes: [] },
    },
    limits,
  })
  const tone = 'sine=d=4:r=48000,aformat=sample_fmts=fltp:channel_layouts=stereo[out]'
  await encode({ graph: tone, kind: 'audio', codec: 'aac', path: audioPath })
  await remux({ videoPath, audioPath, path })
  const [good, both] = [await readFile(videoPath), await readFile(path)]
  await Promise.all([videoPath, audioPath, path].map((one) => rm(one)))
  return { of: (kind, random) => make[kind](good, both, random) }
}

const tables = ['stsz', 'stts', 'stsc', 'stco', 'ctts', 'stss', 'stsd', 'elst']

/** Within the header: what lies in the pictures is another kind. */
function changeNumbers(bytes: Buffer, random: () => number): Buffer {
  const header = bytes.indexOf('moov')
  for (let change = 0; change < 3; change++) {
    const at = header + Math.floor(random() * Math.min(4000, bytes.length - header - 4))
    bytes.writeUInt32BE([0, 1, 0x7f_ff_ff_ff, 0xff_ff_ff_ff, 60_000][Math.floor(random() * 5)]!, at)
  }
  return bytes
}

const make: Record<ClipKind, (good: Buffer, both: Buffer, random: () => number) => Buffer> = {
  good: (good) => good,
  with_sound: (_good, both) => both,
  promising_tables(_good, both, random) {
    const bytes = Buffer.from(both)
    const at = bytes.indexOf(tables[Math.floor(random() * tables.length)]!, bytes.indexOf('moov'))
    if (at !== -1) bytes.writeUInt32BE(60e6 + Math.floor(random() * 4e9), at + (random() < 0.5 ? 8 : 12))
    return bytes
  },
  changed_numbers: (_good, both, random) => changeNumbers(Buffer.from(both), random),
  changed_bytes(_good, both, random) {
    const bytes = Buffer.from(both)
    for (let change = 0; change < 200; change++)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    return bytes
  },
  cut_short: (_good, both, random) => both.subarray(0, Math.floor(both.length * random())),
  empty: () => Buffer.alloc(0),
  text: () => Buffer.from('<html><body>We are sorry</body></html>'),
  zeros: () => Buffer.concat([Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isomavc1'), Buffer.alloc(20 << 20)]),
  playlist: () => Buffer.from('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'),
}
