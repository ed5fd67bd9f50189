// Real media processes: half a second for each that starts.
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Host, systemHost } from '../../src/host.ts'
import type { MediaJob } from '../../src/media/ffmpeg.ts'
import type { Media } from '../../src/media/media.ts'
import { createMedia } from '../../src/media/pool.ts'

const limits = { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 30 }
const isLinux = process.platform === 'linux'
const isQuickEnough = { timeout: 20_000, interval: 20 }

let directory = ''
let made = 0
const opened: Media[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pool-'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((media) => media.close()))
  await rm(directory, { recursive: true, force: true })
})

/** Its processes are told apart from those of other tests by a word on their command line. */
function open(host: Host = systemHost) {
  const word = `pool-test-${process.pid}-${++made}`
  const media = createMedia({ host, execArgv: [`--title=${word}`] })
  opened.push(media)
  const pids = (): number[] =>
    execFileSync('ps', ['-A', '-o', 'pid=,stat=,args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(word) && !/^\s*\d+ Z/.test(line))
      .map((line) => Number(line.trim().split(' ')[0]))
  return { media, pids }
}

const short = (graph = 'testsrc2=s=64x64:r=24:d=0.25,format=yuv420p[v]'): MediaJob => ({
  inputs: [],
  graph,
  output: {
    kind: 'video',
    path: join(directory, `clip-${++made}.mp4`),
    video: { fps: 24, frames: 6, crf: 30, preset: 'ultrafast', keyframes: [] },
  },
  limits,
})
const endless = (): MediaJob => short('testsrc2=s=64x64:r=24,realtime,format=yuv420p[v]')

describe('the media processes', () => {
  it('are used again, as many as there is work at once', async () => {
    const { media, pids } = open()
    for (let run = 0; run < 3; run++) await media.run(short())
    expect(pids()).toHaveLength(1)
    await Promise.all([media.run(short()), media.run(short())])
    expect(pids()).toHaveLength(2)
  })

  it('end when they have rested', async () => {
    const hasty: Host = { ...systemHost, sleep: (ms, signal) => systemHost.sleep(ms / 100, signal) }
    const { media, pids } = open(hasty)
    await media.run(short())
    await vi.waitFor(() => expect(pids()).toEqual([]), isQuickEnough)
    expect(await media.run(short())).toEqual({ frames: 6 })
  })

  it('are replaced after work that failed', async () => {
    const { media, pids } = open()
    await media.run(short())
    const [first] = pids()
    await writeFile(join(directory, 'cut.mp4'), Buffer.alloc(4096, 'ftyp'))
    expect(await media.verifyClip({ path: join(directory, 'cut.mp4'), limits })).toMatchObject({ ok: false })
    await expect(media.run(short('nosuchfilter[v]'))).rejects.toThrow(/nosuchfilter/i)
    expect(await media.run(short())).toEqual({ frames: 6 })
    await vi.waitFor(() => expect(pids()).toHaveLength(1), isQuickEnough)
    expect(pids()).not.toContain(first)
  })

  it('that are killed end their own work alone', async () => {
    const { media, pids } = open()
    const killed = media.run(endless()).then(
      () => 'done',
      (error: unknown) => error,
    )
    await vi.waitFor(() => expect(pids()).toHaveLength(1), isQuickEnough)
    process.kill(pids()[0]!, 'SIGSEGV')
    expect(await killed).toMatchObject({ code: 'killed', message: expect.stringContaining('SIGSEGV') })
    expect(await media.run(short())).toEqual({ frames: 6 })
  })

  it.runIf(isLinux)('see nothing of our environment', async () => {
    vi.stubEnv('REPLICATE_API_TOKEN', 'r8_secret')
    try {
      const { media, pids } = open()
      await media.run(short())
      const seen = readFileSync(`/proc/${pids()[0]}/environ`, 'utf8')
        .split('\0')
        .map((line) => line.split('=')[0])
        .filter((name) => name !== '')
      expect(new Set(seen)).toEqual(
        new Set(['MALLOC_ARENA_MAX', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE']),
      )
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('write files that are the owner’s alone', async () => {
    const { media } = open()
    await media.run(short())
    for (const name of await readdir(directory))
      expect([name, (await stat(join(directory, name))).mode & 0o077]).toEqual([name, 0])
  })

  it('keep no program from ending that has nothing more to do', () => {
    const program = `
      import { systemHost } from '${new URL('../../src/host.ts', import.meta.url).href}'
      import { createMedia } from '${new URL('../../src/media/pool.ts', import.meta.url).href}'
      const media = createMedia({ host: systemHost })
      console.log((await media.describe()).kind)`
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect(said.trim()).toBe('packaged')
  })

  it.runIf(isLinux)(
    'die with a parent that is killed, also when they are too busy to hear of it',
    async () => {
      const stuck = join(directory, 'stuck.mjs')
      await writeFile(stuck, "process.on('message', () => setTimeout(() => { for (;;); }, 1000))")
      const word = `pool-test-${process.pid}-${++made}`
      const program = `
      import { systemHost } from '${new URL('../../src/host.ts', import.meta.url).href}'
      import { createMedia } from '${new URL('../../src/media/pool.ts', import.meta.url).href}'
      const media = createMedia({ host: systemHost, execArgv: ['--title=${word}', '--import', '${stuck}'] })
      await media.describe()`
      const parent = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
      const children = (): string[] =>
        execFileSync('ps', ['-A', '-o', 'stat=,args='], { encoding: 'utf8' })
          .split('\n')
          // Its title takes the place of its command line.
          .filter((line) => line.trim().split(/\s+/)[1] === word && !line.startsWith('Z'))
      await vi.waitFor(() => expect(children()).toHaveLength(1), isQuickEnough)
      // Until it has the order, it would hear of the end.
      await vi.waitFor(() => expect(children()[0]).toMatch(/^R/), isQuickEnough)
      parent.kill('SIGKILL')
      await vi.waitFor(() => expect(children()).toEqual([]), isQuickEnough)
    },
  )

  it('are all gone when they are closed', async () => {
    const { media, pids } = open()
    await media.run(short())
    const running = media.run(endless())
    running.catch(() => undefined)
    await media.close()
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
    expect(pids()).toEqual([])
  })
})
