/** What one node does while its database is gone, silent, full or elsewhere: over HTTP, with a PostgreSQL of its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createJob, jobUntil, picture, upload } from '../server/process.ts'
import { type OutageNode, type Server, openNode, openServer, tell, until } from './outage-node.ts'

/** How long a request may wait for a database that does not answer. */
const boundMs = 15_000

let server: Server
beforeAll(async () => {
  server = await openServer()
})
afterAll(() => server.close())

const withNode =
  (use: (node: OutageNode) => Promise<void>, options?: Parameters<typeof openNode>[1]) =>
  async (): Promise<void> => {
    const node = await openNode(server, options)
    try {
      await use(node)
    } finally {
      await node.close()
    }
  }

const asServer = ({ url }: OutageNode) => ({ url }) as Parameters<typeof createJob>[0]
const isReady = async (one: OutageNode): Promise<boolean> =>
  (await tell(one, 'GET', '/readyz', { withinMs: 5000 })).status === 200

const jobOf = async (one: OutageNode): Promise<object> => ({
  type: 'property_photos',
  parameters: {
    photos: [{ asset_id: await upload(asServer(one), await picture(40)), room: 'hall' }],
    clip_duration: 1,
    resolution: '360p',
  },
})

/** Both a read and a change are refused in bounded time, as something to be sent again. */
async function expectUnavailable(one: OutageNode, body: object): Promise<void> {
  const answers = await Promise.all([
    tell(one, 'GET', '/api/v3/jobs'),
    tell(one, 'POST', '/api/v3/jobs', { body, key: 'during' }),
    tell(one, 'GET', '/readyz'),
  ])
  for (const { status, retryAfter, tookMs } of answers.slice(0, 2)) {
    expect({ status, isBounded: tookMs < boundMs }).toEqual({ status: 503, isBounded: true })
    expect(Number(retryAfter)).toBeGreaterThan(0)
  }
  expect(answers[2].status).toBe(503)
  expect((await tell(one, 'GET', '/livez')).status).toBe(200)
}

async function countJobs(one: OutageNode): Promise<number> {
  const { body } = await tell(one, 'GET', '/api/v3/jobs')
  return body.jobs.length
}

it(
  'answers 503 with Retry-After while the database is stopped, and then goes on with its job by itself',
  withNode(async (node) => {
    const body = await jobOf(node)
    const jobId = await createJob(asServer(node), 2)
    await tell(node, 'POST', `/api/v3/jobs/${jobId}/approve`)
    await jobUntil(asServer(node), jobId, ({ status }) => status === 'processing')
    await server.postgres.stop('fast')
    await expectUnavailable(node, body)
    await server.postgres.start()
    await until('it is ready again', () => isReady(node), 20_000)
    const { scenes } = await jobUntil(asServer(node), jobId, ({ status }) => status === 'completed')
    expect(scenes.map(({ status }) => status)).toEqual(['completed', 'completed'])
    expect(await countJobs(node)).toBe(1)
  }),
)

describe.concurrent('while the database', () => {
  it(
    'gives no answer, it notices within seconds, and recovers when it answers again',
    withNode(async (node) => {
      const body = await jobOf(node)
      node.door.set('stalled')
      await expectUnavailable(node, body)
      node.door.set('open')
      await until('it is ready again', () => isReady(node), 20_000)
      expect((await tell(node, 'POST', '/api/v3/jobs', { body, key: 'during' })).status).toBe(201)
      expect(await countJobs(node)).toBe(1)
    }),
  )

  it(
    'answers new connections alone, it gives the old ones up within seconds',
    withNode(async (node) => {
      const body = await jobOf(node)
      node.door.abandon()
      const read = await tell(node, 'GET', '/api/v3/jobs')
      const made = await tell(node, 'POST', '/api/v3/jobs', { body, key: 'once' })
      expect([read.status, made.status]).toEqual([200, 201])
      expect(read.tookMs + made.tookMs).toBeLessThan(boundMs)
      const jobId = made.body.job_id
      await tell(node, 'POST', `/api/v3/jobs/${jobId}/approve`)
      await jobUntil(asServer(node), jobId, ({ status }) => status === 'completed')
    }),
  )

  it(
    'is silent, a stop ends in time',
    withNode(async (node) => {
      node.door.set('stalled')
      const begun = performance.now()
      await node.close()
      expect(performance.now() - begun).toBeLessThan(40_000)
    }),
  )
})

describe.concurrent('a change whose', () => {
  it(
    'connection is reset has its effect once, with an Idempotency-Key',
    withNode(async (node) => {
      const body = await jobOf(node)
      const ids = new Set<number>()
      for (let n = 0; n < 10; n++) {
        const dropping = sleep(n * 4).then(() => node.door.drop())
        const first = await tell(node, 'POST', '/api/v3/jobs', { body, key: `reset-${n}` })
        await dropping
        const again = await tell(node, 'POST', '/api/v3/jobs', { body, key: `reset-${n}` })
        expect([201, 503]).toContain(first.status)
        expect(again.status).toBe(201)
        ids.add(again.body.job_id)
        const approval = `/api/v3/jobs/${again.body.job_id}/approve`
        const dropped = sleep(n * 2).then(() => node.door.drop())
        const one = await tell(node, 'POST', approval, { key: `approve-${n}` })
        await dropped
        const other = await tell(node, 'POST', approval, { key: `approve-${n}` })
        expect([200, 503]).toContain(one.status)
        expect(other.status).toBe(200)
      }
      expect(await countJobs(node)).toBe(ids.size)
    }),
  )

  it(
    'commit is not answered has one effect and the right answer',
    withNode(async (node) => {
      const body = await jobOf(node)
      const before = node.door.lost
      node.door.loseAnswersTo('commit')
      // Each commit of this node, also those of its tasks and loops.
      const made = await tell(node, 'POST', '/api/v3/jobs', { body })
      node.door.loseAnswersTo(undefined)
      expect(node.door.lost).toBeGreaterThan(before)
      expect(made.status).toBe(201)
      expect(await countJobs(node)).toBe(1)
      node.door.loseAnswersTo('commit')
      const approved = await tell(node, 'POST', `/api/v3/jobs/${made.body.job_id}/approve`)
      node.door.loseAnswersTo(undefined)
      expect(approved.status).toBe(200)
      await jobUntil(asServer(node), made.body.job_id, ({ status }) => status === 'completed')
    }),
  )

  it(
    'commit is not answered before the database goes is refused as uncertain, and repeated with its key',
    withNode(async (node) => {
      const body = await jobOf(node)
      node.door.loseAnswersTo('commit')
      const posting = tell(node, 'POST', '/api/v3/jobs', { body, key: 'uncertain' })
      await until('a commit is not answered', () => node.door.lost > 0)
      await sleep(100)
      node.door.set('cut')
      node.door.loseAnswersTo(undefined)
      const told = await posting
      expect(told.status).toBe(503)
      expect(Number(told.retryAfter)).toBeGreaterThan(0)
      node.door.set('open')
      await until('it is ready again', () => isReady(node), 20_000)
      expect((await tell(node, 'POST', '/api/v3/jobs', { body, key: 'uncertain' })).status).toBe(201)
      expect(await countJobs(node)).toBe(1)
    }),
  )
})

it.concurrent(
  'answers 503 in bounded time while every connection is in use, and recovers',
  withNode(async (node) => {
    const body = await jobOf(node)
    const holder = new Client({ connectionString: node.databaseUrl })
    await holder.connect()
    try {
      // Whoever reads or writes a job now waits, with a connection.
      await holder.query('begin; lock table jobs in access exclusive mode')
      const asked = Array.from({ length: 40 }, (_, n) =>
        n % 2 === 0
          ? tell(node, 'GET', '/api/v3/jobs', { withinMs: 60_000 })
          : tell(node, 'POST', '/api/v3/jobs', { body, key: `full-${n}`, withinMs: 60_000 }),
      )
      const answers = await Promise.all(asked)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]))
      expect(answers.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true)
      expect(Math.max(...answers.map(({ tookMs }) => tookMs))).toBeLessThan(25_000)
      expect((await tell(node, 'GET', '/livez')).status).toBe(200)
    } finally {
      await holder.end()
    }
    await until('it is ready again', () => isReady(node), 20_000)
    const again = await tell(node, 'POST', '/api/v3/jobs', { body, key: 'full-1' })
    expect(again.status).toBe(201)
    await tell(node, 'POST', `/api/v3/jobs/${again.body.job_id}/approve`)
    await jobUntil(asServer(node), again.body.job_id, ({ status }) => status === 'completed')
    expect(await countJobs(node)).toBe(1)
  }),
)

describe.concurrent('with two addresses of the database', () => {
  it(
    'goes on at the second when the first is gone',
    withNode(
      async (node) => {
        const jobId = await createJob(asServer(node), 1)
        node.door.set('cut')
        const approved = await tell(node, 'POST', `/api/v3/jobs/${jobId}/approve`)
        expect(approved.status).toBe(200)
        await jobUntil(asServer(node), jobId, ({ status }) => status === 'completed')
        expect(await isReady(node)).toBe(true)
      },
      { addresses: (own) => `${own},127.0.0.1:${server.postgres.port}` },
    ),
  )
})
