/** Events over three nodes: whoever listens, and wherever, hears each one once, in order and without a gap. */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import sharp from 'sharp'
import type { JobEvent } from '../../src/job/event.ts'
import { appendEvent, listEvents } from '../../src/store/events.ts'
import { type PostgresDatabase, openPostgres } from '../../src/store/postgres.ts'
import type { Workflow } from '../../src/wire.ts'
import { chunksOf, jsonOf } from '../harness/ask.ts'
import { eventsSettle } from '../harness/settled-events.ts'
import { until } from '../harness/until.ts'
import { readEvents } from '../http/event-source.ts'
import { type Site, newSite } from './nodes.ts'

/** Renders nothing: its jobs run, and fail at once. */
const refusing = {
  name: 'refusing',
  models: ['refusing'],
  maxConcurrency: 2,
  render: () => Promise.resolve({ kind: 'failed', retry: false, code: 'refused', reason: 'no' } as const),
}

let site: Site
let nodes: readonly Workflow[]
/** A program of the test's own, which holds transactions open. */
let outside: PostgresDatabase
let photo: string
/** What the subscribers of each node have heard. */
let heard: readonly number[][]

beforeAll(async () => {
  site = await newSite()
  const own = { renderers: [refusing] }
  const one = await site.open('one', own)
  nodes = [one, await site.open('two', own), await site.open('three', { ...own, env: { ROLE: 'api' } })]
  outside = await openPostgres({ connectionString: site.env('one')['DATABASE_URL']! })
  const image = sharp({ create: { width: 4, height: 3, channels: 3, background: '#123456' } })
  photo = (await one.takeAsset(chunksOf(await image.png().toBuffer()))).id
  heard = nodes.map(({ pubsub }) => {
    const ids: number[] = []
    pubsub.subscribe('*', ({ id }) => ids.push(id))
    return ids
  })
})
afterAll(async () => {
  await outside?.close()
  await site?.remove()
})

const createJob = async ({ coordinator }: Workflow, model = 'refusing'): Promise<number> => {
  const parameters = { photos: [{ asset_id: photo }], clip_duration: 1, resolution: '360p', model }
  return (await coordinator.createJob({ type: 'property_photos', parameters, force: true })).id
}

const get = (node: Workflow, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  Promise.resolve(node.app.request(`/api/v3${path}`, { headers: { host: '127.0.0.1', ...headers } }))

const idsOf = (events: readonly JobEvent[]): number[] => events.map(({ id }) => id)

/** The ids of all events, once they can be read. */
async function allIds(after = 0): Promise<number[]> {
  await eventsSettle(outside)
  return idsOf(await listEvents(outside, after, 100_000))
}

/** Every node's subscribers have heard exactly the log, from its first event on. */
async function allHeard(): Promise<void> {
  const all = await allIds()
  for (const ids of heard) {
    await until(() => ids.length >= all.length)
    expect(ids.slice(0, all.length)).toEqual(all)
  }
}

/** Appends events in a transaction that stays open for a while, and then commits or not. */
async function hold(turn: number): Promise<void> {
  const rolledBack = new Error('rolled back')
  await outside
    .transaction(async (tx) => {
      for (let n = 0; n < 3; n++) {
        await appendEvent(tx, { type: 'job_progress', jobId: 1, data: { turn, n } }, Date.now())
        await tx.get('select 1 as slept from pg_sleep($1::double precision / 1000)', [20 + (turn % 3) * 40])
      }
      if (turn % 4 === 3) throw rolledBack
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error
    })
}

const failed = async (node: Workflow, jobId: number): Promise<void> => {
  await expect(node.waitFor(jobId, { signal: AbortSignal.timeout(60_000) })).rejects.toThrow(/failed/)
}

describe('while jobs run on all nodes, and transactions are held open', () => {
  it('a client that moves between the nodes, and the subscribers of each, hear each event once and in order', async () => {
    const [start] = (await allIds()).slice(-1)
    let isOver = false
    const working = Promise.all([
      ...nodes.map(async (node, index) => {
        for (let job = 0; job < 4; job++) {
          const id = await createJob(node)
          await nodes[(index + 1) % nodes.length]!.coordinator.approveJob(id)
          await failed(nodes[(index + 2) % nodes.length]!, id)
        }
      }),
      ...[0, 1].map(async (first) => {
        for (let turn = first; turn < 12; turn += 2) await hold(turn)
      }),
    ]).then(() => (isOver = true))
    const ids: number[] = []
    let lastId = String(start ?? 0)
    const isAllRead = async (): Promise<boolean> => isOver && ids.at(-1) === (await allIds()).at(-1)
    for (let turn = 0; !(await isAllRead()); turn++) {
      const response = await get(nodes[turn % nodes.length]!, '/events', {
        accept: 'text/event-stream',
        'last-event-id': lastId,
      })
      const source = readEvents(response.body!)
      for (const { id } of await source.take(1)) ids.push(id)
      // Some break off in the middle of what was sent.
      for (let more = turn % 5; more > 0; more--) {
        const message = await Promise.race([source.next(), setTimeout(50)])
        if (!message) break
        ids.push(message.data.id)
      }
      lastId = String(ids.at(-1))
      await source.close()
    }
    await working
    expect(ids).toEqual(await allIds(start))
    await allHeard()
  })

  it('the nodes agree on the log, and on that of a job', async () => {
    const jobId = await createJob(nodes[1]!)
    await nodes[0]!.coordinator.cancelJob(jobId)
    const answers = async (path: string) => Promise.all(nodes.map((node) => jsonOf(get(node, path))))
    for (const path of ['/events?limit=500', `/jobs/${jobId}/events`]) {
      const [first, ...others] = await answers(path)
      expect(first.events.length).toBeGreaterThanOrEqual(3)
      for (const other of others) expect(other).toEqual(first)
    }
  })
})

it('who waits for a job on one node learns of its film from another', async () => {
  const [, two, three] = nodes as readonly [Workflow, Workflow, Workflow]
  const jobId = await createJob(two, 'local')
  const film = three.waitFor(jobId, { signal: AbortSignal.timeout(100_000) })
  await two.coordinator.approveJob(jobId)
  expect(await film).toMatchObject({ status: 'completed' })
})

describe('without the connection for hints', () => {
  /** Ends the connections that listen. */
  async function cut(): Promise<void> {
    const { rows } = await site.rows.query(
      `select pg_terminate_backend(pid) as ended from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and query ~ '^(listen|select pg_notify)'`,
    )
    expect(rows.length).toBeGreaterThanOrEqual(nodes.length)
  }

  it('everything is heard all the same within seconds, and the hints come back', async () => {
    await cut()
    const began = performance.now()
    const jobs = await Promise.all(nodes.map((node) => createJob(node)))
    await Promise.all(jobs.map((id, index) => nodes[index]!.coordinator.cancelJob(id)))
    await allHeard()
    expect(performance.now() - began).toBeLessThan(20_000)
    // By a hint again: far sooner than a node looks by itself.
    await until(async () => {
      const id = await createJob(nodes[0]!)
      const at = performance.now()
      const told = nodes[2]!.waitFor(id).catch(() => performance.now() - at)
      await nodes[1]!.coordinator.cancelJob(id)
      return Number(await told) < 1000
    })
  })
})
