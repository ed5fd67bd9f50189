/** What each node keeps in memory, or knows first, holds on the others. */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressOf } from '../../src/http/edge/path.ts'
import { createUrlSigner } from '../../src/renderer/replicate/signature.ts'
import { until } from '../harness/until.ts'
import { picture } from '../server/process.ts'
import { endOf, orderFilm, uploadTo } from './films.ts'
import { type Node, type Site, newSite } from './nodes.ts'

let site: Site
let one: Node
let other: Node
beforeAll(async () => {
  site = await newSite({
    REPLICATE_API_TOKEN: 'r8_nodes',
    // Nothing listens there.
    REPLICATE_BASE_URL: 'http://127.0.0.1:9',
    PUBLIC_BASE_URL: 'http://127.0.0.1:4000',
    REQUIRE_KEYS: 'false',
  })
  one = await site.open('one')
  other = await site.open('other')
})
afterAll(() => site.remove())

describe('an Idempotency-Key', () => {
  const jobOf = (assetId: string) => ({
    type: 'property_photos',
    parameters: { photos: [{ asset_id: assetId }], clip_duration: 1 },
  })

  const post = async (node: Node, body: object, key: string) => {
    const text = JSON.stringify(body)
    const response = await node.app.request('/api/v3/jobs', {
      method: 'POST',
      body: text,
      headers: {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
        'idempotency-key': key,
      },
    })
    const answer: any = await response.json()
    return { status: response.status, replayed: response.headers.get('idempotency-replayed'), body: answer }
  }

  /** No job can be made until the returned function is called. */
  async function holdJobs(): Promise<() => Promise<void>> {
    const client = new Client({ connectionString: site.env('any')['DATABASE_URL']! })
    await client.connect()
    await client.query('begin')
    await client.query('lock table jobs in exclusive mode')
    return () => client.end()
  }

  const isClaimed = (by: string) => async (): Promise<boolean> => {
    const { rowCount } = await site.rows.query(
      'select 1 from requests where claimed_by = $1 and status is null',
      [by],
    )
    return rowCount === 1
  }

  const idOf = async (node: Node, name: string): Promise<string> => {
    const { body } = await node.ask('GET', '/nodes')
    return body.nodes.find((found: { name: string }) => found.name === name).id
  }

  it('in flight at one node is refused at another, which then answers alike', async () => {
    const body = jobOf(await uploadTo(one, await picture(1)))
    const claimed = isClaimed(await idOf(one, 'one'))
    const letGo = await holdJobs()
    const first = post(one, body, 'film')
    await until(claimed)
    const second = await post(other, body, 'film')
    expect(second).toMatchObject({ status: 409, body: { error: 'Request is being worked on' } })
    await letGo()
    const { status, body: job } = await first
    expect(status).toBe(201)
    expect(await post(other, body, 'film')).toEqual({ status: 201, replayed: 'true', body: job })
    expect((await post(other, { ...body, video_name: 'another' }, 'film')).status).toBe(422)
  })

  it('in flight at a node that died goes on at another, once, even if the first one comes back', async () => {
    const before = (await other.ask('GET', '/jobs')).body.jobs.length
    const body = jobOf(await uploadTo(other, await picture(1)))
    const id = await idOf(other, 'one')
    const claimed = isClaimed(id)
    const letGo = await holdJobs()
    const first = post(one, body, 'ghosts-film')
    await until(claimed)
    const others = isClaimed(await idOf(other, 'other'))
    /** Deletes the ghost's row until a request comes before its next heartbeat. */
    const takeOver = async (): ReturnType<typeof post> => {
      await site.rows.query('delete from nodes where id = $1', [id])
      const answer = post(other, body, 'ghosts-film')
      const early = await Promise.race([answer, until(others)])
      return typeof early === 'boolean' || early.status !== 409 ? answer : takeOver()
    }
    const second = takeOver()
    await until(others)
    await letGo()
    const [ghosts, taken] = await Promise.all([first, second])
    expect(taken.status).toBe(201)
    expect((await other.ask('GET', '/jobs')).body.jobs).toHaveLength(before + 1)
    if (ghosts.status === 201) expect(ghosts.body.job_id).toBe(taken.body.job_id)
  })
})

it('each node that answers allows its share of the rate', async () => {
  const open = (name: string) => site.open(name, { env: { RATE_LIMIT_PER_MINUTE: '120' } })
  const [third, fourth] = [await open('third'), await open('fourth')]
  const from = { incoming: { socket: { remoteAddress: '192.0.2.1' } } }
  const limitOf = async ({ app }: Node) =>
    (await app.request('/api/v3/jobs', {}, from)).headers.get('ratelimit-limit')
  const shares = (node: Node, share: string) => until(async () => (await limitOf(node)) === share)
  // By their next heartbeats they know of each other.
  await Promise.all([shares(third, '30'), shares(fourth, '30')])
  const worker = await site.open('worker', { env: { ROLE: 'worker' } })
  await fourth.close()
  await shares(third, '40')
  await Promise.all([third.close(), worker.close()])
})

it('a key that is revoked or rotated at one node is refused at the others at once', async () => {
  const secretOf = async (name: string): Promise<{ id: string; key: string }> =>
    (await one.ask('POST', '/keys', { name, scopes: ['admin'] })).body
  const [revoked, rotated] = [await secretOf('shop'), await secretOf('office')]
  expect((await other.ask('GET', '/jobs', undefined, revoked.key)).status).toBe(200)
  expect((await one.ask('POST', `/keys/${revoked.id}/revoke`)).status).toBe(200)
  expect((await other.ask('GET', '/jobs', undefined, revoked.key)).status).toBe(401)
  const { body: fresh } = await one.ask('POST', `/keys/${rotated.id}/rotate`, { grace_seconds: 0 })
  expect((await other.ask('GET', '/jobs', undefined, rotated.key)).status).toBe(401)
  expect((await other.ask('GET', '/jobs', undefined, fresh.key)).status).toBe(200)
})

it('limits, budgets and pauses set at one node hold on all', async () => {
  await one.ask('PUT', '/limits', { jobs: 1, renderers: { local: { max_concurrency: 1 } } })
  await one.ask('PUT', '/budgets', { day: 3 })
  await one.ask('POST', '/pause', { reason: 'maintenance' })
  const { body: limits } = await other.ask('GET', '/limits')
  expect(limits).toMatchObject({
    jobs: { limit: 1 },
    paused: { reason: 'maintenance' },
    renderers: { local: { max_concurrency: 1 } },
  })
  expect((await other.ask('GET', '/budgets')).body.budgets).toMatchObject([{ name: 'day', limit: 3 }])
  const jobs = [await orderFilm(one, { hue: 1 }), await orderFilm(other, { hue: 100 })]
  const waits = async (node: Node, jobId: number) => (await node.ask('GET', `/jobs/${jobId}`)).body.waiting
  expect(await waits(one, jobs[1]!)).toMatchObject({ reason: expect.stringContaining('maintenance') })
  await other.ask('POST', '/resume', {})

  // At no moment more than one job, and one render.
  let most = { processing: 0, rendering: 0 }
  const over = new AbortController()
  const ends = Promise.all(jobs.map((jobId) => endOf(one, jobId))).finally(() => over.abort())
  while (!over.signal.aborted) {
    await sleep(5)
    const { rows } = await site.rows.query<{ processing: number; rendering: number }>(
      `select (select count(*)::int from jobs where status = 'processing') as processing,
         (select count(*)::int from attempts where status = 'submitted') as rendering`,
    )
    const [seen] = rows
    most = {
      processing: Math.max(most.processing, seen!.processing),
      rendering: Math.max(most.rendering, seen!.rendering),
    }
  }
  expect((await ends).map(({ status }) => status)).toEqual(['completed', 'completed'])
  expect(most).toEqual({ processing: 1, rendering: 1 })
  await one.ask('PUT', '/limits', { jobs: null, renderers: { local: { max_concurrency: null } } })
})

it('a secret replaced at one node is accepted by the others at once, and the old one refused by their next heartbeat', async () => {
  const secret = async (): Promise<string> =>
    (await site.rows.query<{ secret: string }>('select secret from installation')).rows[0]!.secret
  const statusOf = async ({ app }: Node, signedBy: string): Promise<number> => {
    const { sign } = createUrlSigner({ secrets: () => [signedBy], now: Date.now })
    const mark = 'wc-0123456789ab-00000000-0000-4000-8000-000000000000'
    return (await app.request(addressOf.input(mark, 0, sign))).status
  }
  const before = await secret()
  expect(await statusOf(other, before)).toBe(404)
  expect((await one.ask('POST', '/secret/rotate', { grace_seconds: 0 })).status).toBe(200)
  expect(await statusOf(other, await secret())).toBe(404)
  await until(async () => (await statusOf(other, before)) === 403)
})
