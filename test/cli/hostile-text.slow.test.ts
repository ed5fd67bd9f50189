/** Every command against a server whose every text would steer a terminal: what is printed steers nothing. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDisplay, terminalOf } from '../../src/cli/progress.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { planLines, planOfJob } from '../../src/cli/view.ts'
import { type Listening, listen } from '../../src/http/edge/server.ts'
import { createLog } from '../../src/log.ts'
import { hidden, hostile } from '../hostile-text.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'
import { type Ran, run } from './command.ts'

let harness: AppHarness
let server: Listening
let folder: string

/** What programs go by; every other text may come from somebody else. */
const ownWords = /(?:^|_)(?:id|ids|at|status|type|types|cursor|code|since|until|p50|p90|day|key)$/

const tainted = (value: unknown, name = ''): unknown => {
  if (typeof value === 'string') return ownWords.test(name) ? value : `${value}${hostile.join('')}`
  if (Array.isArray(value)) return value.map((one) => tainted(one, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([member, one]) => [member, tainted(one, member)]))
}

async function taintedAnswer(response: Response): Promise<Response> {
  if (!response.headers.get('content-type')?.includes('json')) return response
  const { status } = response
  return Response.json(tainted(await response.json()), { status })
}

let jobId: number
let endpoint: string

beforeAll(async () => {
  harness = await openAppHarness()
  server = await listen(
    { fetch: async (request, bindings) => taintedAnswer(await harness.app.fetch(request, bindings)) },
    { host: '127.0.0.1', port: 0 },
  )
  folder = await mkdtemp(join(tmpdir(), 'cli-hostile-'))
  for (const name of ['one\u001b[2J\u202e.jpg', 'two\n\u200b.jpg'])
    await sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
      .jpeg()
      .toFile(join(folder, name))
  ;({ job_id: jobId } = await harness.job(2, { video_name: 'A harness' }))
  await harness.finish(jobId, new Uint8Array(10))
  const { job_id: cancelled } = await harness.job(1)
  await harness.coordinator.cancelJob(cancelled, { by: 'ada', reason: 'not wanted' })
  await harness.coordinator.createKey({ name: 'ada', scopes: ['read'] })
  const made = await harness.app.request('/api/v3/webhooks/endpoints', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: 'https://example.com/hook', description: 'For ada' }),
  })
  endpoint = (await jsonOf(made)).endpoint_id
})
afterAll(async () => {
  await server.close({ graceMs: 0 })
  await harness.close()
  await rm(folder, { recursive: true })
})

const ask = (...args: string[]): Promise<Ran> => run([...args, '--url', server.url], { cwd: folder })

/** Line by line: their ends are the command's own. */
function expectHarmless({ out, err }: Ran): void {
  for (const line of `${out}\n${err}`.split('\n')) expect(line).not.toMatch(hidden)
}

const commands = (): string[][] => [
  ['submit', 'one\u001b[2J\u202e.jpg', 'two\n\u200b.jpg', '--name', 'A\u202e name'],
  ['estimate', 'one\u001b[2J\u202e.jpg', 'two\n\u200b.jpg'],
  ['show', String(jobId)],
  ['list'],
  ['watch', String(jobId)],
  ['events'],
  ['events', String(jobId)],
  ['history', String(jobId)],
  ['ledger'],
  ['budgets'],
  ['limits'],
  ['storage'],
  ['keys', 'list'],
  ['webhooks', 'list'],
  ['webhooks', 'show', endpoint],
  ['webhooks', 'deliveries', endpoint],
  ['webhooks', 'secret'],
  ['set', String(jobId), '--name', 'Another'],
  ['approve', String(jobId)],
  ['approve', String(jobId), '999'],
  ['cancel', String(jobId)],
  ['retry', String(jobId)],
  ['regenerate', String(jobId), '9'],
  ['pause', '--renderer', 'nobody\u202e'],
  ['resume', String(jobId)],
]

test('no command lets a text of others steer the terminal or pass for a line of its own', async () => {
  await Promise.all(
    commands().map(async (args) => {
      const ran = await ask(...args)
      expect(`${ran.out}${ran.err}`, args.join(' ')).not.toBe('')
      expectHarmless(ran)
    }),
  )
})

test('--json is JSON on one line that means the same and shows what would be hidden as escapes', async () => {
  for (const args of [['show', String(jobId)], ['list'], ['keys', 'list'], ['history', String(jobId)]]) {
    const { out } = await ask(...args, '--json')
    expect(out.trimEnd()).not.toMatch(hidden)
    expect(JSON.stringify(JSON.parse(out))).toContain(JSON.stringify(hostile.join('')).slice(1, -1))
  }
  const { out } = await ask('events', '--json')
  for (const line of out.trimEnd().split('\n')) {
    expect(line).not.toMatch(hidden)
    JSON.parse(line)
  }
})

test('what was typed wrongly is said again without what steers', async () => {
  for (const args of [
    ['\u001b[2Jlist'],
    ['show', '\u001b[2J'],
    ['list', '--\u001b[2J'],
    ['submit', 'no\u001b[2J.jpg'],
    ['list', '--url', 'http://\u202e'],
  ]) {
    const ran = await run(args)
    expect(ran.code).not.toBe(0)
    expectHarmless(ran)
  }
  expectHarmless(await run(['doctor'], { env: { DATA_DIR: join(folder, 'data\u001b[2J'), PORT: '0' } }))
})

describe('on a terminal', () => {
  /** All that was written to it. */
  function openTerminal(): { readonly terminal: Terminal; readonly written: () => string } {
    const out = Object.assign(new PassThrough(), { isTTY: true, columns: 200, rows: 40 })
    let text = ''
    out.setEncoding('utf8').on('data', (part: string) => (text += part))
    const terminal = terminalOf(out as unknown as NodeJS.WriteStream, { TERM: 'xterm' })
    return { terminal, written: () => text }
  }

  const read = (path: string): Promise<any> => fetch(`${server.url}${path}`).then((answer) => answer.json())

  test('the moving display keeps its colours, and nothing else that steers', async () => {
    const { terminal, written } = openTerminal()
    const job = { ...(await read(`/api/v3/jobs/${jobId}`)), status: 'processing' }
    const scenes = await read(`/api/v3/jobs/${jobId}/scenes`)
    for (const scene of scenes.scenes)
      Object.assign(scene, { status: 'pending', waiting: { code: 'queue', reason: hostile.join('') } })
    const display = createDisplay(terminal, {
      fileOf: new Map([[scenes.scenes[0].asset_ids[0], hostile.join('')]]),
    })
    display.update({ job, scenes })
    display.end()
    expect(written()).toContain('\u001b[2m')
    // The display's own: where the cursor goes, and colours.
    // oxlint-disable-next-line no-control-regex
    const text = written().replaceAll(/\u001b\[(?:\d+m|\?25[lh]|\?2026[lh]|\d*[AGKJ])/g, '')
    for (const line of text.split('\n')) expect(line).not.toMatch(hidden)
    expect(written()).not.toContain('\u001b[8m')
    expect(written()).not.toContain('\u001b[2J')
  })

  test('a painted line is painted, and a text that holds the codes of paint is not', async () => {
    const { terminal } = openTerminal()
    const line = terminal.shown(`${terminal.paint('red', 'Failed\u001b[8m')} \u001b[31mof itself`)
    expect(line).toBe('\u001b[31mFailed\u{fffd}[8m\u001b[39m \u{fffd}[31mof itself')
    const plan = planLines(planOfJob(await read(`/api/v3/jobs/${jobId}`)), new Map(), terminal.screen())
    for (const one of plan.map(terminal.shown)) expect(stripVTControlCharacters(one)).not.toMatch(hidden)
  })
})

describe('the log', () => {
  const logged = (pretty: boolean): string => {
    let text = ''
    const log = createLog({ level: 'info', pretty, destination: { write: (line) => (text += line) } })
    log.info({ job_id: 1, reason: hostile.join(''), by: hostile[0] }, `Failed: ${hostile.join('')}`)
    log.error({ err: new Error(hostile.join('')) }, 'Failed')
    return text
  }

  test('as JSON has a line for each message, which means what was logged', () => {
    const lines = logged(false).trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line).not.toMatch(hidden)
    expect(JSON.parse(lines[0]!)).toMatchObject({
      msg: `Failed: ${hostile.join('')}`,
      reason: hostile.join(''),
    })
    expect(JSON.parse(lines[1]!).err.message).toBe(hostile.join(''))
  })

  test('as plain lines lets no message pass for another line', () => {
    const [first, second, ...stack] = logged(true).trimEnd().split('\n')
    for (const line of [first, second, ...stack]) expect(line).not.toMatch(hidden)
    expect(first).toMatch(/^[\d:.]+ Failed: /)
    expect(second).toMatch(/^[\d:.]+ ERROR Failed$/)
    for (const line of stack) expect(line).toMatch(/^ {4}/)
  })
})
