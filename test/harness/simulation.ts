/**
 * The whole paid path in one process on a clock that leaps, over a real database, against the fake provider's own state
 * machine; and somebody who talks to it over HTTP as a client does. Its processes die and are begun anew.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { EndedEntry, Entry, PostEntry } from '../../src/fake-replicate/ledger.ts'
import { type FakeOptions, type FakeProvider, createFakeProvider } from '../../src/fake-replicate/provider.ts'
import type { FakeRequest, Reply } from '../../src/fake-replicate/reply.ts'
import type { Attempt } from '../../src/job/attempt.ts'
import { attemptOf } from '../../src/store/attempts.ts'
import type { Database } from '../../src/store/database.ts'
import { type Clock, createClock } from '../clock.ts'
import { createFetch } from '../fake-replicate/fetch.ts'
import { type Ask, asking } from './ask.ts'
import { addAssets, memoryFolder, migrated, openDatabase, assetOf, assets } from './data.ts'
import { hour } from './harness.ts'
import { type Kill, type Life, beginLife } from './life.ts'
import { type ProviderOptions, clipOf } from './provider.ts'

export const veo = 'google/veo-3.1-fast'

/** Of one render of `sceneOf`: 4 s at 720p without sound. */
export const priceUsd = 0.4

export const sceneOf = (picture: number, members: object = {}) => ({
  asset_ids: [assetOf(picture)],
  duration: 4,
  model: veo,
  prompt: 'A slow look around.',
  ...members,
})

/** What asks for a film of these scenes; a number is a scene of that picture. */
export const requestOf = (scenes: readonly (number | object)[], members: object = {}) => ({
  type: 'property_photos',
  parameters: { transition: 'cut' },
  storyboard: { scenes: scenes.map((scene) => (typeof scene === 'number' ? sceneOf(scene) : scene)) },
  ...members,
})

export interface SimulationOptions extends ProviderOptions {
  readonly seed?: number
  readonly fake?: FakeOptions
  /** How far the provider's clock is ahead of ours, ms. */
  readonly skewMs?: number
  /** Whether the provider begins a render once it has fetched its pictures from us. */
  readonly fetchesPictures?: boolean
  /** Opens another database than a fresh one of this run; empty. */
  readonly open?: (folder: string) => Promise<Database>
}

export interface Simulation extends AsyncDisposable {
  readonly clock: Clock
  readonly database: Database
  readonly fake: FakeProvider
  readonly ledger: readonly Entry[]
  /** The artifacts, by id. */
  readonly kept: ReadonlyMap<string, Uint8Array>
  /** The process that runs now, or the last one that did. */
  readonly life: Life
  /** Starts another process; with `change`, what is configured otherwise from now on. */
  start(kill?: Kill, change?: ProviderOptions): Promise<Life>
  /** The process dies, and after `downMs` another one begins. */
  reborn(downMs?: number, change?: ProviderOptions): Promise<void>
  /** Lets everything go on that needs no time. */
  settle(): Promise<void>
  /** Moves the time on until `done`, or to `untilMs` from now; resolves to whether it came to that. */
  run(done: () => Promise<boolean>, untilMs: number): Promise<boolean>
  /** Moves the time on until that is so. @throws where it doesn't come to it */
  until(done: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>
  /** Moves the time on. */
  pass(ms: number): Promise<void>
  readonly ask: Ask
  get(path: string): Promise<any>
  /** A pending job; a number is a scene of that picture. */
  job(scenes: readonly (number | object)[], members?: object): Promise<any>
  /** Of the revision that is there. @throws where it is refused */
  approve(jobId: number, body?: object): Promise<void>
  scenes(jobId: number): Promise<readonly any[]>
  attempts(jobId: number): Promise<readonly Attempt[]>
  /** Moves the time on until the job has ended, and answers it. */
  ended(jobId: number): Promise<any>
  /** What the provider was asked to render, and what it billed. */
  posts(): readonly PostEntry[]
  bills(): readonly EndedEntry[]
  billedUsd(): number
}

/** The provider answers what `answer` gives, where that is something, and as it would elsewhere. */
export function intercept({ fake }: Simulation, answer: (request: FakeRequest) => Reply | undefined): void {
  const { handle } = fake
  fake.handle = async (request) => answer(request) ?? handle(request)
}

export const asksForList = ({ method, url }: FakeRequest): boolean =>
  method === 'GET' && url.includes('/v1/predictions?')

/** So long a provider waits for a picture. */
const pictureMs = 10_000

/** Turns of the event loop without anything happening, after which nothing will but by the clock. */
const quietTurns = 8

const usd = (micros: number): number => Math.round(micros) / 1_000_000

/** Its first process runs. */
export async function openSimulation(options: SimulationOptions = {}): Promise<Simulation> {
  const {
    seed = 1,
    fake: fakeOptions,
    skewMs = 0,
    fetchesPictures,
    open = openDatabase,
    ...configured
  } = options
  const clock = createClock(seed)
  const folder = mkdtempSync(join(memoryFolder, 'simulation-'))
  const database = await migrated(await open(folder))
  await addAssets(database, assets)
  const ledger: Entry[] = []
  const kept = new Map<string, Uint8Array>()
  const forgets: (() => void)[] = []
  let configuration: ProviderOptions = configured
  let activity = 0
  let asked = 0
  let life: Life | undefined

  const listening = (): Life => {
    activity++
    if (!life || life.isDead()) throw new Error('nobody listens')
    return life
  }
  const fetchPicture = async (url: string): Promise<void> => {
    // Whether it is there is of no account: the signature was right, and the request was heard.
    const answer = listening().app.request(url)
    // A process that dies meanwhile never answers.
    const late = new AbortController()
    const nothing = clock.sleep(pictureMs, late.signal).then(() => ({ status: 403 }))
    const { status } = await Promise.race([answer, nothing])
    late.abort()
    if (status === 403) throw new Error('it is refused')
  }
  const fake = createFakeProvider({
    // Its clock is its own: nobody puts it back.
    host: { ...clock, now: () => Math.floor(clock.monotonic()) + skewMs },
    options: { seed, ...fakeOptions },
    record: (entry) => void ledger.push(entry),
    clip: ({ id }) => Promise.resolve(clipOf(id)),
    ...(fetchesPictures && { fetchPicture }),
    async deliver({ url, headers, body }) {
      const message = { method: 'POST', headers: { ...headers }, body }
      return (await listening().app.request(url, message)).status
    },
  })

  const settle = async (): Promise<void> => {
    for (let quiet = 0, before = -1; quiet < quietTurns;) {
      await setImmediate()
      quiet = activity === before && asked === 0 ? quiet + 1 : 0
      before = activity
    }
  }
  const start: Simulation['start'] = async (kill, change = {}) => {
    configuration = { ...configuration, ...change }
    const begun = beginLife({
      options: configuration,
      clock,
      database,
      kept,
      fetch: createFetch(fake),
      kill,
      onActivity: () => void activity++,
      onAsked: (by) => void (asked += by),
    })
    life = begun.life
    forgets.push(begun.forget)
    // A start that is killed never ends.
    void begun.started.catch(() => undefined)
    await settle()
    return begun.life
  }
  const run: Simulation['run'] = async (done, untilMs) => {
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
  }
  const until: Simulation['until'] = async (done, withinMs = 3 * hour) => {
    if (!(await run(async () => done(), withinMs))) throw new Error('it does not come to that')
  }

  const ask = asking(() => life!.app)
  const get = async (path: string): Promise<any> => {
    const { status, body } = await ask('GET', path)
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`)
    return body
  }
  const bills = (): readonly EndedEntry[] => ledger.filter((entry) => entry.what === 'ended')
  await start()
  return {
    clock,
    database,
    fake,
    ledger,
    kept,
    get life() {
      return life!
    },
    start,
    async reborn(downMs = 0, change = {}) {
      life?.kill()
      // Step by step, as the provider goes on meanwhile.
      const backAt = clock.now() + downMs
      for (let next = clock.nextWakeAt(); next !== undefined && next < backAt; next = clock.nextWakeAt()) {
        clock.advance(Math.ceil(Math.max(0, next - clock.now())))
        await settle()
      }
      clock.advance(Math.max(0, backAt - clock.now()))
      await settle()
      await start(undefined, change)
    },
    settle,
    run,
    until,
    pass: (ms) => run(() => Promise.resolve(false), ms).then(() => undefined),
    ask,
    get,
    async job(scenes, members) {
      const { status, body } = await ask('POST', '/jobs', requestOf(scenes, members))
      if (status !== 201) throw new Error(JSON.stringify(body))
      return body
    },
    async approve(jobId, body) {
      const { revision } = await get(`/jobs/${jobId}`)
      const answer = await ask('POST', `/jobs/${jobId}/approve`, { revision, ...body })
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    },
    scenes: async (jobId) => (await get(`/jobs/${jobId}/scenes`)).scenes,
    attempts: async (jobId) =>
      (await database.all('select * from attempts where job_id = $1', [jobId])).map(attemptOf),
    async ended(jobId) {
      await until(async () =>
        ['completed', 'failed', 'cancelled'].includes((await get(`/jobs/${jobId}`)).status),
      )
      return get(`/jobs/${jobId}`)
    },
    bills,
    posts: () => ledger.filter((entry) => entry.what === 'post'),
    billedUsd: () => usd(bills().reduce((sum, { billed_micros }) => sum + billed_micros, 0)),
    async [Symbol.asyncDispose]() {
      life?.kill()
      for (const forget of forgets) forget()
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
