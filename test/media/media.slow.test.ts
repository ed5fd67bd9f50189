// One suite for both ways to FFmpeg. Slow for its size (seconds): every test starts real processes.
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { MediaError, type MediaInput, type MediaJob, type VideoEncoding } from '../../src/media/ffmpeg.ts'
import type { Media } from '../../src/media/media.ts'
import { createMedia } from '../../src/media/pool.ts'
import { findFfmpeg } from './find-ffmpeg.ts'

const limits = { wallMs: 60_000, stallMs: 20_000, memoryBytes: 2 ** 31 }
const encoding: VideoEncoding = { fps: 24, frames: 48, crf: 23, preset: 'veryfast', keyframes: [] }
const pattern = 'testsrc2=s=320x180:r=24:d=2,scale=out_range=tv:out_color_matrix=bt709,format=yuv420p[v]'

let directory = ''
const inDirectory = (name: string): string => join(directory, name)

const video = (path: string, over: Partial<VideoEncoding> = {}, graph = pattern): MediaJob => ({
  inputs: [],
  graph,
  output: { kind: 'video', path, video: { ...encoding, ...over } },
  limits,
})

const decode = (path: string, format: MediaInput['format'] = 'mp4'): MediaJob => ({
  inputs: [{ path, format }],
  graph: '',
  output: { kind: 'nothing' },
  limits,
})

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'media-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const adapters: { name: 'packaged' | 'command'; ffmpegPath: string | null; create: () => Media }[] = [
  { name: 'packaged', ffmpegPath: '', create: () => createMedia({ host: systemHost }) },
  {
    name: 'command',
    ffmpegPath: findFfmpeg(),
    create: () => createMedia({ host: systemHost, ffmpegPath: findFfmpeg() ?? '' }),
  },
]

// The command's half runs where there is an FFmpeg program: FFMPEG_PATH, or `ffmpeg` on the PATH.
describe.for(adapters)('FFmpeg, $name', ({ name, ffmpegPath, create }) => {
  const media = create()
  const present = ffmpegPath !== null
  afterAll(() => media.close())

  it.runIf(present)('says which FFmpeg it is', async () => {
    expect(await media.describe()).toEqual({ kind: name, version: expect.stringMatching(/\d/) })
  })

  it.runIf(present)('writes exactly the frames asked for, on a constant clock from 0', async () => {
    const path = inDirectory(`${name}-exact.mp4`)
    expect(await media.run(video(path))).toEqual({ frames: 48 })
    const { packets, track } = await readVideo(path)
    expect(track).toEqual({ codec: 'avc', width: 320, height: 180, timescale: 90_000, colors: true })
    expect(packets.map((packet) => Math.round(packet.timestamp * 24)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 48 }, (_, index) => index),
    )
    expect(await media.run(decode(path))).toMatchObject({ frames: 48, seen: { sound: null, endSeconds: 2 } })
  })

  it.runIf(present)('puts the movie header before the data', async () => {
    const path = inDirectory(`${name}-faststart.mp4`)
    await media.run(video(path))
    const bytes = await readFile(path)
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'))
  })

  it.runIf(present)('makes key frames where they are asked for', async () => {
    const path = inDirectory(`${name}-keys.mp4`)
    await media.run(video(path, { keyframes: [7, 8, 30] }))
    const { packets } = await readVideo(path)
    const keys = packets
      .filter((packet) => packet.type === 'key')
      .map((packet) => Math.round(packet.timestamp * 24))
    expect(keys).toEqual([0, 7, 8, 30])
  })

  it.runIf(present)('starts each input at 0 and reads several files into one graph', async () => {
    const first = inDirectory(`${name}-first.mp4`)
    await media.run(video(first))
    const job: MediaJob = {
      ...video(inDirectory(`${name}-two.mp4`), { frames: 72 }),
      inputs: [
        { path: first, format: 'mp4' },
        { path: first, format: 'mp4' },
      ],
      graph: '[0:v][1:v]xfade=duration=1:offset=1[v]',
    }
    expect(await media.run(job)).toEqual({ frames: 72 })
  })

  it.runIf(present)('refuses a graph that gives another number of frames', async () => {
    const path = inDirectory(`${name}-count.mp4`)
    await expectFailure(media.run(video(path, { frames: 47 })), 'failed', /gave more frames where 47/)
    await expectFailure(media.run(video(path, { frames: 49 })), 'failed', /gave 48 frames where 49/)
    const endless = 'color=s=64x64:r=24[v]'
    await expectFailure(media.run(video(path, {}, endless)), 'failed', /gave more frames where 48/)
  })

  it.runIf(present)('writes sound as AAC and a picture as JPEG', async () => {
    const sound = inDirectory(`${name}-sound.m4a`)
    const { frames } = await media.run({
      inputs: [],
      graph: 'sine=440:d=2[a]',
      output: { kind: 'audio', path: sound, bitrate: 96_000 },
      limits,
    })
    expect(Math.abs(frames - 94)).toBeLessThanOrEqual(2)
    using input = new Input({ source: new FilePathSource(sound), formats: ALL_FORMATS })
    const track = await input.getPrimaryAudioTrack()
    expect([track?.codec, track?.sampleRate, track?.numberOfChannels]).toEqual(['aac', 48_000, 2])

    const film = inDirectory(`${name}-film.mp4`)
    const picture = inDirectory(`${name}-picture.jpg`)
    await media.run(video(film))
    const output = { kind: 'picture', path: picture } as const
    await media.run({
      inputs: [{ path: film, format: 'mp4' }],
      graph: '[0:v]select=eq(n\\,20)[v]',
      output,
      limits,
    })
    expect(await sharp(picture).metadata()).toMatchObject({ format: 'jpeg', width: 320, height: 180 })
  })

  it.runIf(present)('tells progress that only rises, up to the last frame', async () => {
    const seen: number[] = []
    const slow = 'testsrc2=s=320x180:r=24:d=2,realtime=speed=4,format=yuv420p[v]'
    await media.run(video(inDirectory(`${name}-progress.mp4`), {}, slow), {
      onProgress: (frames) => seen.push(frames),
    })
    expect(seen.length).toBeGreaterThan(1)
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b))
    expect(seen.at(-1)).toBe(48)
  })

  it.runIf(present)('is cancelled by the signal, before and while it runs', async () => {
    const before = AbortSignal.abort(new Error('too late'))
    await expectFailure(media.run(video(inDirectory('never.mp4')), { signal: before }), 'cancelled', /before/)
    const cancel = new AbortController()
    const endless = 'testsrc2=s=320x180:r=24:d=100000,realtime=speed=10,format=yuv420p[v]'
    const run = media.run(video(inDirectory(`${name}-cancel.mp4`), { frames: 2_400_000 }, endless), {
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    })
    await expectFailure(run, 'cancelled', /cancelled/)
  })

  it.runIf(present)('kills a run that gives no frame, and one that takes too long', async () => {
    const hanging = 'color=s=64x64:r=24:d=2,realtime=limit=100000:speed=0.0001,format=yuv420p[v]'
    const hung = video(inDirectory(`${name}-hung.mp4`), {}, hanging)
    await expectFailure(
      media.run({ ...hung, limits: { ...limits, stallMs: 700 } }),
      'hung',
      /no new frame for 0.7 s/,
    )
    await expectFailure(
      media.run({ ...hung, limits: { ...limits, wallMs: 700 } }),
      'too_long',
      /longer than 0.7 s/,
    )
  })

  it.runIf(present)('kills a run that takes too much memory', async () => {
    const hoarder = 'color=s=2048x2048:r=24:d=60,negate,reverse[v]'
    const job = video(inDirectory(`${name}-memory.mp4`), {}, hoarder)
    const memoryBytes = 400 * 2 ** 20
    await expectFailure(
      media.run({ ...job, limits: { ...limits, memoryBytes } }),
      'failed',
      /memory than the 400 MB/,
    )
  })

  it.runIf(present)('ends the reason of a failure with what FFmpeg said', async () => {
    const whole = inDirectory(`${name}-whole.mp4`)
    await media.run(video(whole))
    const bytes = await readFile(whole)
    const middle = Math.floor(bytes.length / 2)
    const cut = inDirectory(`${name}-cut.mp4`)
    await writeFile(cut, bytes.subarray(0, middle))
    await expectFailure(media.run(decode(cut)), 'failed', /Invalid data|damaged|corrupt/)
    const scratched = inDirectory(`${name}-scratched.mp4`)
    await writeFile(scratched, bytes.fill(0xa5, middle, middle + 3000))
    await expectFailure(media.run(decode(scratched)), 'failed', /error|damaged|Invalid/)
    await expectFailure(media.run(decode(inDirectory('absent.mp4'))), 'failed', /absent.mp4.*No such file/)
    await expectFailure(
      media.run(video(inDirectory('x.mp4'), {}, 'nosuchfilter[v]')),
      'failed',
      /nosuchfilter/i,
    )
  })

  it.runIf(present)('does not tell our folders to who reads the reason', async () => {
    const error = await failure(media.run(decode(inDirectory('absent.mp4'))))
    expect(error.message).not.toContain(directory)
    const damaged = inDirectory(`${name}-damaged.mp4`)
    await media.run(video(damaged))
    const bytes = await readFile(damaged)
    await writeFile(damaged, bytes.fill(0xa5, bytes.length >> 1, (bytes.length >> 1) + 3000))
    const verdict = await media.verifyClip({ path: damaged, limits })
    expect(verdict).toMatchObject({ ok: false, code: 'damaged' })
    expect(JSON.stringify(verdict)).not.toContain(directory)
  })

  it.runIf(present).for([
    ['an HLS playlist', '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:SECRET\n#EXT-X-ENDLIST\n'],
    ['a concat script', "ffconcat version 1.0\nfile 'file:SECRET'\n"],
    [
      'a DASH manifest',
      '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>file:SECRET</BaseURL></Representation></AdaptationSet></Period></MPD>',
    ],
    [
      'an SVG',
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:SECRET"/></svg>',
    ],
  ] as const)('does not follow %s dressed as a clip or a picture', async ([kind, text]) => {
    const secret = inDirectory(`${name}-secret.mp4`)
    await media.run(video(secret))
    const refused = (['mp4', 'png', 'wav'] as const).map(async (format) => {
      const path = inDirectory(`${name}-${kind.replaceAll(' ', '-')}.${format}`)
      await writeFile(path, text.replace('SECRET', secret))
      await expectFailure(
        media.run(decode(path, format)),
        'failed',
        /Invalid|no picture|no frame|not.*found|damaged/,
      )
    })
    await Promise.all(refused)
  })

  it.runIf(present && process.platform === 'linux')('tells a full disk from a failure', async () => {
    await expectFailure(media.run(video('/dev/full')), 'disk_full', /No space left on device/)
  })

  it.runIf(present)('refuses work once it is closed, and kills what runs', async () => {
    const own = create()
    const run = own.run(video(inDirectory(`${name}-closed.mp4`), {}, 'color=s=64x64:r=24,realtime[v]'))
    const ended = expectFailure(run, 'cancelled', /ending/)
    await own.close()
    await ended
    await expectFailure(own.run(video(inDirectory(`${name}-closed.mp4`))), 'unusable', /ending/)
  })

  it.runIf(present)('leaves no process behind when its parent is killed or cancels', async () => {
    for (const end of ['kill', 'cancel'] as const) {
      const parent = await startParent(name, ffmpegPath ?? '')
      const groups = await vi.waitFor(() => childGroups(parent.pid), { timeout: 10_000, interval: 20 })
      const askedAtMs = performance.now()
      if (end === 'kill') parent.kill('SIGKILL')
      else parent.stdin.write('cancel\n')
      await vi.waitFor(() => expect(alive(groups)).toEqual([]), { timeout: 5000, interval: 20 })
      expect(performance.now() - askedAtMs).toBeLessThan(2000)
      parent.kill('SIGKILL')
    }
  })
})

describe('an FFMPEG_PATH that is of no use', () => {
  it('is refused with what to do', async () => {
    await expectUnusable(inDirectory('absent'), /FFMPEG_PATH=.*ENOENT.*libx264, or unset it/)
    await expectUnusable(await script('not-executable', 'echo', 0o644), /EACCES/)
    await expectUnusable('/bin/ls', /does not answer as FFmpeg does/)
    await expectUnusable(
      await script('old', 'echo "ffmpeg version 4.4.2-0ubuntu"'),
      /version 4.4.2.*5.1 or later/,
    )
    await expectUnusable(await script('trimmed', 'echo "ffmpeg version 7.1"'), /no libx264 encoder/)
  })

  it('is killed where it hangs, however little it listens', async () => {
    const deaf = await script(
      'deaf',
      "trap '' TERM INT\necho frame=3\necho progress=continue\nwhile :; do sleep 1; done",
    )
    const media = createMedia({ host: systemHost, ffmpegPath: deaf })
    const job = { ...video(inDirectory('deaf.mp4')), limits: { ...limits, stallMs: 3000 } }
    await expectFailure(media.run(job), 'hung', /3 frames done/)
    await media.close()
  })
})

async function expectUnusable(path: string, reason: RegExp): Promise<void> {
  const media = createMedia({ host: systemHost, ffmpegPath: path })
  await expectFailure(media.describe(), 'unusable', reason)
  await media.close()
}

async function script(name: string, body: string, mode = 0o755): Promise<string> {
  const path = inDirectory(name)
  await writeFile(path, `#!/bin/sh\n${body}\n`)
  await chmod(path, mode)
  return path
}

async function failure(run: Promise<unknown>): Promise<MediaError> {
  const error: unknown = await run.then(
    () => 'it did not fail',
    (reason: unknown) => reason,
  )
  if (error instanceof MediaError) return error
  throw new Error('not a MediaError', { cause: error })
}

async function expectFailure(run: Promise<unknown>, code: MediaError['code'], reason: RegExp): Promise<void> {
  const { code: actual, message } = await failure(run)
  expect({ code: actual, message }).toEqual({ code, message: expect.stringMatching(reason) })
}

async function readVideo(path: string) {
  using input = new Input({ source: new FilePathSource(path), formats: ALL_FORMATS })
  const track = await input.getPrimaryVideoTrack()
  if (track === null) throw new Error('no video track')
  const packets = []
  for await (const packet of new EncodedPacketSink(track).packets(undefined, undefined, {
    verifyKeyPackets: true,
  }))
    packets.push({ timestamp: packet.timestamp, type: packet.type })
  const colors = await track.getColorSpace()
  return {
    packets,
    track: {
      codec: track.codec,
      width: track.displayWidth,
      height: track.displayHeight,
      timescale: track.timeResolution,
      colors: colors.matrix === 'bt709' && colors.primaries === 'bt709' && colors.fullRange === false,
    },
  }
}

async function startParent(
  adapter: string,
  ffmpegPath: string,
): Promise<ChildProcessByStdio<Writable, Readable, null>> {
  const file = fileURLToPath(new URL('media-parent.ts', import.meta.url))
  const parent = spawn(process.execPath, [file, adapter, ffmpegPath], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(parent.stdout, 'data')
  return parent
}

/** Process groups led by children of `pid`; throws while there is none, or FFmpeg has not started in it. */
function childGroups(pid: number | undefined): number[] {
  const leaders = processes().filter((each) => each.parent === pid)
  if (leaders.length === 0) throw new Error('no child yet')
  return leaders.map((each) => each.group)
}

function alive(groups: readonly number[]): number[] {
  return processes()
    .filter((each) => groups.includes(each.group) && !each.state.startsWith('Z'))
    .map((each) => each.pid)
}

function processes(): { pid: number; parent: number; group: number; state: string }[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
  return lines.map((line) => {
    const [pid, parent, group, state = ''] = line.trim().split(/\s+/)
    return { pid: Number(pid), parent: Number(parent), group: Number(group), state }
  })
}
