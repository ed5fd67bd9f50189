/**
 * A harness that makes films of a few bytes each and removes what is old, on a clock that the test moves. Every clip and
 * film has bytes of its own, unless equal ones are asked for.
 */
import type { RetentionLimits } from '../../src/job/storage.ts'
import { type Prune, createPrune } from '../../src/retention/prune.ts'
import { type Clock, createClock } from '../clock.ts'
import { type AppHarness, openAppHarness } from './app.ts'
import { type App, type Ask, asking } from './ask.ts'
import { hour } from './harness.ts'

export const filmBytes = 1000
export const clipBytes = 100

export interface PruneHarness extends Omit<AppHarness<Clock>, 'job' | 'keep'> {
  readonly app: App
  readonly ask: Ask
  readonly prune: Prune
  /** An hour later, after the look that is due. */
  nextHour(): Promise<void>
  /** The parts of the store that were walked through. */
  readonly listed: readonly string[]
  /** Keeps bytes as a task does, without a row that names them. */
  keep(bytes: string): Promise<string>
  /** A pending job that shows these pictures. */
  job(pictures: readonly string[], members?: object): Promise<number>
}

export const keepAll: RetentionLimits = {
  eventsDays: null,
  filmsDays: null,
  clipsDays: null,
  inputsDays: null,
  maxStoredBytes: null,
}

export async function openPruneHarness(limits: Partial<RetentionLimits>): Promise<PruneHarness> {
  let made = 0
  const makes = {
    clip: () => `clip ${++made}`.padEnd(clipBytes),
    film: () => `film ${++made}`.padEnd(filmBytes),
    thumbnail: () => `thumbnail ${made}`,
  }
  const clock = createClock()
  const harness = await openAppHarness({ clock, makes })
  const { artifacts, closing, coordinator, log } = harness
  await harness.start()

  const listed: string[] = []
  let asleep = Promise.withResolvers<void>()
  let wake = (): void => {}
  /** It looks when the test says so. */
  const sleep = (_ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      signal?.addEventListener('abort', () => resolve(), { once: true })
      asleep.resolve()
    })
  const ended = new AbortController()
  const prune = createPrune({
    coordinator,
    artifacts: {
      ...artifacts,
      list(prefix) {
        listed.push(prefix)
        return artifacts.list(prefix)
      },
    },
    limits: { ...keepAll, ...limits },
    host: { ...clock, sleep },
    log,
    freeBytes: () => Promise.resolve(5e9),
    lead: (_name, run) => void run(ended.signal),
  })
  closing.defer(() => {
    ended.abort()
    return prune.stop()
  })
  const app = harness.appWith({ storage: prune, host: clock })
  const ask = asking(() => app)
  return {
    ...harness,
    app,
    ask,
    prune,
    listed,
    async nextHour() {
      await asleep.promise
      asleep = Promise.withResolvers()
      clock.advance(hour)
      wake()
      await asleep.promise
    },
    keep: async (bytes) => (await harness.keep(bytes)).id,
    async job(pictures, members = {}) {
      const { status, body } = await ask('POST', '/jobs', {
        type: 'property_photos',
        parameters: { photos: pictures.map((asset_id) => ({ asset_id })), transition: 'cut' },
        ...members,
      })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return body.job_id
    },
  }
}
