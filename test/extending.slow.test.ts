/** The examples of docs/extending.md, as they stand there: each passes its port's suite, and together they make films. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ArtifactStore,
  type Finding,
  type Provider,
  type Renderer,
  createLog,
  examine,
  openWorkflow,
  readConfig,
} from '../src/index.ts'
import { artifactStoreCases, providerCases, rendererCases } from '../src/conformance/conformance.ts'
import { machineEnvironment } from './environment.ts'
import { findFfmpeg } from './media/find-ffmpeg.ts'
import { picture } from './server/process.ts'

interface Examples {
  readonly createStills: (ffmpeg: string) => Renderer
  readonly createAcme: (baseUrl: string, token: string) => Provider
  readonly openMirrored: (
    directory: string,
    bucket: string,
    clock?: { now(): number },
  ) => Promise<ArtifactStore>
}

const text = await readFile('docs/extending.md', 'utf8')
const models: unknown = JSON.parse(/```json\n(.*?)```/s.exec(text)![1]!)
const ffmpeg = findFfmpeg()

let root: string
let folder: string
let examples: Examples
let acme: Served
let bucket: Served
const bytesById = new Map<string, Buffer>()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'extending-'))
  // Vite resolves the package's own name there.
  await mkdir(resolve('.vitest'), { recursive: true })
  folder = await mkdtemp(resolve('.vitest', 'extending-'))
  const files = [...text.matchAll(/```ts\n\/\/ ([\w-]+\.ts)\n(.*?)```/gs)]
  for (const [, name, code] of files) await writeFile(join(folder, name!), code!)
  examples = Object.assign({}, ...(await Promise.all(files.map(([, name]) => import(join(folder, name!))))))
  acme = await serve(createAcmeService())
  bucket = await serve(keepIn(bytesById))
})
afterAll(async () => {
  await acme?.close()
  await bucket?.close()
  await rm(folder, { recursive: true, force: true })
  await rm(root, { recursive: true, force: true })
})

it('has examples that compile strictly', async () => {
  const paths = { 'workflow-coordinator': [resolve('src/index.ts')] }
  const config = { extends: resolve('tsconfig.json'), compilerOptions: { paths }, include: ['*.ts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const compiler = resolve('node_modules/typescript/bin/tsc')
  const compiled = promisify(execFile)(process.execPath, [compiler, '-p', folder], {
    env: machineEnvironment,
  })
  expect(
    await compiled.then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    ),
  ).toBe('')
})

describe.skipIf(ffmpeg === null)('the renderer of the example', () => {
  for (const { name, run } of rendererCases(() => examples.createStills(ffmpeg!))) it(name, run)
})

describe('the provider of the example', () => {
  const settings = { seconds: 1, resolution: '720p', aspect_ratio: '16:9', audio: false }
  const open = () => ({ provider: examples.createAcme(acme.url, 'a-token'), model: 'acme/film', settings })
  for (const { name, run } of providerCases(open)) it(name, run)
})

describe('the artifact store of the example', () => {
  const cases = artifactStoreCases(async ({ directory, now }) => {
    await mkdir(directory, { recursive: true })
    bytesById.clear()
    return examples.openMirrored(directory, bucket.url, { now })
  })
  for (const { name, run } of cases) it(name, run)

  it('fetches from the bucket what this machine has lost', async () => {
    const directory = join(root, 'lost')
    await mkdir(directory)
    await writeFile(join(root, 'film.mp4'), 'a film')
    const store = await examples.openMirrored(directory, bucket.url)
    const { id } = await store.adopt(join(root, 'film.mp4'))
    const { localPath } = await store.workspace()
    await rm(await localPath(id))
    expect(await readFile(await localPath(id), 'utf8')).toBe('a film')
  })
})

describe.skipIf(ffmpeg === null)('a program with all three', () => {
  it('makes films by them, which cost, are limited, told and looked at as by those built in', async () => {
    const dataDir = join(root, 'data')
    const env = { ...machineEnvironment, DATA_DIR: dataDir, PORT: '0', BUDGET_TOTAL_USD: '0.10' }
    const parts = {
      renderers: [examples.createStills(ffmpeg!)],
      providers: [examples.createAcme(acme.url, 'a-token')],
      models,
      artifacts: await openStore(join(root, 'store')),
    }
    const workflow = await openWorkflow(readConfig(env), { log: createLog({ level: 'silent' }), ...parts })
    const { coordinator } = workflow
    const photos = await Promise.all(
      [10, 200].map(async (hue) => {
        const chunks = async function* () {
          yield await picture(hue)
        }
        return { asset_id: (await workflow.takeAsset(chunks())).id }
      }),
    )
    const request = (model: string) => ({
      type: 'property_photos',
      parameters: { photos, clip_duration: 1, resolution: '360p', model },
    })
    const finished = async (id: number): Promise<void> => {
      for await (const { type, job_id, data } of workflow.feed.read({ after: 0 })) {
        if (job_id !== id) continue
        if (type === 'job_failed') throw new Error(JSON.stringify(data))
        if (type === 'job_completed') return
      }
    }

    const free = await coordinator.createJob(request('stills'))
    expect(free.estimatedMicros).toBe(0)
    await coordinator.approveJob(free.id)
    await finished(free.id)

    const paid = await coordinator.createJob(request('acme/film'))
    expect(paid.estimatedMicros).toBe(100_000)
    await coordinator.approveJob(paid.id, { max_cost: 0.1 })
    await finished(paid.id)
    const { totals } = await json(workflow.app.request('/api/v3/ledger'))
    expect(totals).toEqual({ reserved: 0, spent: 0.1 })
    const { events } = await json(
      workflow.app.request(`/api/v3/jobs/${paid.id}/events?type=scene_processing`),
    )
    expect(events[0].data).toMatchObject({ renderer: 'acme', model: 'acme/film' })
    const { renderers } = await json(workflow.app.request('/api/v3/limits'))
    expect(renderers).toMatchObject({
      local: {},
      stills: { max_concurrency: 2 },
      acme: { max_concurrency: 2, in_flight: 0 },
    })
    const third = await coordinator.createJob({ ...request('acme/film'), force: true })
    await coordinator.approveJob(third.id)
    expect((await coordinator.waiting(third.id)).job?.code).toBe('budget_total')
    const { film } = await coordinator.film(paid.id)
    expect(bytesById.get(film.id)?.subarray(4, 8).toString()).toBe('ftyp')
    expect((await json(workflow.app.request('/readyz'))).checks).toMatchObject({ artifacts: 'ok' })
    await workflow.close()

    const findings: Finding[] = []
    for await (const finding of examine({ env }, parts)) findings.push(finding)
    const found = Object.fromEntries(findings.map(({ check, ...said }) => [check, said]))
    expect(found).toMatchObject({
      Models: { state: 'ok', found: expect.stringMatching(/^local, stills and 1 .*\+acme-1$/) },
      stills: { state: 'ok', found: expect.stringMatching(/^ffmpeg version/) },
      acme: { state: 'ok', found: 'acme answers 200' },
      Artifacts: { state: 'ok' },
    })
  })

  it('is told what stands against its parts', async () => {
    const config = readConfig({ DATA_DIR: join(root, 'refused') })
    const log = createLog({ level: 'silent' })
    const stills = examples.createStills(ffmpeg!)
    const provider = examples.createAcme(acme.url, 'a-token')
    const refused = (parts: object) => expect(openWorkflow(config, { log, ...parts })).rejects
    await refused({ providers: [provider] }).toThrow('The model acme/film of acme has no price')
    await refused({ renderers: [stills, stills] }).toThrow("The name stills is another renderer's")
    await refused({ renderers: [{ ...stills, name: 'local' }] }).toThrow(
      "The name local is another renderer's",
    )
    await refused({ renderers: [{ ...stills, models: ['local'] }] }).toThrow('The model local of stills')
    await refused({ models: { version: 'x', currency: 'USD', models: { acme: {} } } }).toThrow('models:')
  })
})

const openStore = async (directory: string): Promise<ArtifactStore> => {
  await mkdir(directory)
  return examples.openMirrored(directory, bucket.url)
}

const json = async (answer: Response | Promise<Response>): Promise<any> => (await answer).json()

interface Served {
  readonly url: string
  close(): Promise<void>
}

type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  url: URL,
) => void | Promise<void>

async function serve(answer: Answer): Promise<Served> {
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://localhost')
    void buffer(request).then((body) => answer(request, response, body, url))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close').catch(() => undefined)
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

/** A bucket: PUT, GET, HEAD and DELETE. */
const keepIn =
  (kept: Map<string, Buffer>): Answer =>
  ({ method }, response, body, { pathname }) => {
    const id = pathname.slice(1)
    if (method === 'PUT') kept.set(id, body)
    const found = kept.get(id)
    if (method === 'DELETE') kept.delete(id)
    response.writeHead(found ? 200 : 404).end(method === 'GET' ? found : undefined)
  }

/** The service of the example: a render is done when it was asked about twice, and is a clip of its first picture. */
function createAcmeService(): Answer {
  const renders = new Map<
    string,
    { readonly render: Record<string, unknown>; reads: number; clip: Promise<Buffer> }
  >()
  return async ({ method, headers }, response, body, { pathname, searchParams }) => {
    const send = (status: number, answer: unknown): void =>
      void response.writeHead(status).end(JSON.stringify(answer))
    const [, , id = '', verb] = pathname.split('/')
    if (pathname.startsWith('/videos/')) {
      const clip = await renders.get(id.replace(/\.mp4$/, ''))?.clip
      response.writeHead(clip ? 200 : 404).end(clip)
      return
    }
    if (headers.authorization !== 'Bearer a-token') return send(401, {})
    if (method === 'POST' && id === '') {
      const made = `render-${renders.size + 1}-x`
      const input = JSON.parse(String(body))
      const render = {
        id: made,
        created: new Date().toISOString(),
        state: 'running',
        input: String(body),
        video: null,
        error: null,
      }
      renders.set(made, { render, reads: 0, clip: clipOf(input.pictures[0], input.seconds) })
      return send(201, render)
    }
    if (id === '') {
      const [after, before] = [Number(searchParams.get('after')), Number(searchParams.get('before'))]
      const all = [...renders.values()].map(({ render }) => render)
      return send(
        200,
        all.filter(({ created }) => {
          const at = Date.parse(String(created))
          return at >= after && at <= before
        }),
      )
    }
    const found = renders.get(id)
    if (!found) return send(404, {})
    if (verb === 'cancel') found.render['state'] = 'cancelled'
    else if (++found.reads >= 2 && found.render['state'] === 'running') {
      found.render['state'] = 'succeeded'
      found.render['video'] = `http://${headers.host}/videos/${id}.mp4`
    }
    return send(200, found.render)
  }
}

async function clipOf(pictureBase64: string, seconds: number): Promise<Buffer> {
  if (ffmpeg === null) return Buffer.from('a clip')
  const directory = await mkdtemp(join(root, 'clip-'))
  const path = join(directory, 'picture.jpg')
  await writeFile(path, Buffer.from(pictureBase64, 'base64'))
  const outcome = await examples.createStills(ffmpeg).render(
    {
      attemptId: '',
      jobId: 1,
      sceneId: '',
      position: 0,
      model: 'stills',
      prompt: '',
      title: null,
      format: { width: 1280, height: 720, fps: 24 },
      frames: seconds * 24,
      images: [path],
      transition: 'cut',
      fit: 'crop',
      keyframes: [],
    },
    { directory, signal: new AbortController().signal, onProgress: () => {} },
  )
  if (outcome.kind === 'failed') throw new Error(outcome.reason)
  return readFile(outcome.clipPath)
}
