/**
 * The clients that generators make of the OpenAPI document: each compiles in TypeScript's strictest ways, and a program with it
 * makes a film on a real server.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { machineEnvironment } from '../environment.ts'
import { type ServerProcess, startServer } from '../server/process.ts'

/** What a user of the client writes: a picture uploaded, a job made, approved and waited for, its film kept. */
const withOpenapiFetch = `
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import createClient from 'openapi-fetch'
import type { paths } from './client.ts'

const [baseUrl = '', picture = '', film = ''] = process.argv.slice(2)
const client = createClient<paths>({ baseUrl })
const dataOf = <Data>({ data, error }: { data?: Data; error?: unknown }): Data => {
  if (data === undefined) throw new Error(JSON.stringify(error))
  return data
}

const form = new FormData()
form.append('file', new Blob([await readFile(picture)]), 'exterior.png')
const asset = dataOf(await client.POST('/api/v3/assets', { body: { file: '' }, bodySerializer: () => form }))
const job = dataOf(
  await client.POST('/api/v3/jobs', {
    params: { header: { 'Idempotency-Key': 'one' } },
    body: {
      type: 'property_photos',
      parameters: { photos: [{ asset_id: asset.id }], clip_duration: 1, resolution: '360p' },
    },
  }),
)
const path = { id: job.job_id }
dataOf(await client.POST('/api/v3/jobs/{id}/approve', { params: { path }, body: { max_cost: 0 } }))
for (let after = 0, frames: number | undefined; frames === undefined; await setTimeout(50)) {
  const page = dataOf(await client.GET('/api/v3/jobs/{id}/events', { params: { path, query: { after } } }))
  if (typeof page === 'string') throw new Error('a stream was not accepted')
  after = page.next_after
  for (const event of page.events) {
    if (event.type === 'job_completed') frames = event.data.frames
    if (event.type === 'job_failed') throw new Error(event.data.reason)
  }
  if (frames !== undefined) console.log(frames)
}
const { data, response } = await client.GET('/api/v3/videos/{id}/combined', {
  params: { path, header: { Range: 'bytes=0-' } },
  parseAs: 'arrayBuffer',
})
if (data === undefined || response.status !== 206) throw new Error(String(response.status))
await writeFile(film, new Uint8Array(data))
const refused = await client.POST('/api/v3/jobs/{id}/approve', { params: { path } })
if (refused.error?.error !== 'Job cannot be approved') throw new Error(JSON.stringify(refused.error))
`

const withOazapfts = `
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { approveJob, createJob, defaults, readJob, uploadAsset } from './client.ts'

const [baseUrl = '', picture = '', filmPath = ''] = process.argv.slice(2)
defaults.baseUrl = baseUrl

const upload = await uploadAsset({ file: new Blob([await readFile(picture)]) })
if (upload.status !== 201) throw new Error(JSON.stringify(upload.data))
const job = await createJob(
  {
    type: 'image_pairs',
    parameters: { pairs: [[upload.data.id, upload.data.id]], clip_duration: 1, resolution: '360p' },
  },
  { idempotencyKey: 'other' },
)
if (job.status !== 201) throw new Error(JSON.stringify(job.data))
const id = job.data.job_id
const approved = await approveJob(id)
if (approved.status !== 200) throw new Error(JSON.stringify(approved.data))
for (let url: string | undefined; url === undefined; await setTimeout(50)) {
  const found = await readJob(id)
  if (found.status !== 200) throw new Error(JSON.stringify(found.data))
  const { status, error, film } = found.data
  if (status === 'failed') throw new Error(error?.reason)
  url = film?.url
  // Where an operation also answers JSON, this generator's clients read no bytes.
  if (url) await writeFile(filmPath, new Uint8Array(await (await fetch(new URL(url, baseUrl))).arrayBuffer()))
}
const refused = await approveJob(id)
if (refused.status !== 422 || refused.data.error !== 'Job cannot be approved') throw new Error('approved twice')
`

const strictest = {
  strict: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noFallthroughCasesInSwitch: true,
  noImplicitReturns: true,
  erasableSyntaxOnly: true,
  isolatedModules: true,
  target: 'esnext',
  lib: ['esnext', 'dom', 'dom.iterable'],
  module: 'nodenext',
  moduleDetection: 'force',
  types: ['node'],
  allowImportingTsExtensions: true,
  noEmit: true,
}

const run = async (directory: string, ...command: readonly string[]): Promise<string> => {
  const done = promisify(execFile)(process.execPath, command, { cwd: directory, env: machineEnvironment })
  const { stdout } = await done.catch((error: unknown) => {
    const { stdout: said, stderr } = error as { readonly stdout: string; readonly stderr: string }
    throw new Error(`${said}${stderr}`, { cause: error })
  })
  return stdout
}

const packageOf = (name: string): string => resolve('node_modules', name)

let directory: string
let server: ServerProcess

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'generated-'))
  server = await startServer(join(directory, 'data'))
  const document = await (await fetch(`${server.url}/api/openapi.json`)).text()
  await writeFile(join(directory, 'openapi.json'), document)
  const background = { r: 90, g: 120, b: 60 }
  await sharp({ create: { width: 640, height: 360, channels: 3, background } })
    .png()
    .toFile(join(directory, 'picture.png'))
})
afterAll(async () => {
  await server?.kill('SIGTERM')
  await rm(directory, { recursive: true, force: true })
})

it.each([
  [
    'openapi-typescript and openapi-fetch',
    ['--import', resolve('test/client/typescript-5.ts'), packageOf('openapi-typescript/bin/cli.js')],
    ['-o'],
    withOpenapiFetch,
  ],
  ['oazapfts', [packageOf('oazapfts/dist/cli.js')], [], withOazapfts],
])('a client made by %s compiles strictly, and makes a film', async (name, generator, to, program) => {
  // Where packages are found.
  const folder = await mkdtemp(join(await vitestFolder(), 'client-'))
  try {
    await run(folder, ...generator, join(directory, 'openapi.json'), ...to, 'client.ts')
    await writeFile(join(folder, 'film.ts'), program)
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: strictest }))
    await run(folder, packageOf('typescript/bin/tsc'), '-p', '.')
    const film = join(directory, `${name}.mp4`)
    await run(folder, 'film.ts', server.url, join(directory, 'picture.png'), film)
    expect((await readFile(film)).subarray(4, 8).toString()).toBe('ftyp')
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function vitestFolder(): Promise<string> {
  const folder = resolve('.vitest')
  await mkdir(folder, { recursive: true })
  return folder
}
