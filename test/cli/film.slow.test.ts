/**
 * Whole films, made by the real command through a server of its own. Small ones; yet FFmpeg works in each, so
 * this takes seconds.
 */
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { createMedia } from '../../src/media/pool.ts'
import { ask, startServer } from '../server/process.ts'
import { startFakeReplicate } from '../fake-replicate/start.ts'
import { run, start } from './command.ts'

let folder: string
let temporary: string
const small = ['--resolution', '360p', '--clip-duration', '0.5']

const picture = (red: number) =>
  sharp({ create: { width: 320, height: 240, channels: 3, background: { r: red, g: 90, b: 120 } } })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-film-'))
  temporary = join(folder, 'temporary')
  await mkdir(temporary)
  await picture(20).jpeg().toFile(join(folder, 'front.jpg'))
  await picture(120).png().toFile(join(folder, 'kitchen.png'))
  await picture(220).webp().toFile(join(folder, 'garden "é".webp'))
  await writeFile(join(folder, 'notes.jpg'), 'not a picture')
})
afterAll(() => rm(folder, { recursive: true }))

const options = () => ({ cwd: folder, env: { TMPDIR: temporary } })
const leftovers = () => readdir(temporary)

/** A film's frame, as JPEG. */
async function frameOf(path: string, frame: number): Promise<string> {
  const media = createMedia({ host: systemHost })
  const outPath = join(folder, 'frame.jpg')
  await media.run({
    inputs: [{ path, format: 'mp4' }],
    graph: `[0:v]trim=start_frame=${frame}:end_frame=${frame + 1},setpts=0[v]`,
    output: { kind: 'picture', path: outPath },
    limits: { wallMs: 60_000, stallMs: 60_000, memoryBytes: 2 ** 31 },
  })
  await media.close()
  return outPath
}

test('photographs become a film, and nothing else is left behind', async () => {
  const pictures = ['front.jpg', 'kitchen.png', 'garden "é".webp']
  const args = ['render', ...pictures, '--type', 'image_pairs', '--out', 'tour.mp4', ...small]
  const { code, out, err } = await run(args, options())
  expect(err).toBe('')
  expect(code).toBe(0)
  const path = join(folder, 'tour.mp4')
  expect(out).toContain('2 scenes, 1 s, 640 x 360, 24 frames a second')
  expect(out).toContain('front.jpg → kitchen.png')
  expect(out).toContain('Nothing to pay, so it begins at once')
  expect(out).toContain('scene 2 of 2, kitchen.png → garden "é".webp: done in')
  expect(out).toMatch(
    new RegExp(
      `Your film  ${path}\n +1 s, [\\d.]+ kB, 640 x 360, 24 frames a second\n +made in [\\d.]+ s for \\$0\\.00`,
    ),
  )
  expect((await readFile(path)).subarray(4, 8).toString()).toBe('ftyp')
  expect(await leftovers()).toEqual([])
})

test('photographs named by rooms are shown as a visit goes, in whatever order they were given', async () => {
  const { code, out } = await run(
    ['render', 'garden "é".webp', 'kitchen.png', 'front.jpg', ...small],
    options(),
  )
  expect(code).toBe(0)
  expect(out).toContain('Named by rooms: shown in the order of a visit (or --type image_pairs)')
  expect(out).toContain('3 scenes')
  const scenes = [...out.matchAll(/scene (\d) of 3, ([^:]+): done/g)].map(
    ([, number, name]) => `${number} ${name}`,
  )
  expect(scenes.toSorted()).toEqual(['1 Front', '2 Kitchen', '3 Garden é'])
  await rm(join(folder, 'film.mp4'))
})

test('without photographs a film of sample pictures is made, beside the films that are there', async () => {
  await writeFile(join(folder, 'film.mp4'), 'somebody’s')
  const { code, out } = await run(['demo', ...small], options())
  expect(code).toBe(0)
  expect(out).not.toContain('Uploading')
  expect(out).toMatch(/1 {2}Exterior[^]*Garden/)
  expect(out).toContain(`Your film  ${join(folder, 'film-2.mp4')}`)
  expect(await readFile(join(folder, 'film.mp4'), 'utf8')).toBe('somebody’s')
  await rm(join(folder, 'film.mp4'))
  expect(await leftovers()).toEqual([])
})

test('one photograph is enough, and --json tells a script all about the film', async () => {
  const { code, out } = await run(
    ['demo', 'kitchen.png', '--json', '--keep', '--fps', '30', ...small],
    options(),
  )
  expect(code).toBe(0)
  const film = JSON.parse(out)
  expect(film).toMatchObject({
    path: join(folder, 'film.mp4'),
    duration: 0.5,
    width: 640,
    height: 360,
    fps: 30,
    cost: 0,
  })
  expect((await stat(film.path)).size).toBe(film.size)
  const [kept] = await leftovers()
  expect(await readdir(join(temporary, kept!))).toContain('coordinator.db')
  await rm(join(temporary, kept!), { recursive: true })
})

test.each<[string, string[], number, RegExp]>([
  [
    'a file that is no picture is named',
    ['demo', 'kitchen.png', 'notes.jpg'],
    1,
    /notes\.jpg: This is not a picture/,
  ],
  [
    'a file that is not there is told at once',
    ['demo', 'kitchen.png', 'no.jpg'],
    1,
    /no\.jpg: there is no such file/,
  ],
  [
    'a wish that can’t be is told by the server',
    ['demo', 'kitchen.png', '--fps', '31'],
    2,
    /--fps must be one of 24/,
  ],
  [
    'a file of somebody’s is not replaced',
    ['render', 'kitchen.png', '--out', 'front.jpg'],
    1,
    /front\.jpg is there already/,
  ],
  ['a film needs a picture', ['render'], 2, /at least one photograph/],
  [
    'what a person pays for is not rendered by a fake',
    ['render', 'kitchen.png', '--replicate-fake'],
    2,
    /Unknown option '--replicate-fake'/,
  ],
  [
    'a model that costs money needs a token',
    ['demo', 'kitchen.png', '--model', 'google/veo-3.1-fast'],
    2,
    /--model must be one of local/,
  ],
])('%s', async (_name, args, code, message) => {
  const ran = await run(args, options())
  expect(ran.err).toMatch(message)
  expect(ran.err.trimEnd().split('\n')).toHaveLength(1)
  expect(ran.code).toBe(code)
  expect(await leftovers()).toEqual([])
})

test('the paid way is shown with play money, and the bill agrees', async () => {
  const args = ['demo', 'front.jpg', 'kitchen.png', '--type', 'property_photos', '--replicate-fake']
  const { code, out, err } = await run([...args, '--out', 'paid.mp4'], options())
  expect(err).toBe('')
  expect(code).toBe(0)
  expect(out).toMatch(/1 {2}Front +6 s +\$0\.60/)
  expect(out).toContain('Each scene: 5 s rounded up to 6 s (google/veo-3.1-fast offers 4, 6 or 8 s)')
  expect(out).toContain('$1.20 for google/veo-3.1-fast, 2 of 2 scenes to pay')
  expect(out).toContain('Play money')
  expect(out).toMatch(/made in [\d.]+ s for \$1\.20 of play money/)
  expect(out).toContain("The fake's own ledger agrees: 2 renders, $1.20 billed")
  expect(await leftovers()).toEqual([])

  // The photographs are in the film: its second scene has the second one's colour.
  const { dominant } = await sharp(await frameOf(join(folder, 'paid.mp4'), 250)).stats()
  expect(Math.abs(dominant.r - 120)).toBeLessThan(20)
})

test('play money is told to scripts, and the fake heard and told the server over its own address', async () => {
  const args = [
    'demo',
    'front.jpg',
    '--replicate-fake',
    '--model',
    'minimax/hailuo-02',
    '--resolution',
    '360p',
  ]
  const { code, out, err } = await run([...args, '--json', '--keep'], {
    ...options(),
    env: { ...options().env, BUDGET_TOTAL_USD: '0', PUBLIC_BASE_URL: 'http://192.0.2.1' },
  })
  expect(err).toBe('')
  expect(code).toBe(0)
  const film = JSON.parse(out)
  expect(film).toMatchObject({ play_money: true, cost: 0.15, billed: 0.15, duration: 6 })
  await rm(film.path)
  const [kept] = await leftovers()
  const lines = (await readFile(join(temporary, kept!, 'replicate-ledger.jsonl'), 'utf8')).trim().split('\n')
  const told = lines.map((line) => JSON.parse(line)).filter(({ what }) => what === 'webhook')
  expect(new Set(told.map(({ status }) => status))).toEqual(new Set([200]))
  await rm(join(temporary, kept!), { recursive: true })
})

/** A paid film at a fake Replicate of ours, which the command takes for the real one. */
async function paying(args: readonly string[], renderMs: number) {
  const replicate = await startFakeReplicate({ renderMs })
  const env = { ...options().env, REPLICATE_API_TOKEN: replicate.token, REPLICATE_BASE_URL: replicate.url }
  const paid = ['render', 'front.jpg', '--model', 'google/veo-3.1-fast', '--resolution', '360p', ...args]
  return { replicate, paid, env }
}

test('real money is not spent unasked', async () => {
  const { replicate, paid, env } = await paying([], 100)
  const refused = await run(paid, { cwd: folder, env })
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('would cost $0.60: give --yes') })
  expect(refused.out).toContain('$0.60 for google/veo-3.1-fast, 1 of 1 scene to pay')
  expect(await replicate.ledger()).toEqual([])
  const approved = await run([...paid, '--yes', '--json', '--out', 'bought.mp4'], { cwd: folder, env })
  expect(JSON.parse(approved.out)).toMatchObject({ cost: 0.6 })
  expect(JSON.parse(approved.out)).not.toHaveProperty('billed')
  await replicate.kill()
  expect(await leftovers()).toEqual([])
})

test('what is paid for outlives the command, and a server goes on with it without paying again', async () => {
  const { replicate, paid, env } = await paying(['--yes'], 3000)
  const render = start(paid, { cwd: folder, env })
  let errors = ''
  render.stderr!.on('data', (chunk) => (errors += String(chunk)))
  const exited = once(render, 'exit')
  while ((await replicate.ledger()).length === 0) await sleep(50)
  render.kill('SIGINT')
  expect(await exited).toEqual([130, null])
  const [kept] = await leftovers()
  const data = join(temporary, kept!)
  expect(errors).toContain(`DATA_DIR=${data} npm run coordinator -- serve`)

  const server = await startServer(data, env)
  let job
  do {
    await sleep(100)
    job = (await ask(server, 'GET', '/api/v3/jobs/1')).body
  } while (job.status === 'approved' || job.status === 'processing')
  expect(job).toMatchObject({ status: 'completed', costs: { spent: 0.6, reserved: 0 } })
  expect((await replicate.ledger()).filter(({ what }) => what === 'post')).toHaveLength(1)
  await server.kill('SIGTERM')
  await replicate.kill()
  await rm(data, { recursive: true })
})

/** A demo in the middle of its work, with the process of its server. */
async function working(...further: string[]) {
  const args = ['demo', 'front.jpg', 'kitchen.png', '--resolution', '720p', '--clip-duration']
  const demo = start([...args, ...(further.length > 0 ? further : ['20'])], options())
  let said = ''
  for await (const chunk of demo.stdout!) {
    said += String(chunk)
    if (said.includes('rendering (')) break
  }
  const data = (await leftovers()).find((name) => name.startsWith('coordinator-demo-'))
  const { pid } = JSON.parse(await readFile(join(temporary, data!, 'holder.json'), 'utf8'))
  return { demo, pid, data: join(temporary, data!) }
}

test.each(['SIGINT', 'SIGKILL'] as const)('the fake ends with a demo that gets %s', async (signal) => {
  const { demo, pid, data } = await working('4', '--replicate-fake')
  const url = (await readFile(join(data, 'replicate.log'), 'utf8')).trim()
  const exited = once(demo, 'exit')
  demo.kill(signal)
  await exited
  await ended(pid)
  for (let tries = 0; tries < 200 && (await isThere(url)); tries++) await sleep(50)
  expect(await isThere(url)).toBe(false)
  if (signal === 'SIGKILL') await rm(data, { recursive: true })
  // The fake's own folder goes last.
  for (let tries = 0; tries < 200 && (await leftovers()).length > 0; tries++) await sleep(50)
  expect(await leftovers()).toEqual([])
})

const isThere = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  )

async function ended(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await sleep(50)
  }
  throw new Error(`process ${pid} still runs`)
}

test('Ctrl-C ends the server and cleans up', async () => {
  const { demo, pid } = await working()
  const exited = once(demo, 'exit')
  demo.kill('SIGINT')
  expect(await exited).toEqual([130, null])
  await ended(pid)
  expect(await leftovers()).toEqual([])
})

test('the server ends with a demo that is killed', async () => {
  const { demo, pid, data } = await working()
  demo.kill('SIGKILL')
  await ended(pid)
  await rm(data, { recursive: true })
})

test('a server that is killed is told as such', async () => {
  const { demo, pid } = await working()
  const errors: string[] = []
  demo.stderr!.on('data', (chunk) => errors.push(String(chunk)))
  const exited = once(demo, 'exit')
  process.kill(pid, 'SIGKILL')
  expect(await exited).toEqual([1, null])
  expect(errors.join('')).toMatch(/^coordinator: The server ended unexpectedly \(SIGKILL\)/)
  expect(await leftovers()).toEqual([])
})
