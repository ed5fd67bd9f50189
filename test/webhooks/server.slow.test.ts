/** The real server, in a process of its own: what it tells outlives it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, it } from 'vitest'
import { ask, createJob, startServer } from '../server/process.ts'
import { until } from '../harness/until.ts'
import { openReceiver } from './receiver.ts'

it('a server tells of a job, and what it could not tell before it was stopped it tells at its next start', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'webhooks-'))
  const env = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' }
  await using receiver = await openReceiver()
  const first = await startServer(directory, env)
  const { body } = await ask(first, 'POST', '/api/v3/webhooks/endpoints', { url: receiver.url })
  receiver.answer(() => undefined)
  const jobId = await createJob(first, 1)
  await until(() => receiver.received.length === 1)
  expect(await first.kill('SIGTERM')).toBe(0)
  receiver.answer({ status: 204 })
  const second = await startServer(directory, env)
  await until(() => receiver.received.length === 2)
  const [cut, whole] = receiver.received
  expect(whole?.headers['webhook-id']).toBe(cut?.headers['webhook-id'])
  const told = new Webhook(body.secret).verify(whole!.raw, whole!.headers as Record<string, string>)
  expect(told).toMatchObject({ type: 'job_created', data: { job_id: jobId } })
  await second.kill('SIGTERM')

  // Nothing is let through unless the operator says so.
  const third = await startServer(directory)
  const refused = await ask(third, 'POST', '/api/v3/webhooks/endpoints', { url: receiver.url })
  expect(refused).toMatchObject({ status: 422, body: { field: 'url' } })
  await third.kill('SIGTERM')
  expect([...first.lines, ...second.lines, ...third.lines].join('\n')).not.toContain('whsec_')
  rmSync(directory, { recursive: true, force: true })
})
