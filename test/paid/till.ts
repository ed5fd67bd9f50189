/** A world of the paid path, and somebody who talks to it over HTTP as a client does. */
import type { EndedEntry, PostEntry } from '../../src/fake-replicate/ledger.ts'
import type { FakeRequest, Reply } from '../../src/fake-replicate/reply.ts'
import { type World, type WorldOptions, assetOf, createWorld, hour } from './world.ts'

/** An answer, to be looked at rather than typed. */
export interface Answer {
  readonly status: number
  readonly body: any
}

export type Ask = (method: string, path: string, body?: unknown, key?: string) => Promise<Answer>

interface App {
  request(path: string, init: RequestInit): Response | Promise<Response>
}

/** Asks `app`; text goes as it stands, anything else as JSON; with `key`, where there is one. */
export const asking =
  (app: () => App): Ask =>
  async (method, path, body, key) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const response = await app().request(`/api/v3${path}`, {
      method,
      ...(text !== undefined && { body: text }),
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        }),
      },
    })
    return { status: response.status, body: JSON.parse(await response.text()) }
  }

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

export interface Till extends AsyncDisposable {
  readonly world: World
  readonly ask: Ask
  /** A pending job; a number is a scene of that picture. */
  job(scenes: readonly (number | object)[], members?: object): Promise<any>
  /** Of the revision that is there. @throws where it is refused */
  approve(jobId: number, body?: object): Promise<void>
  get(path: string): Promise<any>
  scenes(jobId: number): Promise<readonly any[]>
  /** Moves the time on until the job has ended, and answers it. */
  ended(jobId: number): Promise<any>
  /** Moves the time on until that is so. @throws where it doesn't come to it */
  until(done: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>
  /** Moves the time on. */
  pass(ms: number): Promise<void>
  /** The process dies, and after `downMs` another one begins; `change`: what is configured otherwise then. */
  reborn(downMs?: number, change?: Partial<WorldOptions>): Promise<void>
  /** What the provider was asked to render, and what it billed. */
  posts(): readonly PostEntry[]
  bills(): readonly EndedEntry[]
  billedUsd(): number
}

/** The provider answers what `answer` gives, where that is something, and as it would elsewhere. */
export function intercept(till: Till, answer: (request: FakeRequest) => Reply | undefined): void {
  const { fake } = till.world
  const { handle } = fake
  fake.handle = async (request) => answer(request) ?? handle(request)
}

export const asksForList = ({ method, url }: FakeRequest): boolean =>
  method === 'GET' && url.includes('/v1/predictions?')

const usd = (micros: number): number => Math.round(micros) / 1_000_000

export async function openTill(options: WorldOptions = {}): Promise<Till> {
  const configured: { -readonly [name in keyof WorldOptions]: WorldOptions[name] } = {
    startDelayMs: 0,
    ...options,
  }
  const world = await createWorld(configured)
  await world.start()
  const ask = asking(() => world.life!.app)
  const get = async (path: string): Promise<any> => {
    const { status, body } = await ask('GET', path)
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`)
    return body
  }
  const until: Till['until'] = async (done, withinMs = 3 * hour) => {
    if (!(await world.run(async () => done(), withinMs))) throw new Error('it does not come to that')
  }
  const bills = (): readonly EndedEntry[] => world.ledger.filter((entry) => entry.what === 'ended')
  return {
    world,
    ask,
    get,
    until,
    bills,
    posts: () => world.ledger.filter((entry) => entry.what === 'post'),
    billedUsd: () => usd(bills().reduce((sum, { billed_micros }) => sum + billed_micros, 0)),
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
    async ended(jobId) {
      await until(async () =>
        ['completed', 'failed', 'cancelled'].includes((await get(`/jobs/${jobId}`)).status),
      )
      return get(`/jobs/${jobId}`)
    },
    pass: (ms) => world.run(() => Promise.resolve(false), ms).then(() => undefined),
    async reborn(downMs = 0, change = {}) {
      world.life?.kill()
      // Step by step, as the provider goes on meanwhile.
      const { clock } = world
      const backAt = clock.now() + downMs
      for (let next = clock.nextWakeAt(); next !== undefined && next < backAt; next = clock.nextWakeAt()) {
        clock.advance(Math.ceil(Math.max(0, next - clock.now())))
        await world.settle()
      }
      clock.advance(Math.max(0, backAt - clock.now()))
      await world.settle()
      // Each life reads them anew.
      Object.assign(configured, change)
      await world.start()
    },
    [Symbol.asyncDispose]: () => world.close(),
  }
}
