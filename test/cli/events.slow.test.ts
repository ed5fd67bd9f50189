/** What happens and what happened, as the command tells it. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { run, start } from './command.ts'

let harness: AppHarness
let server: Listening
/** What was asked of the server, as method and path. */
const asked: string[] = []

const listening = (port: number): Promise<Listening> =>
  listen(
    {
      fetch: (request, bindings) => {
        asked.push(`${request.method} ${new URL(request.url).pathname}`)
        return harness.app.fetch(request, bindings)
      },
    },
    { host: '127.0.0.1', port },
  )
const ask = (...args: string[]) => run([...args, '--url', server.url])

beforeAll(async () => {
  harness = await openAppHarness()
  server = await listening(0)
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await harness.close()
})

/** The command's lines as they come, and its end. */
function follow(...args: string[]) {
  const child = start(['events', '--follow', ...args, '--url', server.url])
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return {
    next: async (): Promise<string> => (await lines.next()).value ?? '',
    async end(signal: NodeJS.Signals): Promise<number | null> {
      const exit = once(child, 'exit')
      child.kill(signal)
      return (await exit)[0] as number | null
    },
    exit: once(child, 'exit'),
  }
}

test('the events of a job are told in lines, or as objects, of some types, after one of them', async () => {
  const { job_id } = await harness.job(2, { video_name: 'Harbour' })
  const id = String(job_id)
  await harness.coordinator.pauseJob(job_id, { reason: 'a holiday' }, { by: 'ops' })
  await harness.coordinator.resumeJob(job_id, { by: 'ops' })
  const { out, code } = await ask('events', id)
  expect(code).toBe(0)
  expect(out.trimEnd().split('\n')).toEqual([
    expect.stringMatching(
      /^ +\d+ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}job \d+ +created, “Harbour” \(by local\)$/,
    ),
    expect.stringMatching(/ paused: a holiday \(by ops\)$/),
    expect.stringMatching(/ resumed \(by ops\)$/),
  ])
  const events = (await ask('events', id, '--types', 'job_paused,job_resumed', '--json')).out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(events).toMatchObject([{ type: 'job_paused', job_id }, { type: 'job_resumed' }])
  const later = (await ask('events', '--after', String(events[0].id), '--json')).out
  expect(JSON.parse(later)).toMatchObject({ id: events[1].id })
  expect((await ask('history', id)).out).toMatch(
    /^WHEN \(UTC\) +WHO +WHAT\n.*\n\S+ \S+ {2}ops +paused: a holiday$/m,
  )
  expect(JSON.parse((await ask('history', id, '--json')).out).entries).toHaveLength(3)
  expect(await ask('events', id, '--types', 'job_lost')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--types must name types of events: job_created'),
  })
})

test('a job is followed from its beginning to its end, its scenes by their numbers', async () => {
  const { job_id } = await harness.job(2)
  const following = follow(String(job_id))
  expect(await following.next()).toContain('created')
  await harness.finish(job_id, new Uint8Array(1000))
  const lines: string[] = []
  for (let line = await following.next(); line !== ''; line = await following.next()) lines.push(line)
  expect(lines.at(-1)).toMatch(/completed, film 1$/)
  expect(lines.some((line) => /job \d+ +scene 2 completed$/.test(line))).toBe(true)
  expect((await following.exit)[0]).toBe(0)
})

test('all jobs are followed until Ctrl-C, over a server that is gone for a while', async () => {
  const following = follow('--types', 'job_created', '--json')
  const begun = asked.length
  while (!asked.slice(begun).some((one, index, all) => one.endsWith('/events') && index < all.length - 1))
    await harness.job()
  expect(JSON.parse(await following.next())).toMatchObject({ type: 'job_created' })
  await server.close({ graceMs: 0 })
  const missed = await harness.job()
  server = await listening(server.port)
  for (;;) if (JSON.parse(await following.next()).job_id === missed.job_id) break
  expect(await following.end('SIGINT')).toBe(130)
})

test('a server that is not there is not waited for, nor a job that is not there', async () => {
  expect(await run(['events', '--follow', '--url', 'http://127.0.0.1:9'])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/Cannot reach|bad port/),
  })
  expect(await ask('events', '99999', '--follow')).toMatchObject({
    code: 1,
    err: 'coordinator: Job not found\n',
  })
})

test('watch hears of what happens, and asks seldom while nothing does', async () => {
  const { job_id } = await harness.job()
  const child = start(['watch', String(job_id), '--url', server.url])
  const path = `GET /api/v3/jobs/${job_id}`
  const looks = (): number => asked.filter((one) => one === path).length
  while (!asked.includes(`${path}/events`) || looks() < 2)
    await new Promise((resolve) => setTimeout(resolve, 50))
  const before = looks()
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(looks() - before).toBeLessThanOrEqual(2)
  const begun = performance.now()
  await harness.finish(job_id, new Uint8Array(1000))
  expect((await once(child, 'exit'))[0]).toBe(0)
  expect(performance.now() - begun).toBeLessThan(10_000)
})

test('watch looks again and again where there are no events to hear', async () => {
  const deaf = await listen(
    {
      fetch: (request, bindings) =>
        request.url.endsWith('/events')
          ? new Response('{}', { status: 404 })
          : harness.app.fetch(request, bindings),
    },
    { host: '127.0.0.1', port: 0 },
  )
  const { job_id } = await harness.job()
  const watching = run(['watch', String(job_id), '--url', deaf.url])
  await harness.finish(job_id, new Uint8Array(1000))
  expect(await watching).toMatchObject({ code: 0, out: expect.stringContaining('completed (100 %)') })
  await deaf.close({ graceMs: 0 })
})

test('Ctrl-C ends watching, and leaves the job as it is', async () => {
  const { job_id } = await harness.job()
  const child = start(['watch', String(job_id), '--url', server.url])
  while (!asked.includes(`GET /api/v3/jobs/${job_id}/events`))
    await new Promise((resolve) => setTimeout(resolve, 50))
  child.kill('SIGINT')
  expect((await once(child, 'exit'))[0]).toBe(130)
  expect((await harness.coordinator.job(job_id)).status).toBe('pending')
})

test('whoever stops reading ends it, and hears no complaint', async () => {
  for (let index = 0; index < 3; index++) await harness.job()
  const child = start(['events', '--follow', '--after', '0', '--json', '--url', server.url])
  let said = ''
  child.stderr!.on('data', (text) => (said += text))
  await once(child.stdout!, 'data')
  child.stdout!.destroy()
  while (child.exitCode === null) {
    await harness.job()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(child.exitCode).toBe(141)
  expect(said.trim()).toBe('Interrupted')
})
