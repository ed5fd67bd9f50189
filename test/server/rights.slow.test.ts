/** What a data folder holds is its owner's alone, also where the umask would let everybody in. */
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startFakeReplicate } from '../fake-replicate/start.ts'
import { run } from '../cli/command.ts'
import { findFfmpeg } from '../media/find-ffmpeg.ts'
import { type ServerProcess, ask, createJob, jobUntil, picture, startServer } from './process.ts'

/** A Node process starts with it, whatever ours is. */
const openUmask = { NODE_OPTIONS: '--import=data:text/javascript,process.umask(0)' }

let folder: string
let dataDir: string
const ending: (() => Promise<unknown>)[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rights-'))
  dataDir = join(folder, 'data')
})
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
  rmSync(folder, { recursive: true, force: true })
})

async function start(env: Readonly<Record<string, string>>, program?: string): Promise<ServerProcess> {
  const server = await startServer(dataDir, { ...openUmask, ...env }, program)
  ending.push(() => server.kill('SIGKILL'))
  return server
}

/** Each entry with its mode, such as `work/task-1/upload 600`. */
function entries(root = dataDir): string[] {
  const found: string[] = []
  for (const paths = [root]; paths.length > 0;) {
    const path = paths.pop()!
    try {
      const { mode } = lstatSync(path)
      found.push(`${relative(root, path)} ${(mode & 0o777).toString(8)}`)
      if ((mode & 0o040000) !== 0) paths.push(...readdirSync(path).map((name) => join(path, name)))
    } catch {
      // It has just been removed.
    }
  }
  return found
}

const isOpen = (entry: string): boolean => !/ [67]00$/.test(entry)

/** All that was ever there, looked at every few milliseconds. */
function watch() {
  const seen = new Set<string>()
  const stop = new AbortController()
  const watching = (async () => {
    while (!stop.signal.aborted) {
      for (const entry of entries()) seen.add(entry)
      await setTimeout(3)
    }
  })()
  return {
    seen,
    end: async (): Promise<readonly string[]> => {
      stop.abort()
      await watching
      return [...seen]
    },
  }
}

/** An upload whose second half waits. */
async function beginUpload(server: ServerProcess, bytes: Uint8Array): Promise<ClientRequest> {
  const upload = request(`${server.url}/api/v3/assets`, {
    method: 'POST',
    headers: { 'content-type': 'image/jpeg', 'content-length': bytes.length },
  })
  upload.on('error', () => {})
  upload.write(bytes.subarray(0, bytes.length / 2))
  while (!entries().some((entry) => /^work\/[^/]+\/upload /.test(entry))) await setTimeout(5)
  return upload
}

const programs = [
  ['the packaged FFmpeg', ''],
  ['the program at FFMPEG_PATH', findFfmpeg()],
] as const

describe.each(programs)('with %s', (name, ffmpegPath) => {
  test.skipIf(ffmpegPath === null)('a server keeps everything to its owner, at every moment', async () => {
    const fake = await startFakeReplicate({ renderMs: [100, 200] })
    ending.push(() => fake.kill())
    const server = await start({
      FFMPEG_PATH: ffmpegPath ?? '',
      REPLICATE_API_TOKEN: fake.token,
      REPLICATE_BASE_URL: fake.url,
      REPLICATE_START_DELAY_MS: '0',
    })
    const watching = watch()
    await beginUpload(server, await picture(200))
    for (const parameters of [
      { title: 'A house' },
      { model: 'google/veo-3.1-fast', clip_duration: 4, transition: 'cut' },
    ]) {
      const jobId = await createJob(server, 2, parameters)
      await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`, {})
      await jobUntil(server, jobId, ({ status }) => status === 'completed')
    }
    const seen = await watching.end()
    expect(seen.filter(isOpen)).toEqual([])
    for (const kind of [
      /^ 700$/,
      /^coordinator\.db 600$/,
      /^coordinator\.db-wal 600$/,
      /^coordinator\.db-shm 600$/,
      /^lock 600$/,
      /^holder\.json 600$/,
      /^artifacts\/..\/[0-9a-f]{64} 600$/,
      /^work\/[^/]+\/upload 600$/,
      /^work\/[^/]+\/[^/]+\.mp4 600$/,
    ])
      expect(
        seen.some((entry) => kind.test(entry)),
        `${kind} in ${name}`,
      ).toBe(true)
  })
})

test('a program that embeds the workflow keeps its umask, and the folder is kept to its owner', async () => {
  const server = await start({}, new URL('embedded.ts', import.meta.url).pathname)
  await beginUpload(server, await picture(200))
  const jobId = await createJob(server, 2, { title: 'A house' })
  await ask(server, 'POST', `/api/v3/jobs/${jobId}/approve`, {})
  await jobUntil(server, jobId, ({ status }) => status === 'completed')
  const seen = entries()
  expect(seen.filter(isOpen)).toEqual([])
  expect(seen.some((entry) => /^work\/[^/]+\/upload 600$/.test(entry))).toBe(true)
})

test('commands that open the folder themselves keep it to its owner', async () => {
  const env = { ...openUmask, DATA_DIR: dataDir, HOST: '127.0.0.1', PORT: '0' }
  expect(await run(['keys', 'create', '--name', 'ops', '--scopes', 'admin'], { env })).toMatchObject({
    code: 0,
  })
  expect(entries().filter(isOpen)).toEqual([])
  expect((await run(['doctor'], { env })).out).toContain('Only its owner may read')
  expect(entries().filter(isOpen)).toEqual([])
})

test("what a demo keeps is its owner's alone, and the film is as open as its user wants", async () => {
  const out = join(folder, 'film.mp4')
  const photo = join(folder, 'photo.jpg')
  writeFileSync(photo, await picture(100))
  const { code, out: said } = await run(
    ['demo', photo, '--keep', '--replicate-fake', '--resolution', '360p', '--out', out],
    { env: { ...openUmask, TMPDIR: folder } },
  )
  expect(code).toBe(0)
  const [, kept = ''] = /Data kept in (\S+)/.exec(said) ?? []
  const seen = entries(kept)
  expect(seen).toContain('server.log 600')
  expect(seen.filter(isOpen)).toEqual([])
  expect((lstatSync(out).mode & 0o777).toString(8)).toBe('666')
})
