/** Links that show a film without a key: to whom, what, and until when. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Installation, openInstallation } from '../../src/coordinator/attempt/installation.ts'
import type { SignedAddresses } from '../../src/http/routes/parts.ts'
import { signedText } from '../../src/http/edge/path.ts'
import { systemHost } from '../../src/host.ts'
import { createAddresses } from '../../src/wire/addresses.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { type App, jsonOf } from '../harness/ask.ts'

const day = 24 * 3600

let harness: AppHarness
let installation: Installation
let addresses: SignedAddresses
let app: App
let aheadMs = 0

beforeAll(async () => {
  harness = await openAppHarness()
  installation = await openInstallation({ ...harness, host: systemHost })
  const host = { ...systemHost, now: () => Date.now() + aheadMs }
  addresses = createAddresses({ publicBaseUrl: undefined }, { installation, host, areShared: false })
  app = harness.appWith({ addresses, access: { keysRequired: true, ratePerMinute: 0 } })
})
afterAll(() => harness.close())
beforeEach(() => {
  aheadMs = 0
})

const keys = new Map<string, string>()
/** A key with these scopes, named by them. */
async function keyOf(...scopes: readonly string[]): Promise<string> {
  const name = scopes.join(' ')
  const known = keys.get(name) ?? (await harness.coordinator.createKey({ name, scopes })).secret
  keys.set(name, known)
  return known
}

const ask = async (key: string, method: string, path: string, body?: object) => {
  const text = JSON.stringify(body)
  const response = await app.request(`/api/v3${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body && { 'content-type': 'application/json', 'content-length': String(text.length) }),
    },
    ...(body && { body: text }),
  })
  return { status: response.status, body: await jsonOf(response) }
}

const open = async (url: string, headers: Readonly<Record<string, string>> = {}) =>
  app.request(url, { headers })

/** A job whose film has this text. */
async function filmed(text: string): Promise<number> {
  const { job_id } = await harness.job(1)
  await harness.finish(job_id, new TextEncoder().encode(text))
  return job_id
}

async function shared(jobId: number, request: object = {}): Promise<string> {
  const link = await ask(await keyOf('approve'), 'POST', `/videos/${jobId}/links`, request)
  expect(link.status, JSON.stringify(link.body)).toBe(201)
  return link.body.url
}

describe('a link to a film', () => {
  test('shows it without a key, inline, in parts, and to no cache but the one of who sees it', async () => {
    const url = await shared(await filmed('a film'))
    const whole = await open(url)
    expect([whole.status, await whole.text()]).toEqual([200, 'a film'])
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'video/mp4',
      'content-disposition': 'inline; filename="Untitled film.mp4"',
      'cache-control': 'private, no-cache',
      'accept-ranges': 'bytes',
    })
    const part = await open(url, { range: 'bytes=2-3' })
    expect([part.status, await part.text()]).toEqual([206, 'fi'])
    const head = await app.request(url, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('ends when it says, and tells so', async () => {
    const jobId = await filmed('for an hour')
    const { body } = await ask(await keyOf('approve'), 'POST', `/videos/${jobId}/links`, {
      expires_in_seconds: 3600,
    })
    const ends = Date.parse(body.expires_at)
    expect(Math.abs(ends - Date.now() - 3_600_000)).toBeLessThan(60_000)
    aheadMs = ends - Date.now() - 5000
    expect((await open(body.url)).status).toBe(200)
    aheadMs += 6000
    const ended = await open(body.url)
    expect([ended.status, await jsonOf(ended)]).toMatchObject([
      410,
      { error: 'Link has ended', ended_at: body.expires_at },
    ])
  })

  test('lasts 7 days, and 30 at most', async () => {
    const jobId = await filmed('for long')
    const key = await keyOf('approve')
    const { body } = await ask(key, 'POST', `/videos/${jobId}/links`)
    expect(Math.round((Date.parse(body.expires_at) - Date.now()) / 1000 / day)).toBe(7)
    const refused = await ask(key, 'POST', `/videos/${jobId}/links`, { expires_in_seconds: 31 * day })
    expect(refused).toMatchObject({ status: 422, body: { field: 'expires_in_seconds' } })
  })

  test('shows nothing else: changed in any part it is not valid', async () => {
    const [one, other] = [await filmed('one'), await filmed('other')]
    const url = await shared(one)
    const changed = [
      url.replace(`/films/${one}/`, `/films/${other}/`),
      url.replace('/film.mp4', '/version-1.mp4'),
      url.replace(/expires=\d+/, `expires=${Math.ceil(Date.now() / 1000) + 90 * day}`),
      url.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      url.replace(/&signature=.*/, ''),
      url.replace('/film.mp4', '/thumbnail.mp4'),
      url.split('?')[0]!,
    ]
    for (const address of changed) {
      const { status, body } = { status: (await open(address)).status, body: await jsonOf(open(address)) }
      expect([status, body.error], address).toEqual([404, 'Link is not valid'])
    }
  })

  test('is not made valid by a signature for another kind of address, nor the other way round', async () => {
    const jobId = await filmed('mine')
    const url = await shared(jobId, { version: 1 })
    const [path, query] = url.split('?')
    const later = Date.now() + day * 1000
    const texts = [
      signedText.webhook(`film ${jobId} 1`),
      signedText.input(`film ${jobId} 1`, 1),
      `input film ${jobId} 1`,
      signedText.film(jobId, null),
      signedText.film(Number(`${jobId}1`), 1),
      `film ${jobId} 1 until ${Math.ceil(later / 1000)}`,
      '',
    ]
    for (const text of texts) {
      const signed = `${path}?${addresses.sign(text, later)}`
      expect([text, (await open(signed)).status]).toEqual([text, 404])
    }
    const [expires, signature] = [...new URLSearchParams(query).values()]
    for (const text of [signedText.webhook(String(jobId)), signedText.input(`${jobId}`, 1), `${jobId} 1`])
      expect(await addresses.check(text, { expires, signature })).toBe('wrong')
    // Nor by members given twice, or by a name for no version.
    for (const address of [
      `${path}?expires=${Number(expires) + 1}&${query}`,
      url.replace('version-1', 'version-0'),
      url.replace('version-1', 'version-'),
      url.replace('version-1', 'version-1%2f..%2ffilm'),
      url.replace('version-1.mp4', 'version-1.MP4'),
    ])
      expect([address, (await open(address)).status]).toEqual([address, 404])
  })

  test('of the job of another client is not made by a key that is bound to one', async () => {
    const { job_id } = await harness.job(1, { parameters: { client_id: 'nord' } })
    await harness.finish(job_id, new TextEncoder().encode('of nord'))
    const scopes = ['read', 'submit', 'approve']
    const keyFor = async (client_id: string) =>
      (await harness.coordinator.createKey({ name: `of ${client_id}`, scopes, client_id })).secret
    const make = async (key: string) => (await ask(key, 'POST', `/videos/${job_id}/links`, {})).status
    expect([await make(await keyFor('acme')), await make(await keyFor('nord'))]).toEqual([404, 201])
  })

  test('leaves its address in no line of the log, used rightly or wrongly', async () => {
    const jobId = await filmed('quiet')
    const url = await shared(jobId)
    await open(url)
    await open(url.replace('/film.mp4', '/version-1.mp4'))
    const { film } = await harness.coordinator.job(jobId)
    await harness.artifacts.remove(film!.film.id, Date.now() + 1000)
    await open(url)
    const { searchParams } = new URL(url, 'http://localhost')
    expect(JSON.stringify(harness.logged)).not.toContain(searchParams.get('signature'))
  })

  test('ends before its time with the secret that signed it, the job or the film', async () => {
    const [kept, rotated, deleted] = [await filmed('kept'), await filmed('rotated'), await filmed('deleted')]
    const gone = await shared(deleted)
    await harness.coordinator.deleteJob(deleted)
    expect((await open(gone)).status).toBe(404)
    const url = await shared(rotated)
    await installation.rotateSecret({ grace_seconds: 60 })
    expect((await open(url)).status).toBe(200)
    await installation.rotateSecret({ grace_seconds: 0 })
    expect(await jsonOf(open(url))).toMatchObject({ error: 'Link is not valid' })

    const removed = await shared(kept)
    const { film } = await harness.coordinator.job(kept)
    await harness.database.transaction((tx) =>
      tx.run('update films set removed_at = 1 where job_id = $1', [kept]),
    )
    await harness.artifacts.remove(film!.film.id, Date.now() + 1000)
    expect((await open(removed)).status).toBe(410)
    expect((await ask(await keyOf('approve'), 'POST', `/videos/${kept}/links`)).status).toBe(410)
  })

  test('follows the film of the job, or stays with its version', async () => {
    const jobId = await filmed('first')
    const [follows, stays] = [await shared(jobId), await shared(jobId, { version: 1 })]
    const [scene] = await harness.coordinator.scenes(jobId)
    const completed = Promise.withResolvers<void>()
    const end = harness.pubsub.subscribe('jobs:completed', () => completed.resolve())
    harness.show(new TextEncoder().encode('second'))
    await harness.coordinator.regenerateScene(jobId, scene!.id)
    await completed.promise
    end()
    expect([await (await open(follows)).text(), await (await open(stays)).text()]).toEqual([
      'second',
      'first',
    ])
  })

  test('is made by who may submit its job or approve, and of a film that is there', async () => {
    const jobId = await filmed('whose')
    const make = async (key: string, id = jobId) => (await ask(key, 'POST', `/videos/${id}/links`)).status
    expect(await make(await keyOf('read'))).toBe(403)
    expect(await make(await keyOf('submit', 'read'))).toBe(403)
    expect(await make(await keyOf('submit'))).toBe(404)
    expect(await make(await keyOf('approve'))).toBe(201)
    const { job_id } = await harness.job(1)
    expect(await make(await keyOf('approve'), job_id)).toBe(404)
    const none = await ask(await keyOf('approve'), 'POST', `/videos/${jobId}/links`, { version: 7 })
    expect(none).toMatchObject({ status: 404, body: { reason: 'There is no version 7 of it' } })
  })

  test('is in the history without its address', async () => {
    const jobId = await filmed('told')
    const url = await shared(jobId, { version: 1 })
    const key = await keyOf('read')
    const { entries } = (await ask(key, 'GET', `/jobs/${jobId}/history`)).body
    expect(entries.at(-1)).toMatchObject({ type: 'job_shared', by: 'approve', data: { version: 1 } })
    expect(JSON.stringify(entries)).not.toContain(
      new URL(url, 'http://localhost').searchParams.get('signature'),
    )
  })
})

describe('the versions of a film', () => {
  test('say what scenes they are of, and which of them were rendered anew', async () => {
    let clips = 0
    const made = await openAppHarness({
      makes: { clip: () => `clip ${clips++}`, film: () => `film ${clips}`, thumbnail: () => 'picture' },
    })
    try {
      const { job_id } = await made.job(3)
      await made.finish(job_id)
      const scenes = await made.coordinator.scenes(job_id)
      const completed = Promise.withResolvers<void>()
      made.pubsub.subscribe('jobs:completed', () => completed.resolve())
      await made.coordinator.regenerateScene(job_id, scenes[1]!.id)
      await completed.promise
      const { versions } = await jsonOf(made.app.request(`/api/v3/videos/${job_id}/versions`))
      const [second, first] = versions
      expect(first.scenes.map(({ scene_id }: any) => scene_id)).toEqual(scenes.map(({ id }) => id))
      expect(first.scenes.map(({ start }: any) => start)[0]).toBe(0)
      const { total_duration } = (await made.coordinator.job(job_id)).storyboard
      const sum = first.scenes.reduce((seconds: number, { duration }: any) => seconds + duration, 0)
      expect(sum).toBeCloseTo(total_duration, 1)
      const differ = first.scenes.map(({ clip }: any, index: number) => clip !== second.scenes[index].clip)
      expect(differ).toEqual([false, true, false])
    } finally {
      await made.close()
    }
  })
})
