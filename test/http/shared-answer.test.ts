import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createShare } from '../../src/http/edge/shared-answer.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { jsonOf } from '../harness/ask.ts'

it('equal questions that arrive together are answered once, and others on their own', async () => {
  const share = createShare({ commits: () => undefined, now: () => 0 })
  let answers = 0
  const ask = (question: string) => share(question, async () => `${question} ${++answers}`)
  const told = await Promise.all([ask('jobs'), ask('jobs'), ask('limits'), ask('jobs')])
  expect(told).toEqual(['jobs 1', 'jobs 1', 'limits 2', 'jobs 1'])
})

it('an answer is never older than its question', async () => {
  const share = createShare({ commits: () => undefined, now: () => 0 })
  let jobs = 0
  const ask = () =>
    share('jobs', async () => {
      const seen = jobs
      await new Promise(setImmediate)
      return seen
    })
  const first = ask()
  await new Promise(setImmediate)
  jobs = 1
  const second = ask()
  expect(await first).toBe(0)
  expect(await second).toBe(1)
})

it('a failure reaches all who asked, and nobody who asks later', async () => {
  const share = createShare({ commits: () => undefined, now: () => 0 })
  const failing = () => share<string>('jobs', () => Promise.reject(new Error('away')))
  await expect(Promise.allSettled([failing(), failing()])).resolves.toMatchObject([
    { status: 'rejected' },
    { status: 'rejected' },
  ])
  await expect(share('jobs', () => Promise.resolve('here'))).resolves.toBe('here')
})

it('an answer is kept while nothing is written, for a second at most, and not where others write', async () => {
  let [commits, time, answers]: [number | undefined, number, number] = [1, 0, 0]
  const share = createShare({ commits: () => commits, now: () => time })
  const ask = () => share.whileUnchanged('jobs', async () => ++answers)
  expect([await ask(), await ask()]).toEqual([1, 1])
  commits = 2
  expect([await ask(), await ask()]).toEqual([2, 2])
  time = 1000
  expect(await ask()).toBe(3)
  time = 0
  expect(await ask()).toBe(4)
  commits = undefined
  expect([await ask(), await ask()]).toEqual([5, 6])
})

it('a long answer is read once at a time: who asks meanwhile shares the next, also after a failure', async () => {
  const share = createShare({ commits: () => undefined, now: () => 0 })
  let [answers, under] = [0, 0]
  const first = Promise.withResolvers<void>()
  const ask = () =>
    share.whileUnchanged('jobs', async () => {
      expect(++under).toBe(1)
      const number = ++answers
      if (number === 1) await first.promise.finally(() => under--)
      else under--
      return number
    })
  const begun = ask()
  await new Promise(setImmediate)
  expect(answers).toBe(1)
  const meanwhile = [ask(), ask()]
  await new Promise(setImmediate)
  meanwhile.push(ask())
  first.reject(new Error('away'))
  await expect(begun).rejects.toThrow('away')
  expect(await Promise.all(meanwhile)).toEqual([2, 2, 2])
  expect(await ask()).toBe(3)
})

it('an answer during which something was written is not kept', async () => {
  let [commits, answers] = [1, 0]
  const share = createShare({ commits: () => commits, now: () => 0 })
  const ask = () =>
    share.whileUnchanged('jobs', async () => {
      commits += answers === 0 ? 1 : 0
      return ++answers
    })
  expect([await ask(), await ask(), await ask()]).toEqual([1, 2, 2])
})

it('the oldest kept answers go, so that many questions take little room', async () => {
  const share = createShare({ commits: () => 1, now: () => 0 })
  let answers = 0
  const ask = (question: number) => share.whileUnchanged(String(question), async () => ++answers)
  for (let question = 0; question < 60; question++) await ask(question)
  expect([await ask(59), await ask(0)]).toEqual([60, 61])
})

describe('over HTTP', () => {
  let harness: AppHarness
  beforeAll(async () => {
    harness = await openAppHarness()
  })
  afterAll(() => harness.close())

  it('nobody gets the answer of another who asks the same at the same time', async () => {
    const app = harness.appWith({ access: { keysRequired: true, ratePerMinute: 0 } })
    const get = (path: string, secret: string) =>
      app.request(path, { headers: { authorization: `Bearer ${secret}` } })
    const makeKey = async (name: string, scopes: readonly string[], client_id?: string) =>
      await harness.coordinator.createKey({ name, scopes, ...(client_id !== undefined && { client_id }) })
    const asset = await harness.picture(1)
    const makeJob = async (secret: string, client_id?: string): Promise<number> => {
      const parameters = { photos: [{ asset_id: asset }], ...(client_id !== undefined && { client_id }) }
      const response = await app.request('/api/v3/jobs', {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'property_photos', parameters, force: true }),
      })
      expect(response.status).toBe(201)
      return (await jsonOf(response)).job_id
    }
    const all = await makeKey('all', ['admin'])
    const acme = await makeKey('acme', ['read', 'submit', 'approve'], 'acme')
    const zeta = await makeKey('zeta', ['read', 'submit', 'approve'], 'zeta')
    const [one, other] = [await makeKey('one', ['submit']), await makeKey('other', ['submit'])]
    const mine = new Map([
      [acme, await makeJob(all.secret, 'acme')],
      [zeta, await makeJob(all.secret, 'zeta')],
      [one, await makeJob(one.secret)],
      [other, await makeJob(other.secret)],
    ])
    const ids = async (secret: string): Promise<readonly number[]> =>
      (await jsonOf(get('/api/v3/jobs', secret))).jobs.map(({ job_id }: { job_id: number }) => job_id)
    const everything = [...mine.values()].toSorted((first, second) => second - first)
    const asked = [all, ...mine.keys(), all, ...mine.keys()]
    expect(await Promise.all(asked.map(({ secret }) => ids(secret)))).toEqual(
      asked.map((key) => (key === all ? everything : [mine.get(key)])),
    )
    const path = `/api/v3/jobs/${mine.get(acme)}`
    const answers = await Promise.all(asked.map(async ({ secret }) => (await get(path, secret)).status))
    expect(answers).toEqual(asked.map((key) => (key === all || key === acme ? 200 : 404)))
    await harness.coordinator.revokeKey(zeta.key.id)
    const ended = await Promise.all(
      [acme, zeta, acme].map(async ({ secret }) => (await get(path, secret)).status),
    )
    expect(ended).toEqual([200, 401, 200])
  })

  it('whoever has changed something sees it in what they ask next, while others ask all the time', async () => {
    const { job_id } = await harness.job(1)
    const read = async (): Promise<number> =>
      (await jsonOf(harness.app.request(`/api/v3/jobs/${job_id}`))).priority
    const over = new AbortController()
    const others = Array.from({ length: 5 }, async () => {
      while (!over.signal.aborted) await read()
    })
    for (let priority = 1; priority <= 40; priority++) {
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify({ priority })
      await harness.app.request(`/api/v3/jobs/${job_id}`, { method: 'PATCH', headers, body })
      expect(await read()).toBe(priority)
    }
    over.abort()
    await Promise.all(others)
  })
})
