/** What is done with jobs that are there, as a person or a script types it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { type FakeReplicate, startFakeReplicate } from '../fake-replicate/start.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { type ServerProcess, jobUntil, startServer } from '../server/process.ts'
import { run } from './command.ts'

let harness: AppHarness
let server: Listening
let folder: string

const ask = (...args: string[]) => run([...args, '--url', server.url], { cwd: folder })
const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).out)
const newJob = async (members: object = {}): Promise<string> =>
  String((await harness.job(1, { ...members })).job_id)

beforeAll(async () => {
  harness = await openAppHarness()
  server = await listen(harness.app, { host: '127.0.0.1', port: 0 })
  folder = await mkdtemp(join(tmpdir(), 'cli-control-'))
  const background = { r: 9, g: 9, b: 9 }
  await sharp({ create: { width: 40, height: 30, channels: 3, background } })
    .jpeg()
    .toFile(join(folder, 'kitchen.jpg'))
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await harness.close()
  await rm(folder, { recursive: true })
})

describe('several jobs at once', () => {
  test('are approved, each with its own line, and one that is refused makes the command fail', async () => {
    const [one, other] = [await newJob(), await newJob()]
    const ran = await ask('approve', one, '99999', other)
    expect(ran.out).toBe(`Job ${one} is approved\nJob ${other} is approved\n`)
    expect(ran.err).toBe('coordinator: Job 99999: Job not found\ncoordinator: 1 of 3 jobs was refused\n')
    expect(ran.code).toBe(1)
    expect((await askJson('show', other)).status).toBe('approved')
  })

  test('are cancelled for a reason that their history tells', async () => {
    const [one, other] = [await newJob(), await newJob()]
    expect(await ask('cancel', one, other, '--reason', 'no longer wanted')).toMatchObject({
      code: 0,
      out: `Job ${one} is cancelled\nJob ${other} is cancelled\n`,
      err: '',
    })
    expect((await ask('history', other)).out).toMatch(/ local +cancelled: no longer wanted$/m)
    const again = await ask('cancel', one, other, '--json')
    expect(again.code).toBe(1)
    expect(JSON.parse(again.out)).toMatchObject({ done: 0, refused: 2 })
  })

  test('rest and go on', async () => {
    const [one, other] = [await newJob(), await newJob()]
    expect((await ask('pause', one, other, '--reason', 'holidays')).out).toBe(
      `Job ${one} is paused\nJob ${other} is paused\n`,
    )
    expect((await ask('show', one)).out).toMatch(/^Paused +since 20/m)
    expect((await ask('list', '--limit', '2')).out).toContain('pending, paused')
    const resumed = await ask('resume', one, '99999')
    expect([resumed.code, resumed.out]).toEqual([1, `Job ${one} is resumed\n`])
    expect(resumed.err).toContain('Job 99999: Job not found')
    expect(await askJson('resume', other)).toMatchObject({ job_id: Number(other), status: 'pending' })
  })
})

test('everything rests, or a renderer, until it is to go on', async () => {
  const reason = ['--reason', 'the disks are changed']
  expect((await ask('pause', ...reason)).out).toContain('Everything is paused: nothing new is started')
  const id = await newJob()
  await ask('approve', id)
  expect((await ask('show', id)).out).toMatch(/^Waits +.*the disks are changed.* \(since 20/m)
  expect((await ask('limits')).out).toMatch(/^jobs .*paused since .* by local: the disks are changed$/m)
  await ask('pause', '--renderer', 'local')
  expect((await ask('resume', '--renderer', 'local')).out).toBe(
    'local is resumed, but everything is still paused: npm run coordinator -- resume\n',
  )
  expect((await ask('resume')).out).toBe('Everything is resumed\n')
  expect(await askJson('pause', '--renderer', 'local')).toMatchObject({ paused: null })
  expect(await askJson('resume', '--renderer', 'local')).toMatchObject({
    renderers: { local: { paused: null } },
  })
  expect(await ask('pause', '--renderer', 'nobody')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--renderer: Unknown renderer "nobody"'),
  })
  expect(await ask('pause', id, '--renderer', 'local')).toMatchObject({
    code: 2,
    err: expect.stringContaining('jobs or --renderer, not both'),
  })
})

test('limits are changed while it runs, told beside what is configured, and taken back', async () => {
  const changed = await ask('limits', '--jobs', '7', '--renderer', 'local', '--max-concurrency', '2')
  expect(changed.out).toMatch(/^jobs +7 +\d+$/m)
  expect(changed.out).toMatch(/^local +2 \(4\) +\d+ +0 ms +no limit$/m)
  const back = ['limits', '--jobs', 'none', '--renderer', 'local', '--max-concurrency', 'none']
  expect((await ask(...back)).out).toMatch(/^jobs +no limit .*\nlocal +4 +\d+ +0 ms +no limit$/m)
  expect(await ask('limits', '--renderer', 'local', '--start-delay', '5')).toMatchObject({
    code: 1,
    err: expect.stringContaining('start_delay_ms: applies to providers only'),
  })
})

test('a job is changed while it waits', async () => {
  const id = await newJob()
  const times = ['--run-at', '2099-01-15T18:00:00Z', '--deadline', '2099-02-01T00:00:00Z']
  expect((await ask('set', id, '--priority', '80', '--name', 'Harbour', ...times)).out).toBe(
    `Job ${id} has the name "Harbour", priority 80, its start at 2099-01-15 18:00 UTC, its deadline at 2099-02-01 00:00 UTC\n`,
  )
  const shown = (await ask('show', id)).out
  expect(shown).toMatch(/^Job +\d+, property_photos, priority 80$/m)
  expect(shown).toMatch(/^Begins +not before 2099-01-15 18:00$/m)
  expect(shown).toMatch(/^Deadline +2099-02-01 00:00$/m)
  expect(await askJson('set', id, '--run-at', 'none', '--deadline', 'none')).toMatchObject({
    run_at: null,
    deadline_at: null,
    priority: 80,
  })
  expect(await ask('set', id)).toMatchObject({ code: 2, err: expect.stringContaining('set needs one of') })
  expect(await ask('set', id, '--priority', '101')).toMatchObject({
    code: 2,
    err: 'coordinator: --priority must be at most 100\n',
  })
})

describe('a job is asked for', () => {
  test('with all that may be wished of it', async () => {
    const before = await newJob({ parameters: { client_id: 'acme' } })
    const wishes = ['--priority', '70', '--name', 'Elm Street', '--client', 'acme', '--max-tries', '5']
    const times = ['--run-at', '2099-01-15T18:00:00Z', '--deadline', '2099-02-01T00:00:00Z']
    const told = ['--webhook-url', 'https://films.example/hook', '--depends-on', `${before}:wait`]
    const job = await askJson('submit', 'kitchen.jpg', ...wishes, ...times, ...told)
    expect(job).toMatchObject({
      priority: 70,
      video_name: 'Elm Street',
      parameters: { client_id: 'acme' },
      run_at: '2099-01-15T18:00:00.000Z',
      deadline_at: '2099-02-01T00:00:00.000Z',
      retry: { max_tries: 5 },
      depends_on: [{ job_id: Number(before), on_failure: 'wait', met: false }],
    })
    expect((await ask('show', String(job.job_id))).out).toMatch(
      new RegExp(`^After +job ${before} \\(pending, else wait\\)$`, 'm'),
    )
    const endpoint = (await ask('webhooks', 'list', '--job', String(job.job_id))).out
    expect(endpoint).toMatch(/enabled +all events +https:\/\/films\.example\/hook$/m)
    const listed = (await ask('list', '--client', 'acme', '--text', 'elm', '--status', 'pending,failed')).out
    expect(listed.match(/^ *\d+ .*$/gm)).toHaveLength(1)
  })

  test('by a file, of which options go before its members', async () => {
    const asset = await harness.picture(9)
    const request = { type: 'property_photos', parameters: { photos: [{ asset_id: asset }], campaign: 'x' } }
    await writeFile(join(folder, 'request.json'), JSON.stringify({ ...request, priority: 1 }))
    const job = await askJson('submit', '--file', 'request.json', '--priority', '2', '--client', 'acme')
    expect(job).toMatchObject({ priority: 2, parameters: { campaign: 'x', client_id: 'acme' } })
    expect(await ask('submit', '--file', 'request.json', '--title', 'A')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--title belongs in the parameters of request.json'),
    })
    await writeFile(join(folder, 'list.json'), '[]')
    expect(await ask('submit', '--file', 'list.json')).toMatchObject({
      code: 1,
      err: 'coordinator: list.json: is no JSON object\n',
    })
  })

  test.each(['12:later', '12:wait:x', 'x', ''])('after %j, and told how that is written', async (given) => {
    const { code, err } = await ask('submit', 'kitchen.jpg', '--depends-on', given)
    expect(code).toBe(2)
    expect(err).toMatch(/--depends-on must be like|is no job's id/)
  })
})

test('all jobs are listed, page by page', async () => {
  const client = `client-${Date.now()}`
  for (let index = 0; index < 3; index++) await newJob({ parameters: { client_id: client } })
  const page = await askJson('list', '--client', client, '--limit', '2')
  expect(page.jobs).toHaveLength(2)
  expect(page.next_cursor).not.toBe(null)
  const all = await askJson('list', '--client', client, '--all')
  expect([all.jobs.length, all.next_cursor]).toEqual([3, null])
  expect((await ask('list', '--client', client, '--limit', '2')).out).toContain('and older ones: --all')
  expect((await askJson('list', '--client', client, '--since', '2099-01-01T00:00:00Z')).jobs).toEqual([])
  expect((await askJson('list', '--client', client, '--until', '2099-01-01T00:00:00Z')).jobs).toHaveLength(3)
  expect(await ask('list', '--all', '--limit', '3')).toMatchObject({ code: 2 })
})

describe('asked for wrongly', () => {
  test.concurrent.each<[string, string[], RegExp]>([
    ['a command', ['aprove', '1'], /Unknown command "aprove"\. Did you mean approve\?/],
    ['an option', ['list', '--stauts', 'failed'], /Unknown option '--stauts'\. Did you mean --status\?/],
    ['an option of another command', ['show', '1', '--out', 'x'], /coordinator -- show --help lists what/],
    ['an option without its value', ['list', '--status'], /--status <names>.* argument missing/],
    ['no job', ['approve'], /approve needs a job's id, or several/],
    ['an id', ['cancel', '1', 'two'], /"two" is no job's id, which is a number such as 123/],
    ['two ids', ['retry', '1', '2'], /retry takes no "2"/],
    ['whose limit', ['limits', '--max-concurrency', '3'], /--renderer must say whose limit/],
    ['no limit', ['limits', '--renderer', 'local'], /--renderer needs one of/],
    ['a number', ['limits', '--jobs', 'many'], /--jobs must be a number/],
    ['an argument', ['doctor', 'now'], /doctor takes no "now"/],
    ['an argument of serve', ['serve', '80'], /serve takes no "80": npm run coordinator -- serve --help/],
    ['an option of serve', ['serve', '--port', '80'], /Unknown option '--port'/],
    ['nothing of webhooks', ['webhooks'], /webhooks needs one of list, create, show/],
    ['an option of another of webhooks', ['webhooks', 'list', '--types', 'x'], /Unknown option '--types'/],
    ['what storage does', ['storage', 'empty'], /storage takes no "empty"/],
    ['help for nothing', ['help', 'paint'], /Unknown command "paint"/],
  ])('%s', async (_name, args, message) => {
    const { code, out, err } = await run(args, { cwd: folder })
    expect(err).toMatch(message)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
    expect([code, out]).toEqual([2, ''])
  })
})

describe('with a provider that is paid', () => {
  let replicate: FakeReplicate
  let paid: ServerProcess
  const askPaid = (...args: string[]) => run([...args, '--url', paid.url], { cwd: folder })

  beforeAll(async () => {
    replicate = await startFakeReplicate({ startMs: 10, renderMs: 200 })
    paid = await startServer(join(folder, 'data'), {
      REPLICATE_API_TOKEN: replicate.token,
      REPLICATE_BASE_URL: replicate.url,
      REPLICATE_START_DELAY_MS: '0',
      PUBLIC_BASE_URL: '',
    })
  })
  afterAll(async () => {
    await paid.kill('SIGTERM')
    await replicate.kill()
  })

  test('starts there are paced as one wants', async () => {
    const pace = ['--starts-per-minute', '60', '--start-delay', '5']
    const paced = (await askPaid('limits', '--renderer', 'replicate', ...pace)).out
    expect(paced).toMatch(/^replicate +4 +0 +5 \(0\) ms +60$/m)
    const freed = ['--starts-per-minute', 'none', '--start-delay', 'none', '--json']
    expect(
      JSON.parse((await askPaid('limits', '--renderer', 'replicate', ...freed)).out).renderers.replicate,
    ).toMatchObject({ starts_per_minute: null, start_delay_ms: 0 })
  })

  test('a cancelled job goes on once what it costs more is allowed', async () => {
    await replicate.set({ startMs: 0, renderMs: 60_000 })
    const wish = ['--model', 'google/veo-3.1-fast', '--clip-duration', '4', '--json']
    const { job_id } = JSON.parse((await askPaid('submit', 'kitchen.jpg', ...wish)).out)
    const id = String(job_id)
    await askPaid('approve', id)
    // It runs there, so that cancelling it is charged.
    while ((await replicate.ledger()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await askPaid('cancel', id)
    await jobUntil(paid, job_id, ({ costs }) => costs.reserved === 0 && costs.spent === 0.4)
    await replicate.set({ renderMs: 200 })

    expect(await askPaid('retry', id)).toEqual({
      code: 1,
      out: '',
      err: `coordinator: It costs $0.40 more than was approved. To allow that: npm run coordinator -- retry ${id} --max-cost 0.8 --url ${paid.url}\n`,
    })
    const retried = await askPaid('retry', id, '--max-cost', '0.8', '--reason', 'wanted after all')
    expect(retried).toMatchObject({
      code: 0,
      out: `Job ${id} is resumed: no scene is kept, 1 to be rendered\nIt may spend $0.80 in all, and has spent $0.40\n`,
    })
    expect((await askPaid('watch', id)).code).toBe(0)
    expect((await askPaid('history', id)).out).toMatch(
      / local +retried, up to \$0\.80 \(was \$0\.40\): wanted after all$/m,
    )
    expect(await askPaid('retry', id)).toMatchObject({
      code: 1,
      err: expect.stringContaining('Job must be in failed or cancelled state'),
    })
  })
})

test('a job that costs nothing is retried unasked, also with another deadline', async () => {
  const id = await newJob({ deadline_at: '2099-01-01T00:00:00Z' })
  await ask('cancel', id)
  expect((await ask('retry', id, '--deadline', 'none')).out).toContain(
    `Job ${id} is resumed: no scene is kept`,
  )
  expect((await askJson('show', id)).deadline_at).toBe(null)
})

test('a job is rejected, changed and submitted again; its film is arranged, named, shown as it was and deleted', async () => {
  const id = await newJob()
  expect((await ask('reject', id, '--note', 'a garden is missing')).out).toContain(
    `Job ${id} is rejected. To submit it again once it is changed: npm run coordinator -- resubmit ${id} --url`,
  )
  expect((await ask('show', id)).out).toMatch(/^Rejected +a garden is missing \(by local, 20.*\)$/m)
  expect((await ask('list', '--limit', '1')).out).toContain('pending, rejected')
  expect((await ask('list', '--needs-approval', '--all')).out).not.toMatch(new RegExp(`^ *${id} `, 'm'))
  const added = await ask('scene', 'add', id, 'kitchen.jpg', '--at', '1', '--duration', '2')
  expect(added.err).toBe('')
  expect(added.out).toContain(
    `Scene 1 of job ${id} is added. The job is rejected; to submit it again: npm run coordinator -- resubmit ${id}`,
  )
  expect((await ask('scene', 'move', id, '1', '2')).out).toContain(`Scene 2 of job ${id} is moved`)
  const told = (await ask('history', id)).out
  expect(told).toMatch(/scene 1 added, as number 1$/m)
  expect(told).toMatch(/scene 2 changed: position 1 → 2$/m)
  expect(await ask('approve', id)).toMatchObject({
    code: 1,
    err: expect.stringMatching(
      new RegExp(`submit it again first .*To do that: npm run coordinator -- resubmit ${id} --url`),
    ),
  })
  expect((await ask('resubmit', id)).out).toMatch(
    new RegExp(
      `^Job ${id} waits for approval again: npm run coordinator -- approve ${id} --revision \\d+ --url`,
    ),
  )
  expect((await ask('list', '--needs-approval', '--all')).out).toMatch(new RegExp(`^ *${id} `, 'm'))
  await harness.finish(Number(id), new TextEncoder().encode('a film'))
  expect((await ask('set', id, '--name', 'Elm Street')).out).toContain('the name "Elm Street"')
  expect((await ask('show', id)).out).toMatch(new RegExp(`^Picture +/api/v3/videos/${id}/thumbnail$`, 'm'))
  expect((await ask('restore', id, '1')).out).toBe(`Job ${id} shows that film again, as version 1\n`)
  expect(await askJson('delete', id)).toEqual({ message: 'Job deleted successfully', job_id: Number(id) })
  expect(await ask('show', id)).toMatchObject({ code: 1, err: 'coordinator: Job not found\n' })
  expect(await ask('spend')).toMatchObject({ code: 0, out: 'Nothing was spent\n' })
  expect((await ask('spend', '--csv')).out).toBe('month,client_id,currency,spent,reserved\r\n')
})
