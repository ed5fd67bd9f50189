/**
 * The whole paid path in one process on a clock that leaps, over a real SQLite, against the fake's own state machine.
 *
 * A life is one process. It can be killed at any await of what lies outside it (database, provider, clock, files): from
 * then on nothing that it waits for ever comes, and what it had asked for happens or not, as it was.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { ConfiguredBudgets } from '../../src/coordinator/admission/budget-snapshot.ts'
import type { DiskRoom } from '../../src/disk-full.ts'
import { createFetch } from '../../src/fake-replicate/fetch.ts'
import type { Entry } from '../../src/fake-replicate/ledger.ts'
import { type FakeOptions, type FakeProvider, createFakeProvider } from '../../src/fake-replicate/provider.ts'
import type { Host } from '../../src/host.ts'
import type { Catalogue } from '../../src/job/catalogue.ts'
import type { Database } from '../../src/store/database.ts'
import { insertAsset } from '../../src/store/assets.ts'
import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations/all.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type Clock, createClock } from '../clock.ts'
import { type PaidHouse, clipOf, openPaidHouse } from './house.ts'

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute

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
  /** How far the provider's clock is ahead of ours, ms. */
  readonly skewMs?: number
  /** Of the account that pays. */
  readonly token?: string
  /** Whether the provider begins a render once it has fetched its pictures from us. */
  readonly fetchesPictures?: boolean
  /** Another database than a fresh SQLite; empty. */
  readonly open?: () => Promise<Database>
}

export interface Life extends PaidHouse {
  /** Awaits of the outside so far. */
  readonly awaits: () => number
  readonly isDead: () => boolean
  /** As kill -9. */
  kill(): void
}

export interface World {
  readonly clock: Clock
  readonly database: Database
  readonly fake: FakeProvider
  readonly ledger: readonly Entry[]
  /** The artifacts, by id. */
  readonly kept: ReadonlyMap<string, Uint8Array>
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
    await fill(database)
    await database.close()
    return path
  })())

async function fill(database: Database): Promise<void> {
  await migrate(database, migrations)
  for (let index = 0; index < assets; index++)
    await database.transaction((tx) =>
      insertAsset(tx, {
        id: assetOf(index),
        contentType: 'image/jpeg',
        width: 4,
        height: 3,
        size: 1,
        master: assetOf(index),
        insertedAt: 0,
      }),
    )
}

async function openCopy(path: string): Promise<Database> {
  cpSync(await emptyDatabase(), path)
  return openSqlite({ path })
}

/** So long a provider waits for a picture. */
const pictureMs = 10_000

/** Turns of the event loop without anything happening, after which nothing will but by the clock. */
const quietTurns = 8

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const { seed = 1, maxConcurrency = 4, startDelayMs = 1000, isReached = true } = options
  const clock = createClock(seed)
  const directory = mkdtempSync(join(folder, 'paid-'))
  const path = join(directory, 'coordinator.db')
  const database = options.open ? await options.open() : await openCopy(path)
  if (options.open) await fill(database)
  const ledger: Entry[] = []
  const kept = new Map<string, Uint8Array>()
  let activity = 0
  let asked = 0
  let life: Life | undefined

  const fake = createFakeProvider({
    // Its clock is its own: nobody puts it back.
    host: { ...clock, now: () => Math.floor(clock.monotonic()) + (options.skewMs ?? 0) },
    options: { seed, ...options.fake },
    record: (entry) => void ledger.push(entry),
    clip: ({ id }) => Promise.resolve(clipOf(id)),
    ...(options.fetchesPictures && { fetchPicture: (url: string) => fetchPicture(url) }),
    async deliver({ url, headers, body }) {
      activity++
      if (!life || life.isDead()) throw new Error('nobody listens')
      const response = await life.app.request(url, { method: 'POST', headers: { ...headers }, body })
      return response.status
    },
  })

  const fetchPicture = async (url: string): Promise<void> => {
    activity++
    if (!life || life.isDead()) throw new Error('nobody listens')
    // Whether it is there is of no account: the signature was right, and the request was heard.
    const answer = life.app.request(url)
    // A process that dies meanwhile never answers.
    const late = new AbortController()
    const nothing = clock.sleep(pictureMs, late.signal).then(() => ({ status: 403 }))
    const { status } = await Promise.race([answer, nothing])
    late.abort()
    if (status === 403) throw new Error('it is refused')
  }

  const settle = async (): Promise<void> => {
    for (let quiet = 0, before = -1; quiet < quietTurns;) {
      await setImmediate()
      quiet = activity === before && asked === 0 ? quiet + 1 : 0
      before = activity
    }
  }

  const ended: (() => void)[] = []
  const world: World = {
    clock,
    database,
    fake,
    ledger,
    kept,
    get life() {
      return life
    },
    async start(kill) {
      const begun = begin({
        options: { ...options, maxConcurrency, startDelayMs, isReached },
        clock,
        database,
        kept,
        fetch: createFetch(fake),
        kill,
        onActivity: () => void activity++,
        onAsked: (by) => void (asked += by),
      })
      life = begun.life
      ended.push(begun.forget)
      // A start that is killed never ends.
      void begun.started.catch(() => undefined)
      await settle()
      return begun.life
    },
    settle,
    async run(done, untilMs) {
      // However somebody puts the wall clock.
      const deadline = clock.monotonic() + untilMs
      for (;;) {
        await settle()
        if (await done()) return true
        // It may have died while that was looked at, and nothing else would happen until somebody sees it.
        if (life?.isDead()) continue
        const next = clock.nextWakeAt()
        const left = deadline - clock.monotonic()
        if (next === undefined || next - clock.now() > left) {
          clock.advance(Math.max(0, left))
          await settle()
          return done()
        }
        clock.advance(Math.ceil(Math.max(0, next - clock.now())))
      }
    },
    async close() {
      life?.kill()
      for (const forget of ended) forget()
      await database.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return world
}

interface Birth {
  readonly options: WorldOptions &
    Required<Pick<WorldOptions, 'maxConcurrency' | 'startDelayMs' | 'isReached'>>
  readonly clock: Clock
  readonly database: Database
  readonly kept: Map<string, Uint8Array>
  readonly fetch: typeof fetch
  readonly kill: { readonly at: number; readonly when: 'before' | 'after' } | undefined
  readonly onActivity: () => void
  /** What a database is asked takes its time, in which nothing else may be moved on. */
  readonly onAsked: (by: 1 | -1) => void
}

function begin({
  options,
  clock,
  database: shared,
  kept,
  fetch: sharedFetch,
  kill,
  onActivity,
  onAsked,
}: Birth) {
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

  const listening = new Set<() => void>()
  /** Sleeps as the clock does; who is dead is let go of by the signals that would have woken him. */
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    if (!signal || signal.aborted) return clock.sleep(ms, signal)
    const own = new AbortController()
    const wake = (): void => own.abort()
    const forget = (): void => {
      signal.removeEventListener('abort', wake)
      listening.delete(forget)
    }
    signal.addEventListener('abort', wake)
    listening.add(forget)
    await clock.sleep(ms, own.signal)
    forget()
  }
  const host: Host = { ...clock, sleep: (ms, signal) => outsideOf(() => sleep(ms, signal)) }
  const asking = <T>(ask: () => Promise<T>): Promise<T> =>
    outsideOf(async () => {
      onAsked(1)
      try {
        return await ask()
      } finally {
        onAsked(-1)
      }
    })
  const database: Database = {
    dialect: shared.dialect,
    all: (...query) => asking(() => shared.all(...query)),
    get: (...query) => asking(() => shared.get(...query)),
    transaction: (work) => asking(() => shared.transaction(work)),
    snapshot: (work) => asking(() => shared.snapshot(work)),
    close: () => Promise.resolve(),
  }
  const fetch: typeof sharedFetch = (...request) => outsideOf(() => sharedFetch(...request))

  const house = openPaidHouse({ ...options, host, database, kept, fetch, api, outside, through: outsideOf })
  const started = house.start()
  const life: Life = {
    ...house,
    awaits: () => awaits,
    isDead: () => dead,
    kill: () => void (dead = true),
    async stop() {
      await house.stop()
      dead = true
    },
  }
  return {
    life,
    started,
    /** Node keeps signals that somebody listens to, and with them a life that has ended. */
    forget: (): void => listening.forEach((end) => end()),
  }
}
