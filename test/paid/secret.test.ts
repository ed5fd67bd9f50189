/** The secret that addresses are signed with is replaced while renders are under way: none is lost, none is paid twice. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Installation, openInstallation } from '../../src/coordinator/attempt/installation.ts'
import { webhookSecret } from '../../src/fake-replicate/webhook.ts'
import { addressOf } from '../../src/http/edge/path.ts'
import { createUrlSigner } from '../../src/renderer/replicate/signature.ts'
import { type Simulation, openSimulation } from '../harness/simulation.ts'
import { hour, minute, second, silentLog } from '../harness/harness.ts'

/** Two renders of a quarter of an hour are under way. */
async function running() {
  const installed: { installation?: Installation } = {}
  const simulation = await openSimulation({
    fake: { renderMs: hour / 4 },
    secrets: () => installed.installation?.secrets() ?? ['before it is opened'],
  })
  const open = (): Promise<Installation> =>
    openInstallation({
      database: simulation.database,
      host: simulation.clock,
      log: silentLog,
    })
  const installation = await open()
  installed.installation = installation
  const { job_id: jobId } = await simulation.job([0, 1])
  await simulation.approve(jobId)
  await simulation.until(() => simulation.posts().length === 2)
  await simulation.pass(second)
  return { simulation, jobId, installation, open, [Symbol.asyncDispose]: simulation[Symbol.asyncDispose] }
}

/** Where the provider tells of the latest attempt, as it would be signed now. */
async function addressIn(simulation: Simulation, installation: Installation): Promise<string> {
  const { sign } = createUrlSigner({
    secrets: () => installation.secrets(),
    now: () => simulation.clock.now(),
  })
  const [{ attempt_id }] = (await simulation.get('/ledger')).entries
  return addressOf.webhook(attempt_id, sign)
}

function notify(simulation: Simulation, url: string, id: string): Promise<number> {
  const body = JSON.stringify({ id: 'abcdefgh', status: 'processing' })
  const timestamp = String(Math.floor(simulation.clock.now() / 1000))
  const key = Buffer.from(webhookSecret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
  const answer = simulation.life.app.request(url, { method: 'POST', headers, body })
  return Promise.resolve(answer).then(({ status }) => status)
}

/** What the provider's news of renders that ended were answered with. */
const answers = (simulation: Simulation, after: number): (number | null)[] =>
  simulation.ledger.slice(after).flatMap((entry) => (entry.what === 'webhook' ? [entry.status] : []))

test('with a grace time: news of renders under way is taken, and those that follow are signed anew', async () => {
  await using opened = await running()
  const { simulation, jobId, installation } = opened
  const before = installation.secrets()[0]
  const told = simulation.ledger.length
  const { rotatedAt, previousUntil } = await installation.rotateSecret()
  expect(previousUntil).toBe(rotatedAt + 24 * hour)
  expect(installation.secrets()).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), before])
  expect(await simulation.ended(jobId)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  const { job_id: next } = await simulation.job([2])
  await simulation.approve(next)
  expect(await simulation.ended(next)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  await simulation.pass(minute)
  expect(new Set(answers(simulation, told))).toEqual(new Set([200]))
  expect(simulation.posts()).toHaveLength(3)
})

test('without one: news signed for before is refused, polling suffices, and nothing is paid twice', async () => {
  await using opened = await running()
  const { simulation, jobId, installation } = opened
  const told = simulation.ledger.length
  expect(await installation.rotateSecret({ grace_seconds: 0 })).toMatchObject({ previousUntil: null })
  expect(installation.secrets()).toHaveLength(1)
  expect(await simulation.ended(jobId)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  await simulation.pass(minute)
  expect(new Set(answers(simulation, told))).toEqual(new Set([403]))
  expect(simulation.posts()).toHaveLength(2)
})

test('an address counts until the grace time is over, and never for longer than a day', async () => {
  await using opened = await running()
  const { simulation, jobId, installation, open } = opened
  const address = await addressIn(simulation, installation)
  await installation.rotateSecret({ grace_seconds: 3600 })
  expect(await notify(simulation, address, 'msg_1')).toBe(200)
  // The secrets are rows: a process that starts now knows the same.
  expect((await open()).secrets()).toEqual(installation.secrets())
  await simulation.ended(jobId)
  simulation.clock.advance(hour)
  expect(await notify(simulation, address, 'msg_2')).toBe(403)

  const later = await addressIn(simulation, installation)
  expect(await notify(simulation, later, 'msg_3')).toBe(200)
  simulation.clock.advance(24 * hour + second)
  expect(await notify(simulation, later, 'msg_4')).toBe(403)
})

test('two rotations within the grace time leave both secrets before to count', async () => {
  await using opened = await running()
  const { installation } = opened
  const [first] = installation.secrets()
  await installation.rotateSecret()
  const [next] = installation.secrets()
  await installation.rotateSecret()
  expect(installation.secrets().slice(1)).toEqual([next, first])
})

test('a grace time that is none is refused', async () => {
  await using opened = await running()
  await expect(opened.installation.rotateSecret({ grace_seconds: -1 })).rejects.toThrow()
})
