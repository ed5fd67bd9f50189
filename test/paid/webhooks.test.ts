import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ArtifactStore } from '../../src/artifact/artifact.ts'
import type { Fault } from '../../src/fake-replicate/fault.ts'
import { webhookSecret } from '../../src/fake-replicate/webhook.ts'
import { addressOf } from '../../src/http/edge/path.ts'
import { type AddressProof, createUrlSigner } from '../../src/renderer/replicate/signature.ts'
import { createClock } from '../clock.ts'
import { appOver, chunksOf } from '../harness/ask.ts'
import { type Simulation, openSimulation } from '../harness/simulation.ts'
import { hour, minute, second } from '../harness/harness.ts'

const worldBegins = createClock().now()
/** What the simulation's installation signs with. */
const signing = (secret: string) => createUrlSigner({ secrets: () => [secret], now: () => worldBegins })
const ours = signing('signed with this')
const stranger = signing('signed with something else')
const strangersSecret = `whsec_${Buffer.from('what a stranger signs with').toString('base64')}`
const nobody = '3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f'

interface Message {
  readonly id?: string
  readonly url: string
  readonly body: string
  readonly secret?: string
  /** ms since the epoch. */
  readonly at: number
  readonly without?: string
}

function send(
  simulation: Simulation,
  { id = 'msg_1', url, body, secret = webhookSecret, at, without }: Message,
) {
  const timestamp = String(Math.floor(at / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  const headers = new Headers({
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  })
  if (without !== undefined) headers.delete(without)
  return simulation.life.app.request(url, { method: 'POST', headers, body })
}

const answered = async (response: Response | Promise<Response>) => {
  const one = await response
  return { status: one.status, body: JSON.parse(await one.text()) }
}

const rows = async (simulation: Simulation): Promise<unknown> => [
  await simulation.database.all('select * from attempts order by id'),
  await simulation.database.all('select * from scenes order by id'),
  await simulation.database.all('select * from webhooks_in order by id'),
  await simulation.database.all('select * from events order by id'),
]

/** A job whose one render runs for an hour. */
async function running() {
  const simulation = await openSimulation({ fake: { renderMs: hour / 4, rates: { webhook_lost: 1 } } })
  const { job_id } = await simulation.job([0])
  await simulation.approve(job_id)
  await simulation.until(() => simulation.posts().length === 1)
  await simulation.pass(second)
  const [{ attempt_id, prediction_id }] = (await simulation.get('/ledger')).entries
  const url = addressOf.webhook(attempt_id, ours.sign)
  const body = JSON.stringify({ id: prediction_id, status: 'succeeded' })
  return {
    simulation,
    job_id,
    attemptId: attempt_id as string,
    renderId: prediction_id as string,
    url,
    body,
    [Symbol.asyncDispose]: simulation[Symbol.asyncDispose],
  }
}

const signatureRefused = {
  status: 403,
  body: { error: 'Signature refused', reason: 'The signature is missing, old or not ours' },
}

describe('a webhook', () => {
  test('is taken with both signatures, and what it says of the render is not believed', async () => {
    await using opened = await running()
    const { simulation, job_id, renderId, url } = opened
    const body = JSON.stringify({
      id: renderId,
      status: 'failed',
      error: 'made up',
      output: 'http://else.test/x',
    })
    expect(await answered(send(simulation, { url, body, at: simulation.clock.now() }))).toEqual({
      status: 200,
      body: { status: 'received' },
    })
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  })

  test.each<[string, (m: Awaited<ReturnType<typeof running>>) => Partial<Message>]>([
    ['without our signature', ({ url }) => ({ url: url.split('?')[0]! })],
    [
      'with a signature of ours that is empty',
      ({ url }) => ({ url: url.replace(/signature=.*/, 'signature=') }),
    ],
    [
      'with somebody else’s signature for ours',
      ({ attemptId }) => ({ url: addressOf.webhook(attemptId, stranger.sign) }),
    ],
    [
      'with our signature of another attempt',
      ({ url, attemptId }) => ({
        url: url.replace(
          /expires=.*/,
          ours.sign(`webhook ${attemptId.replace(/.$/, (last) => (last === '0' ? '1' : '0'))}`),
        ),
      }),
    ],
    [
      'with our signature of a picture',
      ({ url, attemptId }) => ({
        url: url.replace(/expires=.*/, ours.sign(`input wc-abcdefabcdef-${attemptId} 0`)),
      }),
    ],
    ['with somebody else’s signature for the provider’s', () => ({ secret: strangersSecret })],
    ['signed with an empty key', () => ({ secret: 'whsec_' })],
    ['signed six minutes ago', ({ simulation }) => ({ at: simulation.clock.now() - 6 * minute })],
    ['signed six minutes from now', ({ simulation }) => ({ at: simulation.clock.now() + 6 * minute })],
    ['signed at no time', () => ({ at: Number.NaN })],
    ['without an id', () => ({ without: 'webhook-id' })],
    ['without a time', () => ({ without: 'webhook-timestamp' })],
    ['without a signature', () => ({ without: 'webhook-signature' })],
  ])('%s is refused, always with the same words, and changes nothing', async (_name, change) => {
    await using message = await running()
    const { simulation, url, body } = message
    const before = await rows(simulation)
    const answer = await answered(
      send(simulation, { url, body, at: simulation.clock.now(), ...change(message) }),
    )
    expect(answer).toEqual(signatureRefused)
    await simulation.settle()
    expect(await rows(simulation)).toEqual(before)
  })

  test('whose body was changed on the way is refused', async () => {
    await using opened = await running()
    const { simulation, url, body } = opened
    const at = simulation.clock.now()
    const timestamp = String(Math.floor(at / 1000))
    const key = Buffer.from(webhookSecret.slice('whsec_'.length), 'base64')
    const signature = createHmac('sha256', key).update(`msg_1.${timestamp}.${body}`).digest('base64')
    const response = simulation.life.app.request(url, {
      method: 'POST',
      headers: {
        'webhook-id': 'msg_1',
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body: body.replace('succeeded', 'processing'),
    })
    expect(await answered(response)).toEqual(signatureRefused)
  })

  test('that comes again has its effect once, and is answered alike', async () => {
    await using opened = await running()
    const { simulation, url, body } = opened
    const message = { url, body, at: simulation.clock.now() }
    const answers = await Promise.all(Array.from({ length: 10 }, () => answered(send(simulation, message))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(await simulation.database.all('select id from webhooks_in')).toEqual([{ id: 'msg_1' }])
    const before = await rows(simulation)
    await simulation.settle()
    expect((await answered(send(simulation, message))).status).toBe(200)
    expect(await rows(simulation)).toEqual(before)
    // And when its signature has become old it is refused unread.
    simulation.clock.advance(6 * minute)
    expect((await answered(send(simulation, message))).status).toBe(403)
  })

  test('of an attempt that isn’t there is answered with that, and kept nowhere', async () => {
    await using opened = await running()
    const { simulation, body } = opened
    const before = await rows(simulation)
    const url = addressOf.webhook(nobody, ours.sign)
    expect(await answered(send(simulation, { url, body, at: simulation.clock.now() }))).toEqual({
      status: 404,
      body: { error: 'Attempt not found', attempt_id: nobody },
    })
    expect(await rows(simulation)).toEqual(before)
  })

  test.each<[string, string]>([
    ['is no JSON', '{"id":'],
    ['is empty', ''],
    ['is a list', '[]'],
    ['has no id', '{"status":"succeeded"}'],
    ['has an id that is none', '{"id":"../../v1/files"}'],
    ['has a number for an id', '{"id":7}'],
  ])('whose body %s is refused with the field, and changes nothing', async (_name, body) => {
    await using opened = await running()
    const { simulation, url } = opened
    const before = await rows(simulation)
    const answer = await answered(send(simulation, { url, body, at: simulation.clock.now() }))
    expect(answer).toMatchObject({ status: 400, body: { field: 'id' } })
    expect(await rows(simulation)).toEqual(before)
  })

  test('that is too large is refused while it is read', async () => {
    await using opened = await running()
    const { simulation, url } = opened
    const body = JSON.stringify({ id: 'abcdefgh', logs: 'x'.repeat(4 << 20) })
    expect(await answered(send(simulation, { url, body, at: simulation.clock.now() }))).toMatchObject({
      status: 413,
      body: { error: 'Body too large', limit_bytes: 4 << 20 },
    })
  })

  test('at an address of no attempt at all is refused with the field', async () => {
    await using opened = await running()
    const { simulation, body } = opened
    const url = '/api/webhooks/replicate/7?signature=x'
    expect(await answered(send(simulation, { url, body, at: simulation.clock.now() }))).toMatchObject({
      status: 400,
      body: { field: 'attempt' },
    })
  })

  test('that names another render than the attempt’s changes nothing of it', async () => {
    await using opened = await running()
    const { simulation, job_id, url, renderId } = opened
    const body = JSON.stringify({ id: 'somebodyelses', status: 'succeeded' })
    expect((await answered(send(simulation, { url, body, at: simulation.clock.now() }))).status).toBe(200)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
    expect((await simulation.get('/ledger')).entries).toMatchObject([{ prediction_id: renderId }])
  })

  test('of a render that has ended long ago changes nothing', async () => {
    await using simulation = await openSimulation()
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    const job = await simulation.ended(job_id)
    const [{ attempt_id, prediction_id }] = (await simulation.get('/ledger')).entries
    const url = addressOf.webhook(attempt_id, ours.sign)
    for (const status of ['starting', 'processing', 'failed']) {
      const body = JSON.stringify({ id: prediction_id, status })
      const message = { id: `msg_${status}`, url, body, at: simulation.clock.now() }
      expect((await answered(send(simulation, message))).status).toBe(200)
    }
    await simulation.pass(hour)
    expect(await simulation.get(`/jobs/${job_id}`)).toEqual(job)
  })
})

describe('webhooks that the provider', () => {
  test.each<[string, Fault]>([
    ['loses', 'webhook_lost'],
    ['sends twice', 'webhook_doubled'],
    ['sends late and out of order', 'webhook_late'],
    ['is said to have sent, by a stranger', 'webhook_forged'],
  ])('%s make no difference to the film and the bill', async (_name, fault) => {
    await using simulation = await openSimulation({ fake: { rates: { [fault]: 1 } } })
    const { job_id } = await simulation.job([0, 1, 2])
    await simulation.approve(job_id)
    expect(await simulation.ended(job_id)).toMatchObject({ status: 'completed', costs: { spent: 1.2 } })
    await simulation.pass(2 * minute)
    const told = simulation.ledger.filter((entry) => entry.what === 'webhook')
    const statuses = new Set(told.map(({ status }) => status))
    expect(statuses).toEqual(
      new Set(fault === 'webhook_lost' ? [null] : fault === 'webhook_forged' ? [403, 200] : [200]),
    )
    expect(simulation.posts()).toHaveLength(3)
  })

  test('signs cannot be believed while its secret can’t be read, and polling alone suffices', async () => {
    await using simulation = await openSimulation({ fake: { rates: { read_error: 0.5 } } })
    const { job_id } = await simulation.job([0])
    await simulation.approve(job_id)
    expect((await simulation.ended(job_id)).status).toBe('completed')
    expect(simulation.posts()).toHaveLength(1)
  })
})

describe('a picture that a provider is to render from', () => {
  const bytes = Buffer.from('a picture')
  const artifacts = {
    stat: (id: string) => Promise.resolve({ id, size: bytes.length, usedAt: 0 }),
    read: () => Promise.resolve(chunksOf(bytes)),
  } as Partial<ArtifactStore> as ArtifactStore

  const served = async () => {
    const { simulation, attemptId } = await running()
    const gate = {
      isOurs: (text: string, proof: AddressProof) => ours.verify(text, proof) === 'valid',
      isProviders: () => Promise.resolve({ ok: false as const }),
    }
    const app = appOver(simulation.life, { artifacts, gate })
    return {
      simulation,
      app,
      mark: `wc-abcdefabcdef-${attemptId}`,
      [Symbol.asyncDispose]: simulation[Symbol.asyncDispose],
    }
  }

  test('is served with our signature', async () => {
    await using opened = await served()
    const { app, mark } = opened
    const response = await app.request(addressOf.input(mark, 0, ours.sign))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('image/jpeg')
    expect(await response.text()).toBe('a picture')
  })

  test('is not served without it, nor with another’s', async () => {
    await using opened = await served()
    const { app, mark } = opened
    const good = addressOf.input(mark, 0, ours.sign)
    for (const url of [
      good.split('?')[0]!,
      `${good}x`,
      good.replace('/0.jpg', '/1.jpg'),
      addressOf.input(mark, 0, stranger.sign),
      addressOf.input(`wc-abcdefabcdef-${nobody}`, 0, () => ours.sign(`input ${mark} 0`)),
      good.replace(/expires=.*/, ours.sign(`webhook ${mark.slice(-36)}`)),
      good.replace(/expires=\d/, 'expires=2'),
      good.replace(/expires=\d+&/, ''),
    ])
      expect(await answered(app.request(url))).toEqual(signatureRefused)
  })

  test('that the attempt doesn’t have is not there', async () => {
    await using opened = await served()
    const { app, mark } = opened
    expect((await app.request(addressOf.input(mark, 1, ours.sign))).status).toBe(404)
    expect((await app.request(addressOf.input(`wc-abcdefabcdef-${nobody}`, 0, ours.sign))).status).toBe(404)
  })
})
