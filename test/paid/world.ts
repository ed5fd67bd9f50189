/**
 * The whole paid path in one process on a clock that leaps: the real coordinator, engine, follower, sweep, HTTP edge for
 * webhooks and client of Replicate's API, over a real SQLite, against the fake's own state machine. What is stood in for
 * is FFmpeg alone: a clip is "whole" where its bytes are those the fake made.
 *
 * A life is one process. It can be killed at any await of what lies outside it (database, provider, clock, files): from
 * then on nothing that it waits for ever comes, and what it had asked for happens or not, as it was.
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import { markOf } from '../../src/coordinator/accounts.ts'
import type { ConfiguredBudgets } from '../../src/coordinator/treasury.ts'
import { type RunningCoordinator, createCoordinator } from '../../src/coordinator/coordinator.ts'
import { createEmbeddedEngine } from '../../src/engine/embedded.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { createPubSub } from '../../src/events/pubsub.ts'
import { createFetch } from '../../src/fake-replicate/fetch.ts'
import type { Entry } from '../../src/fake-replicate/ledger.ts'
import { type FakeOptions, type FakeProvider, createFakeProvider } from '../../src/fake-replicate/provider.ts'
import type { Host } from '../../src/host.ts'
import { createApp } from '../../src/http/app.ts'
import { addressOf } from '../../src/http/path.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { createLog } from '../../src/log.ts'
import type { ClipOutcome, Clips } from '../../src/pipeline/clips.ts'
import { createFollowRender } from '../../src/pipeline/follow-render.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import { startSweep } from '../../src/pipeline/sweep.ts'
import { createTakeClip } from '../../src/pipeline/take-clip.ts'
import type { Provider } from '../../src/renderer/provider.ts'
import { createReplicate } from '../../src/renderer/replicate/replicate.ts'
import { createUrlSigner, verifySignature } from '../../src/renderer/replicate/signature.ts'
import type { Database } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type Clock, createClock } from '../clock.ts'

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute

const installation = { id: 'abcdefabcdef', secret: 'signed with this' }
const api = 'https://api.replicate.test'
const outside = 'https://coordinator.test'

export const assetOf = (index: number): string => index.toString(16).padStart(64, '0')
export const assets = 8

export interface WorldOptions {
  readonly seed?: number
  readonly fake?: FakeOptions
  readonly maxConcurrency?: number
  readonly startDelayMs?: number
  /** Whether the provider reaches us: then webhooks tell of renders, else polling alone does. */
  readonly isReached?: boolean
  readonly budgets?: ConfiguredBudgets
  readonly maxTries?: number
}

export interface Life {
  readonly coordinator: RunningCoordinator
  readonly engine: Engine
  readonly app: ReturnType<typeof createApp>
  readonly lines: readonly string[]
  /** Awaits of the outside so far. */
  readonly awaits: () => number
  readonly isDead: () => boolean
  /** As kill -9. */
  kill(): void
  /** As SIGTERM. */
  stop(): Promise<void>
}

export interface World {
  readonly clock: Clock
  readonly database: Database
  readonly fake: FakeProvider
  readonly ledger: readonly Entry[]
  /** The life that runs now; undefined between two. */
  readonly life: Life | undefined
  /** Starts a process; `killAt`: it dies at that await, before or after what it asked for has happened. */
  start(kill?: { readonly at: number; readonly when: 'before' | 'after' }): Promise<Life>
  /** Lets everything go on that needs no time. */
  settle(): Promise<void>
  /** Moves the time on until `done`, or to `untilMs` from now; tells whether it came to that. */
  run(done: () => Promise<boolean>, untilMs: number): Promise<boolean>
  close(): Promise<void>
}

/** In memory where there is such a folder: here nothing is said about disks. */
const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

let template: Promise<string> | undefined

/** An empty database, made once and copied. */
const emptyDatabase = (): Promise<string> =>
  (template ??= (async () => {
    const directory = mkdtempSync(join(folder, 'paid-template-'))
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    const path = join(directory, 'coordinator.db')
    const database = openSqlite({ path })
    await migrate(database, migrations)
    for (let index = 0; index < assets; index++)
      await database.transaction((tx) =>
        tx.run(
          `insert into assets (id, content_type, width, height, size, master, inserted_at)
           values ($1, 'image/jpeg', 4, 3, 1, $1, 0)`,
          [assetOf(index)],
        ),
      )
    await database.close()
    return path
  })())

/** Turns of the event loop without anything happening, after which nothing will but by the clock. */
const quietTurns = 8

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const { seed = 1, maxConcurrency = 4, startDelayMs = 1000, isReached = true } = options
  const clock = createClock(seed)
  const directory = mkdtempSync(join(folder, 'paid-'))
  const path = join(directory, 'coordinator.db')
  cpSync(await emptyDatabase(), path)
  const database = openSqlite({ path })
  const ledger: Entry[] = []
  let activity = 0
  let life: Life | undefined

  const fake = createFakeProvider({
    host: clock,
    options: { seed, ...options.fake },
    record: (entry) => void ledger.push(entry),
    clip: async ({ id }) => clipOf(id),
    async deliver({ url, headers, body }) {
      activity++
      if (!life || life.isDead()) throw new Error('nobody listens')
      const response = await life.app.request(url, { method: 'POST', headers: { ...headers }, body })
      return response.status
    },
  })

  const settle = async (): Promise<void> => {
    for (let quiet = 0, before = -1; quiet < quietTurns; ) {
      await setImmediate()
      quiet = activity === before ? quiet + 1 : 0
      before = activity
    }
  }

  const world: World = {
    clock,
    database,
    fake,
    ledger,
    get life() {
      return life
    },
    async start(kill) {
      const begun = begin({
        options: { ...options, maxConcurrency, startDelayMs, isReached },
        clock,
        database,
        fetch: createFetch(fake),
        kill,
        onActivity: () => void activity++,
      })
      life = begun.life
      // A start that is killed never ends.
      void begun.started.catch(() => undefined)
      await settle()
      return begun.life
    },
    settle,
    async run(done, untilMs) {
      const deadline = clock.now() + untilMs
      for (;;) {
        await settle()
        if (await done()) return true
        // It may have died while that was looked at, and nothing else would happen until somebody sees it.
        if (life?.isDead()) continue
        const next = clock.nextWakeAt()
        if (next === undefined || next > deadline) {
          clock.advance(Math.max(0, deadline - clock.now()))
          await settle()
          return done()
        }
        clock.advance(Math.ceil(Math.max(0, next - clock.now())))
      }
    },
    async close() {
      life?.kill()
      await database.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return world
}

/** What the fake makes of a prediction: whole exactly where all of it is there. */
function clipOf(predictionId: string): Uint8Array {
  const text = `clip of ${predictionId} `
  return Buffer.from(`${text.repeat(40)}end`)
}

const isWhole = (bytes: Uint8Array): boolean => {
  const text = Buffer.from(bytes).toString()
  return text.startsWith('clip of ') && text.endsWith(' end')
}

interface Birth {
  readonly options: WorldOptions & Required<Pick<WorldOptions, 'maxConcurrency' | 'startDelayMs' | 'isReached'>>
  readonly clock: Clock
  readonly database: Database
  readonly fetch: typeof fetch
  readonly kill: { readonly at: number; readonly when: 'before' | 'after' } | undefined
  readonly onActivity: () => void
}

function begin({ options, clock, database: shared, fetch: sharedFetch, kill, onActivity }: Birth) {
  let awaits = 0
  let dead = false
  const never = new Promise<never>(() => undefined)

  /** An await of something outside: the process may die before it is asked for, or after it has happened. */
  const outsideOf = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (dead) return never
    onActivity()
    const mine = ++awaits
    if (kill?.at === mine && kill.when === 'before') dead = true
    if (dead) return never
    try {
      const answer = await ask()
      if (kill?.at === mine) dead = true
      return dead ? await never : answer
    } catch (error) {
      if (dead) return await never
      throw error
    } finally {
      onActivity()
    }
  }

  const host: Host = { ...clock, sleep: (ms, signal) => outsideOf(() => clock.sleep(ms, signal)) }
  const database: Database = {
    dialect: shared.dialect,
    all: (...query) => outsideOf(() => shared.all(...query)),
    get: (...query) => outsideOf(() => shared.get(...query)),
    transaction: (work) => outsideOf(() => shared.transaction(work)),
    close: () => Promise.resolve(),
  }
  const fetch: typeof sharedFetch = (...request) => outsideOf(() => sharedFetch(...request))

  const lines: string[] = []
  const log = createLog({
    level: 'info',
    destination: { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
  })
  const pubsub = createPubSub((error) => {
    throw error
  })
  const signer = createUrlSigner(installation.secret)
  const catalogue = readCatalogue()
  const replicate = createReplicate({
    baseUrl: api,
    token: 'r8_fake',
    maxConcurrency: options.maxConcurrency,
    startDelayMs: options.startDelayMs,
    catalogue,
    // Pictures are told by their addresses, which nobody fetches here.
    inputUrl: (attemptId, n) => outside + addressOf.input(markOf(installation.id, attemptId), n, signer.sign),
    webhookUrl: options.isReached ? (attemptId) => outside + addressOf.webhook(attemptId, signer.sign) : undefined,
    host,
    fetch,
  })
  const files = new Map<string, Uint8Array>()
  const provider: Provider = { ...replicate, fetchClip: (request, signal) => fetchInto(files, fetch, request, signal) }

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
    ...(options.maxTries === undefined ? {} : { maxTries: options.maxTries }),
  })

  const clips: Clips = {
    keep: (path) =>
      outsideOf(async (): Promise<ClipOutcome> => {
        const bytes = files.get(path) ?? new Uint8Array()
        if (!isWhole(bytes))
          return { kind: 'failed', failure: { code: 'clip_damaged', reason: 'it is not whole' } }
        const id = createHash('sha256').update(bytes).digest('hex')
        return { kind: 'clip', clip: { clip: id, source: id, place: '' } }
      }),
    fit: (source) =>
      outsideOf(() =>
        Promise.resolve({ kind: 'clip' as const, clip: { clip: source, source, place: '' } }),
      ),
    fits: () => true,
  }
  let folders = 0
  const studio: Pick<Studio, 'picture' | 'inTurn' | 'inWorkspace'> = {
    picture: (master) => outsideOf(() => Promise.resolve(master)),
    inTurn: (work) => work(),
    inWorkspace: (use) => use(`folder ${++folders}`),
  }
  const artifacts = {
    localPath: (id: string) => Promise.resolve(`/${id}`),
  } as Partial<ArtifactStore> as ArtifactStore

  const onExhausted = (_task: unknown, error: unknown): Promise<void> => Promise.reject(error as Error)
  engine.handle(
    'follow-render',
    { concurrency: 1000, maxTries: Number.POSITIVE_INFINITY, onExhausted },
    createFollowRender({
      coordinator,
      providers: [provider],
      artifacts,
      clips,
      studio,
      host,
      markOf: (attemptId) => markOf(installation.id, attemptId),
      isNotified: options.isReached,
    }),
  )
  engine.handle('take-clip', { concurrency: 10, onExhausted }, createTakeClip({ coordinator, clips, studio }))
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
    hosts: [new URL(outside).hostname],
    gate: {
      isOurs: signer.verify,
      isProviders: async (message) =>
        verifySignature({ ...message, secrets: await replicate.webhookSecrets(), nowMs: host.now() }),
    },
  })

  let sweep: ReturnType<typeof startSweep> | undefined
  const started = coordinator.start().then(() => {
    if (!dead) sweep = startSweep({ coordinator, providers: [provider], host, log })
  })
  const life: Life = {
    coordinator,
    engine,
    app,
    lines,
    awaits: () => awaits,
    isDead: () => dead,
    kill: () => void (dead = true),
    async stop() {
      await coordinator.stop()
      await sweep?.stop()
      await engine.stop({ graceMs: 5000 })
      dead = true
    },
  }
  return { life, started }
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
