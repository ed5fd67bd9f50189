/**
 * A harness with the paid path: the real follower, reconciler, HTTP edge and client of Replicate's API. FFmpeg alone is stood in
 * for: a clip is whole where its bytes are those that `clipOf` makes.
 */
import { Readable } from 'node:stream'
import { ArtifactError, type ArtifactStore } from '../../src/artifact/artifact.ts'
import { markOf } from '../../src/coordinator/attempt/reconcile.ts'
import type { ConfiguredBudgets } from '../../src/coordinator/admission/budget-snapshot.ts'
import { type DiskRoom, endlessRoom } from '../../src/disk-full.ts'
import type { Host } from '../../src/host.ts'
import { addressOf } from '../../src/http/edge/path.ts'
import { type Catalogue, readCatalogue } from '../../src/job/catalogue.ts'
import type { Clips, TakenOutcome } from '../../src/pipeline/clips.ts'
import { createFollowRender } from '../../src/pipeline/follow/follow-render.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import { leadReconciling } from '../../src/pipeline/follow/reconcile.ts'
import { createTakeClip, takingOptions } from '../../src/pipeline/take-clip.ts'
import type { Provider } from '../../src/renderer/provider.ts'
import { createReplicate } from '../../src/renderer/replicate/replicate.ts'
import { createUrlSigner, verifySignature } from '../../src/renderer/replicate/signature.ts'
import type { Database } from '../../src/store/database.ts'
import { type App, appOver, sha256 } from './ask.ts'
import { type Harness, createHarness } from './harness.ts'

const installation = { id: 'abcdefabcdef' }

/** What a simulation may be given, and each process of it begins with. */
export interface ProviderOptions {
  readonly token?: string
  readonly maxConcurrency?: number
  readonly startDelayMs?: number
  /** Whether the provider reaches us: then webhooks tell of renders, else polling alone does. */
  readonly isReached?: boolean
  readonly catalogue?: Catalogue
  readonly budgets?: ConfiguredBudgets
  /** What addresses are signed with; after the first, what counts too. */
  readonly secrets?: () => readonly string[]
  readonly maxTries?: number
  readonly room?: DiskRoom
  /** Called as FFmpeg would be, on a kept clip: it fails as this does. */
  readonly onFfmpeg?: (work: 'take' | 'fit') => void | Promise<void>
  /** What is fetched instead of each clip. */
  readonly bytes?: Uint8Array
  /** How each clip is less than was paid for. */
  readonly short?: string
  readonly shortClips?: 'hold' | 'take'
}

export interface ProviderParts extends ProviderOptions {
  readonly clock: Host
  readonly database: Database
  readonly fetch: typeof fetch
  /** Where Replicate's API is. */
  readonly api: string
  /** Where this process is reached from there. */
  readonly outside: string
  /** The artifacts, which outlive a process. */
  readonly kept?: Map<string, Uint8Array>
  /** What is waited for of this machine, one by one: a simulation may let nothing come of it. */
  readonly through?: <T>(ask: () => Promise<T>) => Promise<T>
}

export interface ProviderHarness extends Harness<Host> {
  readonly app: App
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

export function createProviderHarness(options: ProviderParts): ProviderHarness {
  const { clock: host, database, fetch, api, outside, catalogue = readCatalogue() } = options
  const { kept = new Map<string, Uint8Array>(), through = (ask) => ask() } = options
  const { maxConcurrency = 4, startDelayMs = 0, isReached = true, room = endlessRoom } = options
  const { secrets = () => ['signed with this'] } = options
  const signer = createUrlSigner({ secrets, now: () => host.now() })
  const replicate = createReplicate({
    baseUrl: api,
    token: options.token ?? 'r8_fake',
    maxConcurrency,
    startDelayMs,
    catalogue,
    inputUrl: (attemptId, n) => outside + addressOf.input(markOf(installation.id, attemptId), n, signer.sign),
    webhookUrl: isReached ? (attemptId) => outside + addressOf.webhook(attemptId, signer.sign) : undefined,
    host,
    fetch,
    fetchOutside: fetch,
  })
  const files = new Map<string, Uint8Array>()
  const provider: Provider = {
    ...replicate,
    fetchClip: (request, signal) => fetchInto(files, fetch, request, signal),
  }

  const { models } = provider
  const harness = createHarness({
    clock: host,
    database,
    catalogue,
    installationId: installation.id,
    renderers: [{ name: 'replicate', models, maxConcurrency, startDelayMs, task: 'follow-render' }],
    budgets: options.budgets ?? {},
    room,
    ...(options.maxTries !== undefined && { maxTries: options.maxTries }),
  })
  const { coordinator, engine, log } = harness

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
    inWorkspace: (use) =>
      use({
        directory: `folder ${++folders}`,
        localPath: (id) => Promise.resolve(`/${id}`),
        remove: () => Promise.resolve(),
      }),
  }
  const artifacts = {
    adopt: (path: string) =>
      through(() => {
        const bytes = bytesOf(path)!
        const id = sha256(bytes)
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
      isNotified: isReached,
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

  const app = appOver(harness, {
    artifacts,
    host,
    access: { keysRequired: false, ratePerMinute: 0 },
    hosts: [new URL(outside).hostname],
    gate: {
      isOurs: (text, proof) => signer.verify(text, proof) === 'valid',
      isProviders: async (message) =>
        verifySignature({ ...message, secrets: await replicate.webhookSecrets(), nowMs: host.now() }),
    },
  })

  return {
    ...harness,
    app,
    async start() {
      leadReconciling({ coordinator, providers: [provider], host, log, lead: engine.lead })
      await coordinator.start()
    },
    async stop() {
      await coordinator.stop()
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
