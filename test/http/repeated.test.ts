/**
 * A process that dies at any commit of a change that carries an Idempotency-Key. Sent again to the next process, the
 * request leaves the database exactly as one that nothing interrupted, and gets the answer of that one.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { CoordinatorOptions, RunningCoordinator } from '../../src/coordinator/coordinator.ts'
import { openInstallation } from '../../src/coordinator/attempt/installation.ts'
import { allEndpoints } from '../../src/http/routes/all.ts'
import { patternOf } from '../../src/http/routes/endpoint.ts'
import { ReserveError } from '../../src/disk-full.ts'
import { taskKinds } from '../../src/job/task.ts'
import { readNetwork } from '../../src/job/web-address.ts'
import type { Database } from '../../src/store/database.ts'
import { insertFilm } from '../../src/store/films.ts'
import { addAssets, assetOf, delegating } from '../harness/data.ts'
import { createAddresses } from '../../src/wire/addresses.ts'
import { createHarness, localRenderer, silentLog } from '../harness/harness.ts'
import { type Clock, createClock } from '../clock.ts'
import { onSqlite } from '../database-kind.ts'
import { type Place, newMigratedPlace } from '../store/open-database.ts'
import { appOver } from '../harness/ask.ts'

interface Life {
  readonly coordinator: RunningCoordinator
  readonly database: Database
  readonly inAnHour: string
  send(method: string, path: string, body?: unknown, key?: string): Promise<Response>
}

const asset = assetOf(0)
const veo = 'google/veo-3.1-fast'

/** A process. It dies right after as many commits as that. `changed`: what is configured otherwise. */
async function begin(
  database: Database,
  clock: Clock,
  commits = Number.POSITIVE_INFINITY,
  changed: Partial<CoordinatorOptions> = {},
) {
  let left = Number.POSITIVE_INFINITY
  const died = Promise.withResolvers<'died'>()
  const mortal: Database = {
    ...delegating(database),
    async transaction(work) {
      if (left <= 0) return new Promise(() => undefined)
      const result = await database.transaction(work)
      if (--left > 0) return result
      died.resolve('died')
      return new Promise(() => undefined)
    },
  }
  const harness = createHarness({
    database: mortal,
    // Each process would wait otherwise.
    clock: { ...clock, random: () => 0.5 },
    log: silentLog,
    renderers: [
      localRenderer(4),
      { name: 'replicate', models: [veo], maxConcurrency: 4, startDelayMs: 0, task: 'follow-render' },
    ],
    ...changed,
  })
  const { coordinator, engine } = harness
  for (const kind of taskKinds)
    engine.handle(kind, { concurrency: 1, onExhausted: () => Promise.resolve() }, () => Promise.resolve())
  // It starts no scene: what is looked at is what the request itself did.
  await coordinator.stop()
  const installation = await openInstallation({ ...harness, host: harness.clock })
  left = commits
  const addresses = createAddresses(
    { publicBaseUrl: undefined },
    { installation, host: clock, areShared: false },
  )
  const app = appOver(harness, { installation, addresses, host: clock })
  const send: Life['send'] = async (method, path, body, key) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    return app.request(`/api/v3${path}`, {
      method,
      ...(text !== '' && { body: text }),
      headers: {
        ...(text !== '' && { 'content-type': 'application/json', 'content-length': `${text.length}` }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
    })
  }
  const inAnHour = new Date(clock.now() + hour).toISOString()
  return { coordinator, database, inAnHour, send, died: died.promise }
}

interface Ask {
  readonly method: string
  readonly path: string
  readonly body?: unknown
}

const jobOf = (members: object = {}) => ({
  type: 'property_photos',
  parameters: { photos: [{ asset_id: asset }, { asset_id: asset }], transition: 'cut' },
  force: true,
  ...members,
})

const paid = { storyboard: { scenes: [0, 1].map(() => ({ asset_ids: [asset], model: veo, duration: 4 })) } }

const made = async ({ coordinator }: Life, members?: object): Promise<number> =>
  (await coordinator.createJob(jobOf(members))).id

const scenesOf = async ({ coordinator }: Life, jobId: number) => coordinator.scenes(jobId)

/** A job whose film is there, as if everything had been rendered. */
async function finished(life: Life): Promise<number> {
  const jobId = await made(life, paid)
  await life.coordinator.approveJob(jobId)
  await life.database.transaction(async (tx) => {
    await tx.run(`update scenes set status = 'completed', clip = $1, source = $1, place = ''`, [
      'c'.repeat(64),
    ])
    await tx.run(`update jobs set status = 'completed', ended_at = 1, queue_at = null`)
  })
  return jobId
}

/** A job with two films. */
async function filmed(life: Life): Promise<number> {
  const jobId = await finished(life)
  const part = (id: string) => ({ id: id.repeat(64), size: 1, contentType: 'video/mp4' })
  const format = { width: 640, height: 360, fps: 24 }
  await life.database.transaction(async (tx) => {
    for (const id of ['b', 'c']) {
      const manifest = { film: part(id), thumbnail: part(id), durationMs: 1000, frames: 24, format }
      await insertFilm(tx, jobId, { manifest, chapters: null }, 1)
    }
  })
  return jobId
}

/** A job whose first scene has an attempt of which nobody knows. */
async function held(life: Life): Promise<{ readonly jobId: number; readonly sceneId: string }> {
  const jobId = await made(life, paid)
  await life.coordinator.approveJob(jobId)
  const sceneId = (await scenesOf(life, jobId))[0]!.id
  await life.database.transaction(async (tx) => {
    await tx.run(
      `insert into attempts (id, job_id, scene_id, renderer, model, status, cost_micros, client_id, day, render_key,
         inserted_at, updated_at)
       values ('00000000-0000-4000-8000-00000000abcd', $1, $2, 'replicate', '${veo}', 'held', 400000, '', '2026-01-01', '', 1, 1)`,
      [jobId, sceneId],
    )
    await tx.run(
      `update scenes set status = 'processing', attempt_id = '00000000-0000-4000-8000-00000000abcd' where id = $1`,
      [sceneId],
    )
    await tx.run(`update jobs set status = 'processing'`)
  })
  return { jobId, sceneId }
}

const endpoint = async ({ coordinator }: Life): Promise<string> =>
  (await coordinator.addEndpoint({ url: 'https://example.com/hook' })).id

const delivery = async (life: Life): Promise<string> => {
  const { id } = await life.coordinator.testEndpoint(await endpoint(life))
  await life.database.transaction((tx) =>
    tx.run(`update webhook_deliveries set status = 'delivered', next_at = null, ended_at = 1`),
  )
  return id
}

/** Every change there is, each with what has to be there before it. */
const changes: Readonly<Record<string, (life: Life) => Promise<Ask>>> = {
  'a submission': async () => ({ method: 'POST', path: '/jobs', body: jobOf() }),
  'a submission with a webhook and dependencies': async (life) => ({
    method: 'POST',
    path: '/jobs',
    body: jobOf({ webhook_url: 'https://example.com/hook', depends_on: [await made(life)] }),
  }),
  'an approval': async (life) => ({ method: 'POST', path: `/jobs/${await made(life, paid)}/approve` }),
  'an approval of many': async (life) => ({
    method: 'POST',
    path: '/jobs/approve',
    body: { job_ids: [await made(life), await made(life), 999, await made(life)] },
  }),
  'an approval of what was seen of many': async (life) => ({
    method: 'POST',
    path: '/jobs/approve',
    body: {
      jobs: [
        { job_id: await made(life, paid), revision: 1, max_cost: 5 },
        { job_id: await made(life, paid), revision: 2 },
      ],
    },
  }),
  'a retry of many': async (life) => {
    const jobs = [await made(life), await made(life)]
    for (const jobId of jobs) await life.coordinator.cancelJob(jobId)
    return { method: 'POST', path: '/jobs/retry', body: { job_ids: jobs, reason: 'after all' } }
  },
  'a priority of many': async (life) => ({
    method: 'PATCH',
    path: '/jobs',
    body: { job_ids: [await made(life), await made(life)], priority: 80 },
  }),
  'an approval that finds other prices': async (life) => {
    const jobId = await made(life, paid)
    await life.database.transaction(async (tx) => {
      await tx.run(`update jobs set price_book = 'older'`)
      await tx.run(`update scenes set price_micros = 1`)
    })
    return { method: 'POST', path: `/jobs/${jobId}/approve` }
  },
  'a cancel': async (life) => ({ method: 'POST', path: `/jobs/${await made(life)}/cancel` }),
  'a cancel of many': async (life) => ({
    method: 'POST',
    path: '/jobs/cancel',
    body: { job_ids: [await made(life), await made(life)], reason: 'no more' },
  }),
  'a rejection': async (life) => ({
    method: 'POST',
    path: `/jobs/${await made(life, paid)}/reject`,
    body: { note: 'the garden is missing' },
  }),
  'another submission': async (life) => {
    const jobId = await made(life, paid)
    await life.coordinator.rejectJob(jobId, { note: 'the garden is missing' })
    return { method: 'POST', path: `/jobs/${jobId}/submit` }
  },
  "a finished job's end": async (life) => ({ method: 'DELETE', path: `/jobs/${await finished(life)}` }),
  'a scene more': async (life) => ({
    method: 'POST',
    path: `/jobs/${await made(life)}/scenes`,
    body: { asset_ids: [asset], position: 0 },
  }),
  'an earlier film': async (life) => ({
    method: 'POST',
    path: `/videos/${await filmed(life)}/versions/1/current`,
  }),
  'a retry': async (life) => {
    const jobId = await made(life, paid)
    await life.coordinator.cancelJob(jobId)
    return { method: 'POST', path: `/jobs/${jobId}/retry`, body: { max_cost: 5 } }
  },
  "a change of a job's plan": async (life) => ({
    method: 'PATCH',
    path: `/jobs/${await made(life)}`,
    body: { video_name: 'Other', priority: 70 },
  }),
  "a job's pause": async (life) => ({ method: 'POST', path: `/jobs/${await made(life)}/pause` }),
  "the end of a job's pause": async (life) => {
    const jobId = await made(life)
    await life.coordinator.pauseJob(jobId)
    return { method: 'POST', path: `/jobs/${jobId}/resume` }
  },
  "a scene's change": async (life) => {
    const jobId = await made(life)
    const { id } = (await scenesOf(life, jobId))[0]!
    return { method: 'PUT', path: `/jobs/${jobId}/scenes/${id}`, body: { duration: 3, title: 'Hall' } }
  },
  'a paid render anew': async (life) => {
    const jobId = await finished(life)
    const { id } = (await scenesOf(life, jobId))[0]!
    return { method: 'POST', path: `/jobs/${jobId}/scenes/${id}/regenerate` }
  },
  "a scene's removal": async (life) => {
    const jobId = await made(life)
    const { id } = (await scenesOf(life, jobId))[0]!
    return { method: 'DELETE', path: `/jobs/${jobId}/scenes/${id}` }
  },
  'a decision that a render was never accepted': async (life) => {
    const { jobId, sceneId } = await held(life)
    return {
      method: 'POST',
      path: `/jobs/${jobId}/scenes/${sceneId}/resolve`,
      body: { resolution: 'absent' },
    }
  },
  'a decision that a render was accepted': async (life) => {
    const { jobId, sceneId } = await held(life)
    const body = { resolution: 'adopt', prediction_id: 'p1' }
    return { method: 'POST', path: `/jobs/${jobId}/scenes/${sceneId}/resolve`, body }
  },
  budgets: async () => ({ method: 'PUT', path: '/budgets', body: { day: 5, 'client:acme': 2 } }),
  limits: async () => ({ method: 'PUT', path: '/limits', body: { jobs: 3 } }),
  'a pause of all': async () => ({ method: 'POST', path: '/pause', body: { reason: 'tea' } }),
  'the end of a pause of all': async (life) => {
    await life.coordinator.pause()
    return { method: 'POST', path: '/resume' }
  },
  "a key's end": async (life) => {
    const { key } = await life.coordinator.createKey({ name: 'one', scopes: ['read'] })
    return { method: 'POST', path: `/keys/${key.id}/revoke` }
  },
  "an endpoint's change": async (life) => ({
    method: 'PATCH',
    path: `/webhooks/endpoints/${await endpoint(life)}`,
    body: { description: 'other' },
  }),
  "an endpoint's removal": async (life) => ({
    method: 'DELETE',
    path: `/webhooks/endpoints/${await endpoint(life)}`,
  }),
  'a test of an endpoint': async (life) => ({
    method: 'POST',
    path: `/webhooks/endpoints/${await endpoint(life)}/test`,
  }),
  'a delivery again': async (life) => ({
    method: 'POST',
    path: `/webhooks/deliveries/${await delivery(life)}/redeliver`,
  }),
  'a new secret for addresses': async () => ({ method: 'POST', path: '/secret/rotate' }),
}

/** Those whose answer holds a secret, which is not kept with it but stays to be read. */
const readable: Readonly<Record<string, (life: Life) => Promise<Ask>>> = {
  'an endpoint': async () => ({
    method: 'POST',
    path: '/webhooks/endpoints',
    body: { url: 'https://example.com/hook' },
  }),
  "an endpoint's new secret": async (life) => ({
    method: 'POST',
    path: `/webhooks/endpoints/${await endpoint(life)}/rotate`,
  }),
  'the shared new secret': async () => ({ method: 'POST', path: '/webhooks/secret/rotate' }),
  'a link to a film': async (life) => ({ method: 'POST', path: `/videos/${await filmed(life)}/links` }),
}

/** Those whose answer is told once: the next process says that it was done. */
const secrets: Readonly<Record<string, (life: Life) => Promise<Ask>>> = {
  'a key': async () => ({ method: 'POST', path: '/keys', body: { name: 'one', scopes: ['read'] } }),
  "a key's new secret": async (life) => {
    const { key } = await life.coordinator.createKey({ name: 'one', scopes: ['read'] })
    return { method: 'POST', path: `/keys/${key.id}/rotate` }
  },
}

const hour = 3_600_000

/** Those that what is configured, uploaded, free or past decides on, and that was otherwise when they were done. */
const outdated: Readonly<Record<string, (life: Life) => Promise<Ask>>> = {
  'a submission': async () => ({
    method: 'POST',
    path: '/jobs',
    body: jobOf({ webhook_url: 'https://10.0.0.1/hook' }),
  }),
  limits: async () => ({
    method: 'PUT',
    path: '/limits',
    body: { renderers: { replicate: { max_concurrency: 2 } } },
  }),
  'a pause': async () => ({ method: 'POST', path: '/pause', body: { renderer: 'replicate' } }),
  'the end of a pause': async (life) => {
    await life.coordinator.pause({ renderer: 'replicate' })
    return { method: 'POST', path: '/resume', body: { renderer: 'replicate' } }
  },
  'an endpoint': async () => ({
    method: 'POST',
    path: '/webhooks/endpoints',
    body: { url: 'https://10.0.0.1/hook' },
  }),
  "an endpoint's change": async (life) => ({
    method: 'PATCH',
    path: `/webhooks/endpoints/${await endpoint(life)}`,
    body: { url: 'https://10.0.0.1/hook' },
  }),
  'a key': async (life) => ({
    method: 'POST',
    path: '/keys',
    body: { name: 'short', scopes: ['read'], expires_at: life.inAnHour },
  }),
}

/** Ids and secrets are drawn anew by each process. */
const masked = (text: string): string =>
  text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'id')
    .replaceAll(/whsec_[\w+/=]+/g, 'whsec')
    .replaceAll(/signature=[\w-]+/g, 'signature')
    .replaceAll(/wck_\w+/g, 'wck')
    .replaceAll(/\b(?:[0-9a-f]{12}|[0-9a-f]{64})\b/g, 'hex')

const answerOf = async (response: Response) => ({
  status: response.status,
  type: response.headers.get('content-type'),
  location: masked(response.headers.get('location') ?? ''),
  body: masked(await response.text()),
})

/** All that is kept, but for the requests themselves. */
async function everything(database: Database): Promise<unknown> {
  const names =
    database.dialect === 'sqlite'
      ? `select name from sqlite_master where type = 'table' and name not like 'sqlite%' order by name`
      : `select table_name as name from information_schema.tables
         where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1`
  // On PostgreSQL they are those of transactions, of which there are others meanwhile.
  const eventIds = onSqlite
    ? []
    : (await database.all('select id from events order by id')).map(({ id }) => id)
  const tables: Record<string, unknown> = {}
  for (const { name } of await database.all(names)) {
    if (name === 'requests' || name === 'effects' || name === 'migrations') continue
    const rows = await database.all(`select * from ${String(name)}`)
    tables[String(name)] = rows
      .map((row) =>
        masked(
          JSON.stringify(row, (_, value) => {
            if (eventIds.includes(value)) return `event ${eventIds.indexOf(value)}`
            return value instanceof Uint8Array ? 'bytes' : value
          }),
        ),
      )
      .toSorted()
  }
  return tables
}

/** Changes that need no row of a request: the same again is the same. */
const harmless = [
  'POST /api/v3/assets',
  'POST /api/v3/estimates',
  'POST /api/v3/storage/prune',
  'POST /api/v3/events/token',
  // Refused with a key that is known already: signing in changes nothing but what the browser holds.
  'POST /api/v3/session',
  'DELETE /api/v3/session',
]

const routeOf = ({ method, path }: Ask): string =>
  `${method} /api/v3${path}`
    .replace(/\/scenes\/[^/]+/, '/scenes/:scene_id')
    .replace(/\/versions\/\d+/, '/versions/:version')
    .replace(/\/(?:\d+|[0-9a-f]{12}|[0-9a-f-]{36})(?=\/|$)/, '/:id')

describe('a process that dies at any commit of', () => {
  const places: { readonly place: Place; readonly database: Database }[] = []
  afterEach(async () => {
    for (const { place, database } of places.splice(0)) {
      await database.close()
      await place.remove()
    }
  })

  /** A fresh database with what the change is of. */
  const prepared = async (prepare: (life: Life) => Promise<Ask>) => {
    const place = await newMigratedPlace()
    const database = await place.open()
    places.push({ place, database })
    const clock = createClock()
    const life = await begin(database, clock)
    await addAssets(database, 1)
    return { database, clock, ask: await prepare(life) }
  }

  const repeatedAfterEachCommit = async (prepare: (life: Life) => Promise<Ask>) => {
    const {
      database,
      clock,
      ask: { method, path, body },
    } = await prepared(prepare)
    const answer = await answerOf(await (await begin(database, clock)).send(method, path, body, 'key'))
    expect(answer.status, answer.body).toBeLessThan(500)
    const state = await everything(database)
    const after: { readonly answer: typeof answer; readonly isReplayed: boolean }[] = []
    for (let commits = 1; ; commits++) {
      const again = await prepared(prepare)
      const mortal = await begin(again.database, again.clock, commits)
      const ask = again.ask
      const answered = mortal.send(ask.method, ask.path, ask.body, 'key')
      if ((await Promise.race([answered, mortal.died])) !== 'died') break
      const next = await begin(again.database, again.clock)
      const response = await next.send(ask.method, ask.path, ask.body, 'key')
      const isReplayed = response.headers.has('idempotency-replayed')
      const repeated = await answerOf(response)
      expect(await everything(again.database), `killed after commit ${commits}`).toEqual(state)
      const once = await next.send(ask.method, ask.path, ask.body, 'key')
      expect(once.headers.get('idempotency-replayed')).toBe('true')
      // The answers that hold a secret are told once, whatever process gives them.
      if (!/whsec|wck|signature/.test(repeated.body)) expect(await answerOf(once)).toEqual(repeated)
      expect(await everything(again.database), `killed after commit ${commits}, sent thrice`).toEqual(state)
      after.push({ answer: repeated, isReplayed })
    }
    return { answer, after }
  }

  // The same code runs on both: there it is the transaction that is in question.
  const telling = new Set(['a submission', 'an approval', 'an approval of many', 'a paid render anew'])
  const all = Object.entries(changes).filter(([name]) => onSqlite || telling.has(name))

  test.each(all)('%s leaves one effect, and the same answer', async (_, prepare) => {
    const { answer, after } = await repeatedAfterEachCommit(prepare)
    // Its row, its effect, its answer.
    expect(after.length).toBeGreaterThanOrEqual(3)
    expect(after[0]!.isReplayed).toBe(false)
    for (const { answer: repeated } of after) expect(repeated).toEqual(answer)
    expect(after[1]!.isReplayed).toBe(true)
  })

  if (!onSqlite) return

  test.each(Object.entries(outdated))(
    'what could not be done any more, %s, is answered as it was done',
    async (_, prepare) => {
      const { database, clock, ask } = await prepared(prepare)
      const { method, path, body } = ask
      const webhookNetworks = [readNetwork('10.0.0.0/8')!]
      // Its row and its effect.
      const mortal = await begin(database, clock, 2, { webhookNetworks })
      void mortal.send(method, path, body, 'key')
      await mortal.died
      const state = await everything(database)
      await database.transaction((tx) => tx.run('delete from assets'))
      clock.advance(hour)
      const none = new ReserveError(0, 1)
      const next = await begin(database, clock, undefined, {
        renderers: [{ name: 'other', models: [], maxConcurrency: 1, startDelayMs: 0, task: 'render-scene' }],
        room: { lack: () => Promise.resolve(none), require: () => Promise.reject(none) },
      })
      const refused = await next.send(method, path, body)
      expect([422, 507]).toContain(refused.status)
      for (let times = 0; times < 2; times++) {
        const repeated = await next.send(method, path, body, 'key')
        expect(repeated.headers.get('idempotency-replayed')).toBe('true')
        const { status, body: answer } = await answerOf(repeated)
        // Secrets are told once.
        expect([200, 201, 409], answer).toContain(status)
      }
      const after: any = await everything(database)
      expect({ ...after, assets: [] }).toEqual({ ...(state as object), assets: [] })
    },
  )

  test.each(Object.entries(readable))(
    '%s leaves one effect, and tells its secret until the answer was kept',
    async (_, prepare) => {
      const { answer, after } = await repeatedAfterEachCommit(prepare)
      expect(after.slice(0, -1).map(({ answer: repeated }) => repeated)).toEqual(
        after.slice(1).map(() => answer),
      )
      expect(after.at(-1)!.answer.status).toBe(409)
    },
  )

  test.each(Object.entries(secrets))(
    '%s leaves one effect, and says that it was done',
    async (_, prepare) => {
      const { answer, after } = await repeatedAfterEachCommit(prepare)
      expect(after.map(({ answer: repeated }) => repeated.status)).toEqual([answer.status, 409, 409])
    },
  )

  test('every change there is', async () => {
    const routes = new Set<string>()
    for (const prepare of Object.values({ ...changes, ...readable, ...secrets }))
      routes.add(routeOf((await prepared(prepare)).ask))
    const known = allEndpoints
      .map(({ route }) => patternOf(route).join(' '))
      .filter((route) => /^(?:POST|PUT|PATCH|DELETE) \/api\/v3\//.test(route))
    expect([...routes, ...harmless].toSorted()).toEqual(known.toSorted())
  })
})

test.each([false, true])(
  'the same request to two processes at once has one effect; the slower one begins before the answer: %s',
  async (isLate) => {
    const place = await newMigratedPlace()
    const database = await place.open()
    try {
      const clock = createClock()
      const [begun, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let isStarted = false
      const late: Database = {
        ...delegating(database),
        async transaction(work) {
          const result = await database.transaction(work)
          if (!isStarted) return result
          begun.resolve()
          await goesOn.promise
          return result
        },
      }
      const one = await begin(database, clock)
      await addAssets(database, 1)
      const { method, path, body } = await changes['a paid render anew']!(one)
      const other = await begin(database, clock)
      const slower = isLate ? await begin(late, clock) : other
      isStarted = true
      const answered = slower.send(method, path, body, 'key')
      if (isLate) await begun.promise
      const first = one.send(method, path, body, 'key')
      if (isLate) await first
      goesOn.resolve()
      const told = await Promise.all((await Promise.all([first, answered])).map(answerOf))
      const [done, busy] = told.toSorted((a, b) => a.status - b.status)
      expect(done!.status).toBe(200)
      // The faster one stores its answer and deletes its effect while the slower one is on its way to it.
      if (isLate) expect(busy!.status).toBe(503)
      else if (busy!.status !== 503) expect(busy).toEqual(done)
      expect(await answerOf(await other.send(method, path, body, 'key'))).toEqual(done)
      const jobId = Number(/\d+/.exec(path)![0])
      expect((await one.coordinator.job(jobId)).revision).toBe(2)
    } finally {
      await database.close()
      await place.remove()
    }
  },
)
