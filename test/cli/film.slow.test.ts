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

test('photographs become a film, and nothing else is left behind', async () => {
  const args = ['render', 'front.jpg', 'kitchen.png', 'garden "é".webp', '--out', 'tour.mp4', ...small]
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

test('without photographs a film of sample pictures is made, beside the films that are there', async () => {
  await writeFile(join(folder, 'film.mp4'), 'somebody’s')
  const { code, out } = await run(['demo', ...small], options())
  expect(code).toBe(0)
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
    1,
    /parameters\.fps: must be one of 24/,
  ],
  [
    'a file of somebody’s is not replaced',
    ['render', 'kitchen.png', '--out', 'front.jpg'],
    1,
    /front\.jpg is there already/,
  ],
  ['a film needs a picture', ['render'], 2, /at least one photograph/],
])('%s', async (_name, args, code, message) => {
  const ran = await run(args, options())
  expect(ran.err).toMatch(message)
  expect(ran.err.trimEnd().split('\n')).toHaveLength(1)
  expect(ran.code).toBe(code)
  expect(await leftovers()).toEqual([])
})

/** A demo in the middle of its work, with the process of its server. */
async function working() {
  const args = ['demo', 'front.jpg', 'kitchen.png', '--resolution', '720p', '--clip-duration', '20']
  const demo = start(args, options())
  let said = ''
  for await (const chunk of demo.stdout!) {
    said += String(chunk)
    if (said.includes('rendering (')) break
  }
  const [data] = await leftovers()
  const { pid } = JSON.parse(await readFile(join(temporary, data!, 'holder.json'), 'utf8'))
  return { demo, pid, data: join(temporary, data!) }
}

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
