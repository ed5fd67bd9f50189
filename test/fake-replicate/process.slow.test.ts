// The fake as other tests use it: a process of its own, real sockets, real clips.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FakeOptions } from '../../src/fake-replicate/provider.ts'
import { machineEnvironment } from '../environment.ts'
import { listen, watch } from '../media/source-clip.ts'
import { type FakeReplicate, fakePath, startFakeReplicate } from './start.ts'

let directory = ''
let fake: FakeReplicate

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fake-test-'))
  fake = await startFakeReplicate({ startMs: 20, renderMs: 50 }, { FAKE_LEDGER: join(directory, 'ledger') })
})
afterAll(async () => {
  await fake.kill()
  await rm(directory, { recursive: true, force: true })
})

const headers = { authorization: 'Bearer r8_fake' }

const photo = (background: string): Promise<Buffer> =>
  sharp({ create: { width: 640, height: 480, channels: 3, background } })
    .jpeg()
    .toBuffer()

const json = async (response: Promise<Response>): Promise<any> => (await response).json()

const create = (model: string, input: object, more: object = {}): Promise<any> =>
  json(
    fetch(`${fake.url}/v1/models/${model}/predictions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ input: { prompt: 'a room', ...input }, ...more }),
    }),
  )

async function ended({ urls }: any): Promise<any> {
  for (;;) {
    const prediction = await json(fetch(urls.get, { headers }))
    if (prediction.completed_at !== undefined) return prediction
    await setTimeout(20)
  }
}

/** Of all tries from now on, the plan names the next. */
const planNext = async (fault: NonNullable<FakeOptions['plan']>[number]): Promise<void> => {
  const posts = (await fake.ledger()).filter(({ what }) => what === 'post')
  await fake.set({ plan: { [posts.length + 1]: fault } })
}

const loudness = (samples: Float32Array): number =>
  Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length)

const failure = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  )

describe('the process', () => {
  it('makes clips of the photographs: from the first to the last, as long and as large as asked for', async () => {
    const form = new FormData()
    form.append('content', new Blob([new Uint8Array(await photo('#c02020'))]), 'red.jpg')
    const red = await json(fetch(`${fake.url}/v1/files`, { method: 'POST', headers, body: form }))
    const blue = await photo('#2030c0')
    const site = createServer((_request, response) => response.end(blue)).listen(0, '127.0.0.1')
    await once(site, 'listening')
    const { port } = site.address() as AddressInfo

    const prediction = await create('google/veo-3.1', {
      image: red.urls.get,
      last_frame: `http://127.0.0.1:${port}/blue.jpg`,
      duration: 4,
      resolution: '720p',
      aspect_ratio: '9:16',
    })
    const { id, status, output } = await ended(prediction)
    expect(status).toBe('succeeded')
    const path = join(directory, 'clip.mp4')
    await writeFile(path, await (await fetch(output)).bytes())
    site.close()

    const frames = await watch(path)
    expect(frames).toHaveLength(96)
    expect(frames[0]).toMatchObject({ width: 720, height: 1280 })
    // In the colours' own planes: red is high in one, blue in the other.
    expect(frames[0]!.red).toBeGreaterThan(180)
    expect(frames.at(-1)!.blue).toBeGreaterThan(180)

    const entries = await fake.ledger()
    expect(entries.filter((entry) => entry.prediction === id)).toMatchObject([
      { what: 'post', created: true, model: 'google/veo-3.1' },
      { what: 'ended', status: 'succeeded', billed_micros: 1_600_000, seconds: 4 },
      { what: 'fetched' },
    ])
    const lines = (await readFile(join(directory, 'ledger'), 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(entries)
  })

  it('makes a test picture of the shape where there is no photograph, and a data URL shows its own', async () => {
    const image = `data:image/jpeg;base64,${(await photo('#2030c0')).toString('base64')}`
    for (const [index, input] of [{}, { first_frame_image: image }].entries()) {
      const { output } = await ended(await create('minimax/hailuo-02', { resolution: '512p', ...input }))
      const path = join(directory, `clip-${index}.mp4`)
      await writeFile(path, await (await fetch(output)).bytes())
      const frames = await watch(path)
      expect(frames).toHaveLength(144)
      // 16:9, and as the photograph is.
      expect(frames[0]).toMatchObject([{ width: 910 }, { width: 682 }][index]!)
      if (index === 1) expect(frames[0]!.blue).toBeGreaterThan(180)
    }
  })

  it.each([
    ['google/veo-3.1-fast', { generate_audio: true, resolution: '720p' }, true],
    ['google/veo-3.1-fast', { generate_audio: false, resolution: '720p' }, false],
    ['somebody/model', { audio: true, resolution: '360p' }, true],
    ['minimax/hailuo-02', { resolution: '512p' }, false],
  ])('makes sound where that is asked for (%s, %j)', async (model, input, isHeard) => {
    const { output } = await ended(await create(model, { duration: 6, ...input }))
    const path = join(directory, 'heard.mp4')
    await writeFile(path, await (await fetch(output)).bytes())
    expect(await watch(path)).toHaveLength(144)
    if (!isHeard) return expect(listen(path)).rejects.toThrow()
    const { samples, sampleRate, channels } = await listen(path)
    expect({ sampleRate, channels }).toEqual({ sampleRate: 48_000, channels: 2 })
    expect(Math.abs(samples.length / sampleRate - 6)).toBeLessThan(0.1)
    for (const second of [0, 3, 5])
      expect(loudness(samples.subarray(second * sampleRate, (second + 1) * sampleRate))).toBeGreaterThan(0.05)
  })

  it('tells webhooks over HTTP', async () => {
    const got = Promise.withResolvers<any>()
    const receiver = createServer(async (request, response) => {
      response.end()
      got.resolve({ headers: request.headers, body: JSON.parse((await buffer(request)).toString()) })
    }).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    const { port } = receiver.address() as AddressInfo
    const { id } = await create(
      'somebody/model',
      { duration: 1 },
      { webhook: `http://127.0.0.1:${port}/`, webhook_events_filter: ['completed'] },
    )
    expect(await got.promise).toMatchObject({
      headers: { 'webhook-id': expect.any(String), 'webhook-signature': expect.stringMatching(/^v1,/) },
      body: { id, status: 'succeeded' },
    })
    receiver.close()
    receiver.closeAllConnections()
  })

  it('resets and hangs real connections', async () => {
    await planNext('reset_after')
    expect(await failure(create('somebody/model', {}))).toMatchObject({ cause: { code: 'ECONNRESET' } })
    await planNext('hang_before')
    const hanging = fetch(`${fake.url}/v1/models/somebody/model/predictions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ input: {} }),
      signal: AbortSignal.timeout(300),
    })
    expect(await failure(hanging)).toMatchObject({ name: 'TimeoutError' })
    for (const fault of ['output_cut', 'output_truncated'] as const) {
      await planNext(fault)
      const { output } = await ended(await create('somebody/model', { duration: 1 }))
      const broken = fetch(output).then((response) => response.bytes())
      expect(await failure(broken)).toMatchObject({ message: 'terminated' })
      const whole = await fetch(output)
      expect(await whole.bytes()).toHaveLength(Number(whole.headers.get('content-length')))
    }
  })

  it('refuses options that it does not know', async () => {
    await expect(fake.set({ plan: { 1: 'nothing' as 'html' } })).rejects.toThrow('Unknown fault nothing')
  })

  it('keeps its ledger over a restart', async () => {
    // Killed, it leaves its temporary folder.
    const env = { FAKE_LEDGER: join(directory, 'kept'), TMPDIR: directory }
    const first = await startFakeReplicate({}, env)
    await fetch(`${first.url}/v1/predictions`, { method: 'POST', headers, body: '{}' })
    const before = await first.ledger()
    await first.kill('SIGKILL')
    const second = await startFakeReplicate({}, env)
    expect(await second.ledger()).toEqual(before)
    expect(before).toMatchObject([{ what: 'post', created: false }])
    await second.kill()
  })

  it('dies with its parent', async () => {
    const parent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { fork } from 'node:child_process'
         fork(process.argv[1], { execArgv: [] }).once('message', function () { console.log(this.pid) })`,
        fakePath,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    for await (const chunk of parent.stdout) {
      said += String(chunk)
      if (/^\d+$/m.test(said)) break
    }
    const pid = Number(/^\d+$/m.exec(said)![0])
    parent.kill('SIGKILL')
    // Signal 0 asks whether it is there.
    while (isAlive(pid)) await setTimeout(20)
  })

  it('ends on SIGTERM while a clip is made, and leaves no folder', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'fake-temporary-'))
    const child = fork(fakePath, { env: { ...machineEnvironment, TMPDIR: temporary }, stdio: 'ignore' })
    const [{ url }] = (await once(child, 'message')) as [{ url: string }]
    const { urls } = await json(
      fetch(`${url}/v1/models/somebody/model/predictions`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ input: { duration: 60 } }),
      }),
    )
    while ((await json(fetch(urls.get, { headers }))).status === 'starting') await setTimeout(20)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(await readdir(temporary)).toEqual([])
    await rm(temporary, { recursive: true })
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
