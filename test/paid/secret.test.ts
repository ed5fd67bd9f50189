/** The secret that addresses are signed with is replaced while renders are under way: none is lost, none is paid twice. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Installation, openInstallation } from '../../src/coordinator/installation.ts'
import { webhookSecret } from '../../src/fake-replicate/webhook.ts'
import { addressOf } from '../../src/http/edge/path.ts'
import { createLog } from '../../src/log.ts'
import { createUrlSigner } from '../../src/renderer/replicate/signature.ts'
import { type Till, openTill } from './till.ts'
import { hour, minute, second } from './world.ts'

/** Two renders of a quarter of an hour are under way. */
async function running() {
  const installed: { installation?: Installation } = {}
  const till = await openTill({
    fake: { renderMs: hour / 4 },
    secrets: () => installed.installation?.secrets() ?? ['before it is opened'],
  })
  const open = (): Promise<Installation> =>
    openInstallation({
      database: till.world.database,
      host: till.world.clock,
      log: createLog({ level: 'silent' }),
    })
  const installation = await open()
  installed.installation = installation
  const { job_id: jobId } = await till.job([0, 1])
  await till.approve(jobId)
  await till.until(() => till.posts().length === 2)
  await till.pass(second)
  return { till, jobId, installation, open, [Symbol.asyncDispose]: till[Symbol.asyncDispose] }
}

/** Where the provider tells of the latest attempt, as it would be signed now. */
async function addressIn(till: Till, installation: Installation): Promise<string> {
  const { sign } = createUrlSigner({
    secrets: () => installation.secrets(),
    now: () => till.world.clock.now(),
  })
  const [{ attempt_id }] = (await till.get('/ledger')).entries
  return addressOf.webhook(attempt_id, sign)
}

function notify(till: Till, url: string, id: string): Promise<number> {
  const body = JSON.stringify({ id: 'abcdefgh', status: 'processing' })
  const timestamp = String(Math.floor(till.world.clock.now() / 1000))
  const key = Buffer.from(webhookSecret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
  const answer = till.world.life!.app.request(url, { method: 'POST', headers, body })
  return Promise.resolve(answer).then(({ status }) => status)
}

/** What the provider's news of renders that ended were answered with. */
const answers = (till: Till, after: number): (number | null)[] =>
  till.world.ledger.slice(after).flatMap((entry) => (entry.what === 'webhook' ? [entry.status] : []))

test('with a grace time: news of renders under way is taken, and those that follow are signed anew', async () => {
  await using opened = await running()
  const { till, jobId, installation } = opened
  const before = installation.secrets()[0]
  const told = till.world.ledger.length
  const { rotatedAt, previousUntil } = await installation.rotateSecret()
  expect(previousUntil).toBe(rotatedAt + 24 * hour)
  expect(installation.secrets()).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), before])
  expect(await till.ended(jobId)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  const { job_id: next } = await till.job([2])
  await till.approve(next)
  expect(await till.ended(next)).toMatchObject({ status: 'completed', costs: { spent: 0.4 } })
  await till.pass(minute)
  expect(new Set(answers(till, told))).toEqual(new Set([200]))
  expect(till.posts()).toHaveLength(3)
})

test('without one: news signed for before is refused, polling suffices, and nothing is paid twice', async () => {
  await using opened = await running()
  const { till, jobId, installation } = opened
  const told = till.world.ledger.length
  expect(await installation.rotateSecret({ grace_seconds: 0 })).toMatchObject({ previousUntil: null })
  expect(installation.secrets()).toHaveLength(1)
  expect(await till.ended(jobId)).toMatchObject({ status: 'completed', costs: { spent: 0.8 } })
  await till.pass(minute)
  expect(new Set(answers(till, told))).toEqual(new Set([403]))
  expect(till.posts()).toHaveLength(2)
})

test('an address counts until the grace time is over, and never for longer than a day', async () => {
  await using opened = await running()
  const { till, jobId, installation, open } = opened
  const address = await addressIn(till, installation)
  await installation.rotateSecret({ grace_seconds: 3600 })
  expect(await notify(till, address, 'msg_1')).toBe(200)
  // The secrets are rows: a process that starts now knows the same.
  expect((await open()).secrets()).toEqual(installation.secrets())
  await till.ended(jobId)
  till.world.clock.advance(hour)
  expect(await notify(till, address, 'msg_2')).toBe(403)

  const later = await addressIn(till, installation)
  expect(await notify(till, later, 'msg_3')).toBe(200)
  till.world.clock.advance(24 * hour + second)
  expect(await notify(till, later, 'msg_4')).toBe(403)
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
