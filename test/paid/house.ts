/**
 * The paid path put together: the real coordinator, engine, follower, sweep, HTTP edge and client of Replicate's API.
 * FFmpeg alone is stood in for: a clip is whole where its bytes are those that `clipOf` makes.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { ArtifactError, type ArtifactStore } from '../../src/artifact/artifact.ts'
import { markOf } from '../../src/coordinator/accounts.ts'
import { type RunningCoordinator, createCoordinator } from '../../src/coordinator/coordinator.ts'
import type { ConfiguredBudgets } from '../../src/coordinator/treasury.ts'
import { type DiskRoom, endlessRoom } from '../../src/disk-full.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { createPubSub } from '../../src/events/pubsub.ts'
import type { Host } from '../../src/host.ts'
import { createApp } from '../../src/http/app.ts'
import { addressOf } from '../../src/http/edge/path.ts'
import { type Catalogue, readCatalogue } from '../../src/job/catalogue.ts'
import { createLog } from '../../src/log.ts'
import type { Clips, TakenOutcome } from '../../src/pipeline/clips.ts'
import { createFollowRender } from '../../src/pipeline/follow-render.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import { startSweep } from '../../src/pipeline/sweep.ts'
import { createTakeClip, takingOptions } from '../../src/pipeline/take-clip.ts'
import type { Provider } from '../../src/renderer/provider.ts'
import { createReplicate } from '../../src/renderer/replicate/replicate.ts'
import { createUrlSigner, verifySignature } from '../../src/renderer/replicate/signature.ts'
import type { Database } from '../../src/store/database.ts'

const installation = { id: 'abcdefabcdef' }

export interface PaidHouseOptions {
  readonly host: Host
  readonly database: Database
  readonly fetch: typeof fetch
  /** Where Replicate's API is. */
  readonly api: string
  readonly token?: string
  /** Where this house is reached from there. */
  readonly outside: string
  readonly maxConcurrency: number
  readonly startDelayMs: number
  /** Whether it is reached at all: then webhooks tell of renders, else polling alone does. */
  readonly isReached: boolean
  readonly catalogue?: Catalogue
  readonly budgets?: ConfiguredBudgets
  /** What addresses are signed with; after the first, what counts too. */
  readonly secrets?: () => readonly string[]
  readonly maxTries?: number
  readonly room?: DiskRoom
  /** The artifacts, which outlive a process. */
  readonly kept?: Map<string, Uint8Array>
  /** Called as FFmpeg would be, on a kept clip: it fails as this does. */
  readonly onFfmpeg?: ((work: 'take' | 'fit') => void | Promise<void>) | undefined
  /** What is fetched instead of each clip. */
  readonly bytes?: Uint8Array
  /** How each clip is less than was paid for. */
  readonly short?: string
  readonly shortClips?: 'hold' | 'take'
  /** What of the house's own is waited for, one by one: a world may let nothing come of it. */
  readonly through?: <T>(ask: () => Promise<T>) => Promise<T>
}

export interface PaidHouse {
  readonly coordinator: RunningCoordinator
  readonly engine: Engine
  readonly app: ReturnType<typeof createApp>
  /** Every message logged so far. */
  readonly lines: readonly string[]
  start(): Promise<void>
  /** As SIGTERM. */
  stop(): Promise<void>
}

/** What the fake makes of a prediction: whole exactly where all of it is there. */
export function clipOf(predictionId: string): Uint8Array {
  const text = `clip of ${predictionId} `
  return Buffer.from(`${text.repeat(40)}end`)
}

const isWhole = (bytes: Uint8Array): boolean => {
  const text = Buffer.from(bytes).toString()
  return text.startsWith('clip of ') && text.endsWith(' end')
}

export function openPaidHouse(options: PaidHouseOptions): PaidHouse {
  const { host, database, fetch, api, outside, catalogue = readCatalogue() } = options
  const { kept = new Map<string, Uint8Array>(), through = (ask) => ask() } = options
  const lines: string[] = []
  const log = createLog({
    level: 'info',
    destination: { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
  })
  const pubsub = createPubSub((error) => {
    throw error
  })
  const { secrets = () => ['signed with this'] } = options
  const signer = createUrlSigner({ secrets, now: () => host.now() })
  const replicate = createReplicate({
    baseUrl: api,
    token: options.token ?? 'r8_fake',
    maxConcurrency: options.maxConcurrency,
    startDelayMs: options.startDelayMs,
    catalogue,
    inputUrl: (attemptId, n) => outside + addressOf.input(markOf(installation.id, attemptId), n, signer.sign),
    webhookUrl: options.isReached
      ? (attemptId) => outside + addressOf.webhook(attemptId, signer.sign)
      : undefined,
    host,
    fetch,
    fetchOutside: fetch,
  })
  const files = new Map<string, Uint8Array>()
  const provider: Provider = {
    ...replicate,
    fetchClip: (request, signal) => fetchInto(files, fetch, request, signal),
  }

  const room = options.room ?? endlessRoom
  const engine = createEmbeddedEngine({ database, host, log })
  const coordinator = createCoordinator({
    database,
    engine,
    pubsub,
    host,
    log,
    catalogue,
    installationId: installation.id,
    renderers: [
      {
        name: 'replicate',
        models: provider.models,
        maxConcurrency: options.maxConcurrency,
        startDelayMs: options.startDelayMs,
        task: 'follow-render',
      },
    ],
    budgets: options.budgets ?? {},
    room,
    ...(options.maxTries === undefined ? {} : { maxTries: options.maxTries }),
  })

  const bytesOf = (path: string): Uint8Array | undefined => options.bytes ?? files.get(path)
  const verified = (bytes: Uint8Array | undefined, name: string): Promise<TakenOutcome> =>
    through(async () => {
      await options.onFfmpeg?.('take')
      if (!bytes) throw new ArtifactError('missing', `${name} is not there`)
      if (!isWhole(bytes))
        return { kind: 'failed', failure: { code: 'clip_damaged', reason: 'it is not whole' } }
      return { kind: 'taken', short: options.short ?? null }
    })
  const clips: Clips = {
    take: (source) => verified(kept.get(source), source),
    verify: (path) => verified(bytesOf(path), path),
    fit: (source) =>
      through(async () => {
        await options.onFfmpeg?.('fit')
        return { kind: 'clip' as const, clip: { clip: source, source, place: '' } }
      }),
    make: () => Promise.reject(new Error('nothing is rendered here')),
    fits: () => true,
  }
  let folders = 0
  const studio: Pick<Studio, 'picture' | 'inTurn' | 'inWorkspace'> = {
    picture: (master) => through(() => Promise.resolve(master)),
    inTurn: (work) => work(),
    inWorkspace: (use) => use(`folder ${++folders}`),
  }
  const artifacts = {
    localPath: (id: string) => Promise.resolve(`/${id}`),
    adopt: (path: string) =>
      through(() => {
        const bytes = bytesOf(path)!
        const id = createHash('sha256').update(bytes).digest('hex')
        kept.set(id, bytes)
        return Promise.resolve({ id, size: bytes.length })
      }),
    stat: (id: string) => {
      const bytes = kept.get(id)
      return Promise.resolve(bytes && { id, size: bytes.length, usedAt: host.now() })
    },
    read: (id: string) => Promise.resolve(Readable.from([kept.get(id)!])),
  } as Partial<ArtifactStore> as ArtifactStore

  const onExhausted = (_task: unknown, error: unknown): Promise<void> => Promise.reject(error)
  engine.handle(
    'follow-render',
    { concurrency: 100_000, maxTries: Number.POSITIVE_INFINITY, onExhausted },
    createFollowRender({
      coordinator,
      providers: [provider],
      artifacts,
      clips,
      studio,
      room,
      host,
      markOf: (attemptId) => markOf(installation.id, attemptId),
      isNotified: options.isReached,
      shortClips: options.shortClips ?? 'hold',
    }),
  )
  engine.handle(
    'take-clip',
    { concurrency: 10, ...takingOptions(coordinator) },
    createTakeClip({ coordinator, clips, studio }),
  )
  engine.handle('join-clips', { concurrency: 10, onExhausted }, () => Promise.resolve())
  engine.handle('stitch-film', { concurrency: 10, onExhausted }, async ({ jobId }) => {
    const job = await coordinator.job(jobId)
    if (job.status === 'processing') await coordinator.completeJob(jobId, new Uint8Array([1]), job.revision)
  })

  const app = createApp({
    coordinator,
    artifacts,
    takeAsset: () => Promise.reject(new Error('no assets are taken here')),
    log,
    host,
    access: { keysRequired: false, ratePerMinute: 0 },
    hosts: [new URL(outside).hostname],
    gate: {
      isOurs: signer.verify,
      isProviders: async (message) =>
        verifySignature({ ...message, secrets: await replicate.webhookSecrets(), nowMs: host.now() }),
    },
  })

  let sweep: ReturnType<typeof startSweep> | undefined
  return {
    coordinator,
    engine,
    app,
    lines,
    async start() {
      await coordinator.start()
      sweep = startSweep({ coordinator, providers: [provider], host, log })
    },
    async stop() {
      await coordinator.stop()
      await sweep?.stop()
      await engine.stop({ graceMs: 5000 })
    },
  }
}

/** Stands for the fetching to disk, which has tests of its own: every byte that was announced, or a reason. */
async function fetchInto(
  files: Map<string, Uint8Array>,
  fetch: typeof globalThis.fetch,
  { url, path }: Parameters<Provider['fetchClip']>[0],
  signal: AbortSignal,
): ReturnType<Provider['fetchClip']> {
  try {
    const response = await fetch(url, { signal })
    if (response.status === 404) return { kind: 'gone', reason: 'HTTP 404' }
    if (!response.ok) return { kind: 'failed', reason: `HTTP ${response.status}` }
    const bytes = new Uint8Array(await response.arrayBuffer())
    const announced = Number(response.headers.get('content-length'))
    if (bytes.length < announced) return { kind: 'failed', reason: `${bytes.length} of ${announced} bytes` }
    files.set(path, bytes)
    return { kind: 'fetched', size: bytes.length }
  } catch (error) {
    return { kind: 'failed', reason: String(error) }
  }
}
