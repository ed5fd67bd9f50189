/**
 * A real server between those who send pictures made to cost much, a provider whose clips are broken in every way, and a
 * user who only wants an answer: `npx node test/hostile/run.ts 600 1` (seconds, seed). It tells the server's memory, how
 * long the user waited, and whether anything that was paid for is lost.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { seeded } from '../../src/fake-replicate/chance.ts'
import type { Entry } from '../../src/fake-replicate/ledger.ts'
import { createFakeProvider } from '../../src/fake-replicate/provider.ts'
import { serveFake } from '../../src/fake-replicate/serve.ts'
import { systemHost } from '../../src/host.ts'
import { createMedia } from '../../src/media/pool.ts'
import { floodedPng, interlacedPng, scannedJpeg } from '../media/hostile-picture.ts'
import { sendFrom } from '../server/send-from.ts'
import { ask, type ServerProcess, startServer } from '../server/process.ts'
import { type ClipKind, clipKinds, makeClips } from './clips.ts'

const seconds = Number(process.argv[2] ?? 600)
const seed = Number(process.argv[3] ?? 1)
const random = seeded(seed)
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const directory = await mkdtemp(join(tmpdir(), 'hostile-run-'))
const media = createMedia({ host: systemHost })
const clips = await makeClips(media, directory)
await media.close()

/** What the provider gave, by the attempt that its prediction carries; and how it was made. */
const given = new Map<string, ClipKind>()
const entries: Entry[] = []
const provider = createFakeProvider({
  host: systemHost,
  options: { seed, startMs: 100, renderMs: [300, 1500] },
  record: (entry) => void entries.push(entry),
  clip: async () => {
    const kind = random() < 0.3 ? 'good' : pick(clipKinds)
    const bytes = clips.of(kind, random)
    given.set(sha256(bytes), kind)
    return bytes
  },
})
const fake = await serveFake((request) => provider.handle(request), 0)
const dataDir = join(directory, 'data')
const server = await startServer(dataDir, {
  REPLICATE_API_TOKEN: 'r8_fake',
  REPLICATE_BASE_URL: fake.url,
  REPLICATE_START_DELAY_MS: '300',
  RATE_LIMIT_PER_MINUTE: '0',
  MIN_FREE_DISK_MB: '0',
  LOG_LEVEL: 'warn',
})
server.ended.then(
  (end) => isOver || console.log(`THE SERVER ENDED: ${end}`),
  () => undefined,
)

let isOver = false
const until = performance.now() + seconds * 1000
const goesOn = (): boolean => performance.now() < until

const photograph = (): Promise<Buffer> =>
  sharp({
    create: {
      width: 1600,
      height: 1200,
      channels: 3,
      background: {
        r: Math.floor(random() * 256),
        g: Math.floor(random() * 256),
        b: Math.floor(random() * 256),
      },
    },
  })
    .jpeg()
    .toBuffer()

const costly: readonly (() => Buffer | Promise<Buffer>)[] = [
  () => scannedJpeg(10_000 - Math.floor(random() * 100), 90),
  () => scannedJpeg(10_000, 3000),
  () => interlacedPng(6000 + Math.floor(random() * 4000)),
  () => floodedPng('zTXt', 100 << 20),
  () => floodedPng('iCCP', 100 << 20),
  async () => {
    const bytes = await photograph()
    for (let change = 0; change < 20; change++)
      bytes[20 + Math.floor(random() * (bytes.length - 20))] = Math.floor(random() * 256)
    return bytes
  },
  async () => (await photograph()).subarray(0, 500),
  () => Buffer.from('\0\0\0\x20ftypavif\0\0\0\0avifmif1'),
]

const uploads = new Map<number, number>()
async function attack(localAddress: string): Promise<void> {
  while (goesOn()) {
    const { status } = await sendFrom(server, {
      localAddress,
      path: '/api/v3/assets',
      body: await pick(costly)(),
    })
    uploads.set(status, (uploads.get(status) ?? 0) + 1)
  }
}

/** Buys a scene at a time, and holds what becomes of it against what the provider gave. */
const jobs: number[] = []
async function buy(): Promise<void> {
  while (goesOn()) {
    const asset = await sendFrom(server, {
      localAddress: '127.0.0.4',
      path: '/api/v3/assets',
      body: await photograph(),
    })
    const { body: job } = await ask(server, 'POST', '/api/v3/jobs', {
      type: 'property_photos',
      parameters: {
        photos: [{ asset_id: asset.body.id, room: 'kitchen' }],
        model: 'google/veo-3.1-fast',
        clip_duration: 4,
      },
    })
    await ask(server, 'POST', `/api/v3/jobs/${job.job_id}/approve`)
    jobs.push(job.job_id)
    while (goesOn() && (await unended()).length > 4) await sleep(300)
  }
}

const unended = async (): Promise<readonly any[]> =>
  (await ask(server, 'GET', '/api/v3/jobs?status=approved,processing&limit=100')).body.jobs

const waitsMs: { readonly what: string; readonly ms: number }[] = []
async function use(): Promise<void> {
  const timed = async (what: string, request: () => Promise<unknown>): Promise<void> => {
    const begun = performance.now()
    await request()
    waitsMs.push({ what, ms: performance.now() - begun })
  }
  while (goesOn()) {
    await timed('list', () => ask(server, 'GET', '/api/v3/jobs?limit=20'))
    const last = jobs.at(-1)
    if (last !== undefined) await timed('job', () => ask(server, 'GET', `/api/v3/jobs/${last}`))
    await timed('ready', () => ask(server, 'GET', '/livez'))
    const body = await photograph()
    await timed('upload', () => sendFrom(server, { localAddress: '127.0.0.5', path: '/api/v3/assets', body }))
    await sleep(100)
  }
}

const memory = { server: 0, all: 0, processes: 0 }
async function watch(): Promise<void> {
  while (goesOn()) {
    const [own, ...others] = await familyOf(server.pid)
    memory.server = Math.max(memory.server, own ?? 0)
    memory.all = Math.max(
      memory.all,
      [own ?? 0, ...others].reduce((sum, one) => sum + one, 0),
    )
    memory.processes = Math.max(memory.processes, others.length)
    await sleep(200)
  }
}

/** Resident megabytes of a process and of its children, itself first. */
async function familyOf(pid: number): Promise<number[]> {
  const pids = [pid]
  for (const name of await readdir('/proc'))
    if (/^\d+$/.test(name) && (await statOf(name)).parent === pid) pids.push(Number(name))
  return Promise.all(pids.map(async (one) => (await statOf(String(one))).megabytes))
}

async function statOf(pid: string): Promise<{ parent: number; megabytes: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { parent: number('PPid'), megabytes: number('VmRSS') / 1024 }
}

async function settle(): Promise<void> {
  const deadline = performance.now() + 300_000
  while ((await unended()).length > 0 && performance.now() < deadline) await sleep(500)
}

/** Bytes that were billed are there: as the scene's clip, or as they came. */
async function lost(running: ServerProcess): Promise<string[]> {
  const wrong: string[] = []
  for (const id of jobs) {
    const { body: job } = await ask(running, 'GET', `/api/v3/jobs/${id}`)
    const { body } = await ask(running, 'GET', `/api/v3/jobs/${id}/scenes`)
    for (const scene of body.scenes) {
      if (job.costs.spent === 0) continue
      const clip = await fetch(`${running.url}/api/v3/videos/${id}/clips/${scene.id}`)
      const bytes = new Uint8Array(await clip.arrayBuffer())
      const isKept = clip.status === 200 && (scene.status === 'completed' || given.has(sha256(bytes)))
      const isEmpty =
        scene.status === 'failed' && clip.status === 404 && /empty/.test(JSON.stringify(scene.error))
      if (!isKept && !isEmpty)
        wrong.push(`job ${id}: ${scene.status}, ${clip.status}, ${JSON.stringify(scene.error)}`)
    }
    if (job.status !== 'completed' && job.status !== 'failed') wrong.push(`job ${id} is ${job.status}`)
  }
  return wrong
}

await Promise.all([attack('127.0.0.2'), attack('127.0.0.3'), buy(), use(), watch()])
await settle()
const wrong = await lost(server)
const posts = entries.filter(({ what }) => what === 'post').length
isOver = true
await server.kill('SIGTERM')
await fake.close()
await rm(directory, { recursive: true, force: true })

const kinds = [...given.values()].reduce(
  (counts, kind) => counts.set(kind, (counts.get(kind) ?? 0) + 1),
  new Map<string, number>(),
)
const sorted = waitsMs.toSorted((a, b) => a.ms - b.ms)
const at = (share: number): string => {
  const found = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return found ? `${Math.round(found.ms)} ms (${found.what})` : 'none'
}
console.log(`uploads by status: ${[...uploads].map(([status, count]) => `${status}: ${count}`).join(', ')}`)
console.log(`clips: ${[...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
console.log(`jobs ${jobs.length}, POSTs ${posts}`)
console.log(
  `memory: server ${Math.round(memory.server)} MB, with its ${memory.processes} media processes ${Math.round(memory.all)} MB`,
)
console.log(`${sorted.length} requests of the user: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`)
for (const what of wrong) console.log(what)
console.log(`${wrong.length} paid clips lost or jobs without an end`)
process.exitCode = wrong.length === 0 ? 0 : 1
