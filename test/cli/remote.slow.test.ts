/** The commands that ask a running server, as a person or a script types them. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { type ServerProcess, startServer } from '../server/process.ts'
import { run } from './command.ts'

let harness: AppHarness
let server: Listening
let folder: string
const film = new Uint8Array(300_000).map((_, index) => index % 251)

const ask = (...args: string[]) => run([...args, '--url', server.url], { cwd: folder })
const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).out)

beforeAll(async () => {
  harness = await openAppHarness()
  server = await listen(harness.app, { host: '127.0.0.1', port: 0 })
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
  await harness.close()
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
  expect(out).toMatch(/Job \d+ waits for your approval: npm run coordinator -- approve \d+ --url http/)
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
  const asset = await harness.picture(9)
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
  const { job_id } = await harness.job(2, { video_name: 'Harbour' })
  const id = String(job_id)
  const watching = ask('watch', id)
  await harness.finish(job_id, film)
  const watched = await watching
  expect(watched.code).toBe(0)
  expect(watched.out).toContain('completed (100 %)')
  expect(watched.out).toContain('scene 2 of 2, Scene 2: done')

  expect((await ask('show', id)).out).toMatch(/Status +completed, 100 %/)
  expect((await ask('list', '--status', 'completed')).out).toMatch(new RegExp(`^ *${id}  completed`, 'm'))
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
  const { job_id } = await harness.job()
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
      2,
      /--fit must be one of crop/,
    ],
    ['an option that is no number', ['submit', 'IMG_2041.jpg', '--fps', 'many'], 2, /--fps must be a number/],
    ['an option that is none', ['list', '--colour'], 2, /Unknown option '--colour'/],
    ['no photographs', ['submit'], 2, /submit needs photographs/],
    ['no id', ['show'], 2, /show needs a job's id/],
    ['no scene', ['regenerate', '1'], 2, /regenerate needs a job's id and a scene's number/],
    ['no decision', ['resolve', '1', '1'], 2, /resolve needs either --adopt or --absent/],
    [
      'nothing to decide',
      ['resolve', '1', '1', '--absent'],
      1,
      /The scene has no held or unknown attempt to resolve/,
    ],
    ['a sum that is none', ['approve', '1', '--max-cost', '$5'], 2, /--max-cost must be a number/],
    ['a limit that is none', ['budgets', '--set', 'day'], 2, /--set must be like day=25/],
    ['a time that is none', ['ledger', '--from', 'May'], 2, /--from must be a time/],
    ['a time of a list', ['list', '--since', 'May'], 2, /--since must be a time/],
    ['a type of events', ['events', '--types', 'frob'], 2, /--types must name types of events/],
    ['a state of attempts', ['ledger', '--status', 'frob'], 2, /--status must be one of intended/],
    ['a folder', ['submit', '.'], 1, /\.: is a folder\. Name its photographs/],
    ['a job that can’t be cancelled', ['cancel', '99999'], 1, /Job not found/],
    ['an id that is none', ['show', 'abc'], 2, /"abc" is no job's id/],
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
    const gone = await listen(harness.app, { host: '127.0.0.1', port: 0 })
    await gone.close({ graceMs: 0 })
    const ran = await run(['list', '--url', gone.url])
    expect(ran).toMatchObject({ code: 1, out: '' })
    expect(ran.err).toMatch(/Cannot reach http:.* \(nothing listens there\)\. .*npm run coordinator -- serve/)
    expect((await run(['list', '--url', 'nonsense'])).code).toBe(2)
  })

  test('a command that is not there, or none', async () => {
    expect(await run(['paint'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Unknown command "paint"'),
    })
    expect(await run([])).toMatchObject({
      code: 2,
      out: expect.stringContaining('Usage: npm run coordinator -- <command>'),
    })
    expect((await run(['__proto__'])).code).toBe(2)
  })
})

describe('with a server that renders for money', () => {
  let replicate: FakeReplicate
  let paid: ServerProcess
  const askPaid = (...args: string[]) => run([...args, '--url', paid.url], { cwd: folder })
  const wish = ['--model', 'google/veo-3.1-fast', '--type', 'property_photos', '--clip-duration', '4']
  const submitted = async (...args: string[]): Promise<string> =>
    String(JSON.parse((await askPaid('submit', ...args, ...wish, '--json')).out).job_id)

  beforeAll(async () => {
    replicate = await startFakeReplicate({ startMs: 10, renderMs: 200 })
    const unpriced = {
      renderer: 'replicate',
      input: { image: '{first_image}', prompt: '{prompt}' },
      offers: [{ resolution: '720p', short_side: 720, seconds: [4], last_image: false, audio: false }],
    }
    const models = { version: 'own', currency: 'USD', models: { 'acme/unpriced': unpriced } }
    await writeFile(join(folder, 'models.json'), JSON.stringify(models))
    paid = await startServer(join(folder, 'data'), {
      REPLICATE_API_TOKEN: replicate.token,
      REPLICATE_BASE_URL: replicate.url,
      REPLICATE_START_DELAY_MS: '0',
      MODELS_FILE: join(folder, 'models.json'),
      PUBLIC_BASE_URL: '',
    })
  })
  afterAll(async () => {
    await paid.kill('SIGTERM')
    await replicate.kill()
  })

  test('what a film costs is told before, held to, and accounted for after', async () => {
    const photos = ['02-living_room.jpg', 'IMG_2041.jpg']
    const before = await askPaid('estimate', ...photos, ...wish)
    expect(before.out).toMatch(/1 {2}Living room +4 s +\$0\.40/)
    expect(before.out).toMatch(
      /the title "Living room" will not appear: google\/veo-3\.1-fast cannot draw\s+text/,
    )
    expect(before.out).toContain('$0.80 for google/veo-3.1-fast, 2 of 2 scenes to pay')
    expect((await askPaid('list')).out).toContain('There are no such jobs')

    const id = await submitted(...photos)
    const waiting = (await askPaid('show', id)).out
    expect(waiting).toMatch(/Cost +\$0\.80 estimated, \$0\.00 approved\n/)
    expect(waiting).toMatch(
      /To pay +\$0\.80 for 2 scenes, to be approved: npm run coordinator -- approve \d+\s+--url http/,
    )
    expect(waiting).toMatch(/1 {2}Living room +pending +\$0\.40 estimated +the job waits for approval/)
    const dear = await askPaid('approve', id, '--max-cost', '0.5')
    expect(dear).toMatchObject({
      code: 1,
      err: expect.stringContaining('It costs $0.80, more than max_cost'),
    })
    expect((await askPaid('approve', id, '--max-cost', '0.9')).code).toBe(0)
    expect((await askPaid('watch', id)).code).toBe(0)

    const done = (await askPaid('show', id)).out
    expect(done).toMatch(/Money +\$0\.80 spent\n/)
    expect(done).not.toContain('To pay')
    expect(done).toMatch(/2 {2}Scene 2 +completed +\$0\.40 spent\n/)
    const ledger = (await askPaid('ledger', '--job', id)).out
    expect(ledger.match(/google\/veo-3\.1-fast +\$0\.40 {2}succeeded {2}\w+$/gm)).toHaveLength(2)
    expect(ledger).toContain('In all: $0.80 spent')
    const after = await askPaid('estimate', ...photos, ...wish)
    expect(after.out).toContain('$0.00 for google/veo-3.1-fast, 0 of 2 scenes to pay')
  })

  test('a scene is rendered again once what it costs more is approved', async () => {
    const id = await submitted('01 exterior.jpg')
    expect(await askPaid('regenerate', id, '1')).toMatchObject({
      code: 1,
      err: expect.stringContaining('Scene is currently pending'),
    })
    await askPaid('approve', id)
    await askPaid('watch', id)
    const again = await askPaid('regenerate', id, '1')
    expect(again.out).toBe(
      `Scene 1 of job ${id} is rendered again. $0.40 more have to be approved first: npm run coordinator -- approve ${id} --revision 2 --url ${paid.url}\n`,
    )
    // Nobody was shown what it is now.
    expect(await askPaid('approve', id)).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        'The job has changed since it was created and now costs $0.80 in total: send revision 2',
      ),
    })
    expect((await askPaid('approve', id, '--revision', '1')).err).toContain('this is revision 2, not 1')
    expect((await askPaid('approve', id, '--revision', '2')).code).toBe(0)
    expect((await askPaid('watch', id)).code).toBe(0)
    expect((await askPaid('show', id)).out).toMatch(/1 {2}Exterior +completed +\$0\.80 spent\n/)
    expect(await askPaid('regenerate', id, '2')).toMatchObject({
      code: 1,
      err: `coordinator: Job ${id} has 1 scene, and no scene 2\n`,
    })
  })

  test('a budget holds back what is beyond it, and cancelling tells what is charged', async () => {
    expect((await askPaid('budgets')).out).toContain('There are no budgets')
    const set = await askPaid('budgets', '--set', 'total=0.1', '--set', 'client:acme=5', '--set', 'job=9')
    expect(set.out).toMatch(/^total +\$0\.10 +\$\d\.\d\d +\$0\.00$/m)
    expect(set.out).toMatch(/^job +\$9\.00 {2}for each$/m)
    const id = await submitted('02-living_room.jpg', '--title', 'Another', '--aspect-ratio', '9:16')
    await askPaid('approve', id)
    expect((await askPaid('show', id)).out).toMatch(/pending .* of \$0\.10 is left in the total budget/)
    expect((await askPaid('cancel', id)).out).toBe(`Job ${id} is cancelled\nNothing is charged\n`)
    expect((await askPaid('watch', id)).err).toContain(`Job ${id} cancelled`)
    const lifted = ['--set', 'total=none', '--set', 'client:acme=none', '--set', 'job=none']
    expect((await askPaid('budgets', ...lifted)).out).toContain('There are no budgets')
    expect(await askPaid('budgets', '--set', 'week=1')).toMatchObject({
      code: 1,
      err: expect.stringContaining('week'),
    })
  })

  test('what runs at the provider when its job is cancelled is told as reserved', async () => {
    await replicate.set({ renderMs: 60_000 })
    const id = await submitted('02-living_room.jpg', '--title', 'Cancelled', '--aspect-ratio', '9:16')
    const posts = (await replicate.ledger()).length
    await askPaid('approve', id)
    while ((await replicate.ledger()).length === posts) await sleep(50)
    expect((await askPaid('cancel', id)).out).toContain('$0.40 may still be, until the provider has ended')
    while (!(await askPaid('show', id)).out.match(/Money +\$0\.(?:40 spent|00)\n/)) await sleep(200)
    await replicate.set({ renderMs: 200 })
  })

  test('a price that nobody knows is never approved unasked', async () => {
    const unpriced = ['02-living_room.jpg', '--model', 'acme/unpriced', '--clip-duration', '4']
    const { out } = await askPaid('submit', ...unpriced)
    expect(out).toContain('unknown, as a model has no price: 1 of 1 scene to pay for acme/unpriced')
    const id = /approve (\d+) --accept-unknown-cost --url/.exec(out)![1]!
    expect(await askPaid('approve', id)).toMatchObject({
      code: 1,
      err: expect.stringContaining('accept_unknown_cost'),
    })
    expect((await askPaid('approve', id, '--accept-unknown-cost')).code).toBe(0)
    expect((await askPaid('watch', id)).code).toBe(0)
    expect((await askPaid('show', id)).out).toMatch(/Money +an unknown sum spent/)
  })

  test('every answer can be had as JSON', async () => {
    const json = async (...args: string[]) => JSON.parse((await askPaid(...args, '--json')).out)
    expect(await json('estimate', '01 exterior.jpg', ...wish)).toMatchObject({
      summary: '0 of 1 scene to pay',
    })
    expect(await json('ledger', '--limit', '1')).toMatchObject({ entries: [{ status: 'succeeded' }] })
    expect(await json('budgets')).toMatchObject({ budgets: [] })
    const id = await submitted('IMG_2041.jpg', '--title', 'JSON')
    expect(await json('cancel', id)).toMatchObject({ status: 'cancelled', costs: { spent: 0 } })
  })
})
