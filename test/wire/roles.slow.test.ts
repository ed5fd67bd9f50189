/** Nodes that only answer requests, nodes that only run tasks, and the files that they share. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type TestBuckets, openTestBuckets } from '../artifact/s3-bucket.ts'
import { jsonOf, sha256 } from '../harness/ask.ts'
import { until } from '../harness/until.ts'
import { type Door, openDoor } from '../nodes/door.ts'
import { picture } from '../server/process.ts'
import { endOf, filmAt, orderFilm, uploadTo } from './films.ts'
import { type Node, type Site, newSite } from './nodes.ts'

let buckets: TestBuckets
beforeAll(async () => {
  buckets = await openTestBuckets()
})
afterAll(() => buckets.close())

let site: Site
afterEach(() => site.remove())

const withFolder = (): Promise<Site> => newSite()
async function withBucket(by?: Door): Promise<Site> {
  const { bucket, prefix, region, endpoint, credentials } = await buckets.create()
  return newSite({
    ARTIFACTS_URL: `s3://${bucket}/${prefix}`,
    AWS_REGION: region,
    AWS_ENDPOINT_URL_S3: by ? `http://127.0.0.1:${by.port}` : endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  })
}

const bytesOf = async (response: Response | Promise<Response>): Promise<Uint8Array> =>
  new Uint8Array(await (await response).arrayBuffer())

/** The film at a node, whole and in parts, with the headers that say so. */
async function downloadFrom(node: Node, jobId: number): Promise<Uint8Array> {
  const whole = await node.app.request(filmAt(jobId))
  const film = await bytesOf(whole)
  expect(whole.status).toBe(200)
  expect(whole.headers.get('accept-ranges')).toBe('bytes')
  expect(whole.headers.get('etag')).toBe(`"${sha256(film)}"`)
  const part = await node.app.request(filmAt(jobId), { headers: { range: 'bytes=100-1099' } })
  expect(part.status).toBe(206)
  expect(part.headers.get('content-range')).toBe(`bytes 100-1099/${film.length}`)
  expect(part.headers.get('content-length')).toBe('1000')
  expect(await bytesOf(part)).toEqual(film.subarray(100, 1100))
  const end = await node.app.request(filmAt(jobId), { headers: { range: 'bytes=-10' } })
  expect(await bytesOf(end)).toEqual(film.subarray(-10))
  const beyond = await node.app.request(filmAt(jobId), { headers: { range: `bytes=${film.length}-` } })
  expect(beyond.status).toBe(416)
  expect(beyond.headers.get('content-range')).toBe(`bytes */${film.length}`)
  const head = await node.app.request(filmAt(jobId), { method: 'HEAD' })
  expect(head.headers.get('content-length')).toBe(String(film.length))
  return film
}

const running = async (node: Node, name: string) => {
  const { body } = await node.ask('GET', '/nodes')
  return body.nodes.find((one: { name: string }) => one.name === name)
}

describe.each([
  ['a shared folder', withFolder],
  ['a bucket', () => withBucket()],
])('with %s', (_, open) => {
  it('a film asked for at one node is made at another, and every node that answers serves it', async () => {
    site = await open()
    const [api, other] = [
      await site.open('api-1', { env: { ROLE: 'api' } }),
      await site.open('api-2', { env: { ROLE: 'api' } }),
    ]
    const waiting = await orderFilm(api, { parameters: { transition: 'fade' } })
    // Nobody is there to render it.
    expect((await api.ask('GET', `/jobs/${waiting}`)).body.status).toBe('approved')
    const worker = await site.open('worker', { env: { ROLE: 'worker' } })
    const job = await endOf(other, waiting)
    expect(job.status).toBe('completed')
    const film = await downloadFrom(api, waiting)
    expect(film.length).toBe(job.film.size)
    expect(await downloadFrom(other, waiting)).toEqual(film)

    expect(api.coordinator.processingTasks()).toEqual([])
    expect((await running(other, 'api-1')).running).toEqual({ tasks: {}, jobs: [] })
    const refused = await worker.app.request(filmAt(waiting))
    expect(refused.status).toBe(404)
    expect(await jsonOf(refused)).toMatchObject({ reason: expect.stringContaining('ROLE=api or all') })
  })

  it('any node goes on with a film whose clips others rendered', async () => {
    site = await open()
    const first = await site.open('first')
    await first.ask('POST', '/pause', {})
    const jobId = await orderFilm(first, { scenes: 3, parameters: { transition: 'fade' } })
    await first.ask('PUT', '/limits', { renderers: { local: { max_concurrency: 1 } } })
    await first.ask('POST', '/resume', {})
    // One clip is there; the node that rendered it goes, with its scratch.
    await until(async () => {
      const { body } = await first.ask('GET', `/jobs/${jobId}/scenes`)
      return body.completed_scenes > 0
    })
    await first.close()
    const second = await site.open('second')
    const job = await endOf(second, jobId)
    expect(job.status).toBe('completed')
    expect((await downloadFrom(second, jobId)).length).toBe(job.film.size)
    const { body } = await second.ask('GET', `/jobs/${jobId}/scenes`)
    expect(body.scenes.map((scene: { tries: number }) => scene.tries)).toEqual([1, 1, 1])
  })
})

it('one embedded server may keep its files in a bucket, too', async () => {
  site = await withBucket()
  const alone = await site.open('alone', { config: { databaseUrl: undefined } })
  expect(alone.facts.database).toMatch(/^SQLite/)
  const jobId = await orderFilm(alone, { parameters: { transition: 'fade' } })
  expect((await endOf(alone, jobId)).status).toBe('completed')
  await downloadFrom(alone, jobId)
  expect(await readdir(join(site.folder, 'alone'))).not.toContain('artifacts')
})

it('without its bucket a node says so, its work waits without using a try, and all goes on by itself', async () => {
  const door = await openDoor(() => Number(new URL(buckets.endpoint).port))
  try {
    site = await withBucket(door)
    door.set('cut')
    const node = await site.open('one')
    const readiness = async (): Promise<number> => (await node.app.request('/readyz')).status
    await until(async () => (await readiness()) === 503)
    await expect(uploadTo(node, await picture(1))).rejects.toThrow(/cannot be reached/)
    door.set('open')
    await until(async () => (await readiness()) === 200)

    await node.ask('POST', '/pause', {})
    const jobId = await orderFilm(node, { scenes: 3, parameters: { transition: 'fade' } })
    door.set('cut')
    await node.ask('POST', '/resume', {})
    // Each time that a task is put off, it gets a new row.
    const seen = new Set<string>()
    await until(async () => {
      const { rows } = await site.rows.query<{ id: string; tries: number }>(
        `select id, cast(data ->> 'tries' as int) as tries from workflow_tasks.job where name = 'render-scene'`,
      )
      for (const { id, tries } of rows) {
        seen.add(id)
        expect(tries).toBe(0)
      }
      return seen.size > 6
    })
    door.set('open')
    const job = await endOf(node, jobId)
    expect(job.status).toBe('completed')
    const { body } = await node.ask('GET', `/jobs/${jobId}/scenes`)
    expect(body.scenes.map((scene: { tries: number }) => scene.tries)).toEqual([1, 1, 1])
    await downloadFrom(node, jobId)
    door.set('cut')
    expect((await node.app.request(filmAt(jobId))).status).toBe(503)
  } finally {
    await door.close()
  }
})

it('a second node in the same folder is refused: each empties its own at its start', async () => {
  site = await newSite()
  await site.open('twin')
  await expect(site.open('twin')).rejects.toMatchObject({ code: 'in_use' })
})

it('a worker answers only probes and metrics', async () => {
  site = await newSite()
  const worker = await site.open('worker', { env: { ROLE: 'worker' } })
  for (const path of ['/livez', '/readyz', '/metrics'])
    expect((await worker.app.request(path)).status).toBe(200)
  expect(await (await worker.app.request('/metrics')).text()).toContain('# HELP')
  for (const path of ['/api/v3/jobs', '/api/v3/nodes', '/api/openapi.json', '/docs', '/api/v3/events'])
    expect((await worker.app.request(path)).status).toBe(404)
  expect((await worker.ask('POST', '/jobs', {})).status).toBe(404)
})

it('lists all nodes with what runs there; one that stopped is gone, one that died is known as dead', async () => {
  site = await newSite()
  const api = await site.open('api', { env: { ROLE: 'api' } })
  const worker = await site.open('worker', { env: { ROLE: 'worker', LOCAL_MAX_CONCURRENCY: '3' } })
  const gone = await site.open('gone')
  api.listensOn('http://127.0.0.1:4001')
  const { body } = await api.ask('GET', '/nodes')
  expect(body.nodes).toMatchObject([
    { name: 'api', role: 'api', alive: true, draining: false, address: 'http://127.0.0.1:4001' },
    { name: 'worker', role: 'worker', alive: true, slots: { local: 3 }, address: null },
    { name: 'gone', role: 'all', alive: true },
  ])
  expect(new Set(body.nodes.map(({ id }: { id: string }) => id)).size).toBe(3)
  expect(body.nodes[1].version).toBe(JSON.parse(await readFile('package.json', 'utf8')).version)

  await gone.close()
  await site.rows.query(
    `insert into nodes (id, name, role, version, started_at, heard_at, draining, address, slots, load)
     values ('dead', 'dead', 'worker', '0', 0, (select min(heard_at) from nodes) - 16000, 0, null, '{"local": 9}', '{"tasks": {}, "jobs": []}')`,
  )
  expect((await jsonOf(api.app.request('/api/v3/nodes'))).nodes).toMatchObject([
    { name: 'dead', alive: false },
    { name: 'api' },
    { name: 'worker' },
  ])
  expect(worker.facts.renderers).toContain('local (3 at once)')
  // Slots of nodes that are dead, or only answer, count for nothing.
  await until(async () => {
    const { status, body: limits } = await api.ask('GET', '/limits')
    if (status !== 200) throw new Error(JSON.stringify(limits))
    return limits.renderers.local.configured.max_concurrency === 3
  })
  expect(await readdir(join(site.folder, 'shared'))).toContain('artifacts')
})
