/** The commands that ask a running server, as a person or a script types them. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/http/server.ts'
import { type House, openHouse } from '../http/house.ts'
import { run } from './command.ts'

let house: House
let server: Listening
let folder: string
const film = new Uint8Array(300_000).map((_, index) => index % 251)

const ask = (...args: string[]) => run([...args, '--url', server.url], { cwd: folder })
const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).out)

beforeAll(async () => {
  house = await openHouse()
  server = await listen(house.app, { host: '127.0.0.1', port: 0 })
  folder = await mkdtemp(join(tmpdir(), 'cli-remote-'))
  await writeFile(join(folder, 'request.txt'), 'not a picture')
  for (const [name, red] of [
    ['02-living_room', 1],
    ['IMG_2041', 2],
    ['01 exterior', 3],
  ] as const)
    await sharp({ create: { width: 40, height: 30, channels: 3, background: { r: red, g: 0, b: 0 } } })
      .jpeg()
      .toFile(join(folder, `${name}.jpg`))
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await house.close()
  await rm(folder, { recursive: true })
})

test('photographs become a job whose plan and cost are shown, and what to do next', async () => {
  const { code, out, err } = await ask(
    'submit',
    '02-living_room.jpg',
    'IMG_2041.jpg',
    '--title',
    'A house',
    '--fps',
    '30',
  )
  expect(err).toBe('')
  expect(code).toBe(0)
  expect(out).toContain('1 scene, 5 s, 1280 x 720, 30 frames a second')
  expect(out).toContain('02-living_room.jpg → IMG_2041.jpg')
  expect(out).toContain('$0.00, rendered on this machine')
  expect(out).toMatch(/Job \d+ waits for your approval: coordinator approve \d+ --url http/)
})

test('rooms are told by the names of files, where they are rooms', async () => {
  const job = await askJson(
    'submit',
    '--type',
    'property_photos',
    '02-living_room.jpg',
    'IMG_2041.jpg',
    '01 exterior.jpg',
  )
  expect(job.storyboard.scenes.map(({ title }: { title: string | null }) => title)).toEqual([
    'Exterior',
    'Living room',
    null,
  ])
})

test('a whole request can be given as a file or on standard input', async () => {
  const asset = await house.picture(9)
  const request = JSON.stringify({
    type: 'property_photos',
    parameters: { photos: [{ asset_id: asset }] },
    video_name: 'From a file',
  })
  await writeFile(join(folder, 'request.json'), request)
  expect((await askJson('submit', '--file', 'request.json')).video_name).toBe('From a file')
  const piped = await run(['submit', '--file', '-', '--json', '--url', server.url], { input: request })
  expect(JSON.parse(piped.out).video_name).toBe('From a file')
})

test('a job is approved, watched, shown, listed and its film fetched', async () => {
  const { job_id } = await house.job(2, { video_name: 'Harbour' })
  const id = String(job_id)
  const watching = ask('watch', id)
  await house.finish(job_id, film)
  const watched = await watching
  expect(watched.code).toBe(0)
  expect(watched.out).toContain('completed (100 %)')
  expect(watched.out).toContain('scene 2 of 2, Scene 2: done')

  expect((await ask('show', id)).out).toMatch(/Status +completed, 100 %/)
  expect((await ask('list', '--status', 'completed')).out).toMatch(new RegExp(`^ +${id}  completed`, 'm'))
  expect((await askJson('list', '--limit', '1')).jobs).toHaveLength(1)

  const first = await ask('download', id)
  expect(first.out).toContain(join(folder, 'film.mp4'))
  expect((await readFile(join(folder, 'film.mp4'))).equals(film)).toBe(true)
  expect((await ask('download', id)).out).toContain(join(folder, 'film-2.mp4'))
  const refused = await ask('download', id, '--out', 'film.mp4')
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('is there already')
  expect((await ask('download', id, '--out', 'film.mp4', '--force')).code).toBe(0)
  expect((await readdir(folder)).filter((name) => name.includes('part'))).toEqual([])
})

test('approving says so, and a second time says why not', async () => {
  const { job_id } = await house.job()
  expect(await ask('approve', String(job_id))).toMatchObject({ code: 0, out: `Job ${job_id} is approved\n` })
  const again = await ask('approve', String(job_id))
  expect(again.code).toBe(1)
  expect(again.err).toMatch(
    /^coordinator: Job cannot be approved: Job must be in pending state .* \(it is \w+\)\n$/,
  )
})

describe('what goes wrong is told in one line, with an exit code', () => {
  test.concurrent.each<[string, string[], number, RegExp]>([
    ['a file that is not there', ['submit', 'no.jpg'], 1, /no\.jpg: there is no such file/],
    ['a file that is no picture', ['submit', 'request.txt'], 1, /request\.txt: This is not a picture; JPEG/],
    [
      'an option the server refuses',
      ['submit', 'IMG_2041.jpg', '--fit', 'stretch'],
      1,
      /parameters\.fit: must be one of crop/,
    ],
    ['an option that is no number', ['submit', 'IMG_2041.jpg', '--fps', 'many'], 2, /--fps must be a number/],
    ['an option that is none', ['list', '--colour'], 2, /Unknown option '--colour'/],
    ['no photographs', ['submit'], 2, /submit needs photographs/],
    ['no id', ['show'], 2, /show needs one job's id/],
    ['an id that is none', ['show', 'abc'], 1, /id: must be an integer/],
    ['a job that is not there', ['watch', '99999'], 1, /Job not found/],
    ['no film yet', ['download', '1'], 1, /Film is not ready/],
    ['a folder that is not there', ['download', '1', '--out', 'nowhere/film.mp4'], 1, /no such folder/],
  ])('%s', async (_name, args, code, message) => {
    const ran = await ask(...args)
    expect(ran.err).toMatch(message)
    expect(ran.err.trimEnd().split('\n')).toHaveLength(1)
    expect(ran.code).toBe(code)
    expect(ran.out).toBe('')
  })

  test('a server that is not there', async () => {
    const gone = await listen(house.app, { host: '127.0.0.1', port: 0 })
    await gone.close({ graceMs: 0 })
    const ran = await run(['list', '--url', gone.url])
    expect(ran).toMatchObject({ code: 1, out: '' })
    expect(ran.err).toMatch(/Cannot reach http:.* \(nothing listens there\)\. .*npm start/)
    expect((await run(['list', '--url', 'nonsense'])).code).toBe(2)
  })

  test('a command that is not there, or none', async () => {
    expect(await run(['paint'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('no command "paint"'),
    })
    expect(await run([])).toMatchObject({
      code: 2,
      out: expect.stringContaining('Usage: coordinator <command>'),
    })
    expect((await run(['__proto__'])).code).toBe(2)
  })
})

test('every command explains itself, within 80 columns', async () => {
  const commands = ['', 'demo', 'render', 'serve', 'submit', 'approve', 'show', 'list', 'watch', 'download']
  const texts = await Promise.all(commands.map((name) => run([...(name ? [name] : []), '--help'])))
  for (const { code, out } of texts) {
    expect(code).toBe(0)
    expect(out).toContain('Usage: coordinator')
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  }
})
