// Small files that cost much: each is refused, or read within the limits. Seconds, for some are meant to take minutes.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, asyncProperty, constantFrom, nat, tuple } from 'fast-check'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { createMedia } from '../../src/media/pool.ts'
import { imageLimits } from '../../src/pipeline/studio.ts'
import { floodedPng, interlacedPng, scannedJpeg } from './hostile-picture.ts'
import { encode, remux } from './source-clip.ts'

const limits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 512 * 2 ** 20 }
const media = createMedia({ host: systemHost })
let directory = ''
let clip: Buffer
let names = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hostile-'))
  const [videoPath, audioPath, path] = ['v.mp4', 'a.mp4', 'clip.mp4'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  // Pictures in another order than they are decoded in, so that each table is there.
  await media.run({
    inputs: [],
    graph: 'testsrc2=s=64x64:r=24:d=1,format=yuv420p[v]',
    output: {
      kind: 'video',
      path: videoPath,
      video: { fps: 24, frames: 24, crf: 30, preset: 'veryfast', keyframes: [] },
    },
    limits,
  })
  await encode({
    graph: 'sine=d=1:r=48000,aformat=sample_fmts=fltp[out]',
    kind: 'audio',
    codec: 'aac',
    path: audioPath,
  })
  await remux({ videoPath, audioPath, path })
  clip = await readFile(path)
})
afterAll(async () => {
  await media.close()
  await rm(directory, { recursive: true, force: true })
})

const file = async (bytes: Uint8Array): Promise<string> => {
  const path = join(directory, `file-${++names}`)
  await writeFile(path, bytes)
  return path
}

/** The clip, with a number of its table `box` set to `value`. */
function patched(box: string, offset: number, value: number): Buffer {
  const bytes = Buffer.from(clip)
  const at = bytes.indexOf(box, bytes.indexOf('moov'))
  expect([box, at]).not.toEqual([box, -1])
  bytes.writeUInt32BE(value >>> 0, at + 4 + offset)
  return bytes
}

describe('a clip', () => {
  it('is taken as it was made', async () => {
    expect(await media.verifyClip({ path: await file(clip), limits })).toMatchObject({ ok: true })
  })

  it.for([60e6, 2 ** 32 - 1])(
    'whose tables promise %i entries is refused by what they promise',
    async (count) => {
      for (const [box, offset] of [
        ['stsz', 8],
        ['stts', 4],
        ['stts', 8],
        ['ctts', 4],
        ['ctts', 8],
        ['stsc', 4],
        ['stco', 4],
        ['stsd', 4],
        ['stss', 4],
      ] as const) {
        const verdict = await media.verifyClip({ path: await file(patched(box, offset, count)), limits })
        expect([box, verdict]).toEqual([
          box,
          {
            ok: false,
            code: 'unreadable',
            reason: expect.stringMatching(/its table \w+ promises \d+ entries|more than 60000 packets/),
          },
        ])
      }
    },
  )

  /** With one more box, before the first of its kind or at the end. */
  const withBox = (type: string, content: Buffer, parents: readonly string[]): Buffer => {
    const at = clip.indexOf(type, clip.indexOf('moov')) - 4
    const bytes = Buffer.concat([clip.subarray(0, at), boxOf(type, content), clip.subarray(at)])
    for (const parent of parents) {
      const start = bytes.indexOf(parent) - 4
      bytes.writeUInt32BE(bytes.readUInt32BE(start) + content.length + 8, start)
    }
    return bytes
  }
  const boxOf = (type: string, content: Buffer): Buffer =>
    Buffer.concat([bigEndian(content.length + 8), Buffer.from(type, 'latin1'), content])
  const bigEndian = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(4 * values.length)
    for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index)
    return bytes
  }

  it('that has a table twice is refused: what reads it would add them up', async () => {
    const twice = withBox('stts', bigEndian(0, 1, 4_000_000_000, 1), ['moov', 'trak', 'mdia', 'minf', 'stbl'])
    expect(await media.verifyClip({ path: await file(twice), limits })).toEqual({
      ok: false,
      code: 'unreadable',
      reason: 'its table stts is there twice',
    })
  })

  it('whose fragments promise more together than a clip has is refused', async () => {
    const runs = Array.from({ length: 1000 }, () => boxOf('trun', bigEndian(0, 60_000)))
    const fragment = boxOf(
      'moof',
      Buffer.concat([
        boxOf('mfhd', bigEndian(0, 1)),
        boxOf('traf', Buffer.concat([boxOf('tfhd', bigEndian(0, 1)), ...runs])),
      ]),
    )
    const bytes = Buffer.concat([clip, fragment])
    expect(await media.verifyClip({ path: await file(bytes), limits })).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/its table trun promises 120000 entries/),
    })
  })

  it('whose samples are all of one byte, and 60 million, is refused within the limits', async () => {
    const bytes = patched('stsz', 4, 1)
    const at = bytes.indexOf('stsz', bytes.indexOf('moov')) + 4
    for (const [box, offset] of [
      ['stsz', 8],
      ['stts', 8],
      ['stsc', 12],
    ] as const)
      bytes.writeUInt32BE(60e6, bytes.indexOf(box, at - 400) + 4 + offset)
    expect(await media.verifyClip({ path: await file(bytes), limits })).toMatchObject({ ok: false })
  })

  it('with any numbers in its header is taken or refused within the limits', async () => {
    const header = clip.indexOf('moov')
    const numbers = tuple(
      nat({ max: clip.length - header - 4 }),
      constantFrom(0, 1, 0x7f_ff_ff_ff, 0xff_ff_ff_ff, 0x00_ff_ff_ff, 60_000, 8),
    )
    await assert(
      asyncProperty(array(numbers, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(clip)
        for (const [at, value] of changes) bytes.writeUInt32BE(value, header + at)
        const verdict = await media
          .verifyClip({ path: await file(bytes), limits })
          .catch((error: unknown) => error)
        if (verdict instanceof Error) expect(verdict).toMatchObject({ name: 'MediaError', code: 'failed' })
        else expect(verdict).toHaveProperty('ok')
      }),
      { seed: 41, numRuns: 60 },
    )
  })
})

describe('a picture', () => {
  const side = 10_000
  const read = async (bytes: Uint8Array) =>
    media.readImage({ path: await file(bytes), limits: { ...imageLimits, memoryBytes: limits.memoryBytes } })

  it('that takes more memory than is given is refused by its header', async () => {
    const wide = { width: 7000, height: 7000, channels: 3, background: 'red' } as const
    const avif = await sharp({ create: wide }).avif({ effort: 0, chromaSubsampling: '4:4:4' }).toBuffer()
    expect(await read(avif)).toMatchObject({
      reason: 'too_costly',
      message: expect.stringMatching(
        /decoding its 49 megapixels in this format takes \d+ MB of memory, and at most 1024/,
      ),
    })
    expect(await read(await interlacedPng(side))).toMatchObject({ reason: 'too_costly' })
  })

  it('of ordinary kinds is taken, however large', async () => {
    const wide = { width: side, height: side, channels: 3, background: '#456' } as const
    for (const made of [
      sharp({ create: wide }).jpeg({ progressive: true }),
      sharp({ create: wide }).png({ compressionLevel: 1 }),
    ])
      expect(await read(await made.toBuffer())).toMatchObject({ kind: 'image', width: side })
  })

  it('in thousands of scans is refused by their number, in ten is taken', async () => {
    expect(await read(scannedJpeg(side, 3000))).toMatchObject({
      reason: 'too_costly',
      message: expect.stringMatching(/3001 scans, and at most 100/),
    })
    expect(await read(scannedJpeg(800, 10))).toMatchObject({ kind: 'image' })
  })

  it('that takes more processor time than is given is ended', async () => {
    const path = await file(scannedJpeg(side, 90))
    const request = { path, targetPath: `${path}.jpg`, limits: { ...imageLimits, cpuMs: 300 } }
    await expect(media.masterImage(request)).rejects.toMatchObject({
      code: 'too_long',
      message: 'took more than 0.3 s of processor time',
    })
  })

  it('that hides a flood in its texts or profile is read within the limits', async () => {
    for (const type of ['zTXt', 'iCCP'] as const) {
      const path = await file(await floodedPng(type, 400 << 20))
      const found = await media
        .readImage({ path, limits: { ...imageLimits, memoryBytes: 300 * 2 ** 20 } })
        .catch((error: unknown) => error)
      expect(['image', 'refused', undefined]).toContain((found as { kind?: string }).kind)
    }
  })
})
