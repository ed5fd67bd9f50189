/** Waiting for a job's end: over HTTP, and in the program that runs it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { createWaitFor } from '../../src/coordinator/read/wait-for.ts'
import { type AppHarness, openAppHarness } from '../harness/app.ts'
import { until } from '../harness/until.ts'

let harness: AppHarness
/** No clip is made while it is so: a job that renders goes on rendering. */
let isStuck = false
beforeAll(async () => {
  const film = (): Uint8Array => new Uint8Array(9)
  const clip = (): Uint8Array => {
    if (isStuck) throw new Error('stuck')
    return film()
  }
  harness = await openAppHarness({ makes: { clip, film, thumbnail: film } })
  await harness.start()
})
afterEach(() => {
  isStuck = false
})
afterAll(() => harness.close())

const closed = new AbortController()
type Wait = (
  jobId: number,
  options?: { readonly signal?: AbortSignal },
) => Promise<{ readonly status: string }>
const ways: readonly [string, () => Wait][] = [
  [
    'a client',
    () =>
      createClient({
        url: 'http://localhost',
        fetch: async (address, init) => harness.app.fetch(new Request(address, init)),
      }).waitFor,
  ],
  [
    'the library',
    () => createWaitFor({ readJob: harness.coordinator.job, pubsub: harness.pubsub, closed: closed.signal }),
  ],
]

describe.each(ways)('%s', (_who, waiting) => {
  it('waits through the approval until the film is there, and not at all where it is', async () => {
    const { job_id } = await harness.job()
    const over = waiting()(job_id)
    await harness.finish(job_id)
    expect(await over).toMatchObject({ status: 'completed' })
    expect(await waiting()(job_id)).toMatchObject({ status: 'completed' })
  })

  it('is told by an error that the job was cancelled, with the job', async () => {
    const { job_id } = await harness.job()
    const over = waiting()(job_id)
    over.catch(() => {})
    await harness.coordinator.cancelJob(job_id, { reason: 'no longer wanted' })
    const end = {
      name: 'JobEndedError',
      job: { status: 'cancelled' },
      message: `Job ${job_id} was cancelled`,
    }
    await expect(over).rejects.toMatchObject(end)
    await expect(waiting()(job_id)).rejects.toMatchObject(end)
  })

  it('is told why it failed', async () => {
    isStuck = true
    const { job_id } = await harness.job()
    await harness.coordinator.approveJob(job_id)
    await until(async () => (await harness.coordinator.job(job_id)).status === 'processing')
    const over = waiting()(job_id)
    over.catch(() => {})
    await harness.coordinator.failJob(job_id, 'the disk is full')
    await expect(over).rejects.toMatchObject({
      message: `Job ${job_id} failed: the disk is full`,
      job: { status: 'failed' },
    })
  })

  it('learns at once that there is no such job, and may stop waiting', async () => {
    await expect(waiting()(99_999)).rejects.toThrow('Job not found')
    const { job_id } = await harness.job()
    const enough = new AbortController()
    const over = waiting()(job_id, { signal: enough.signal })
    over.catch(() => {})
    enough.abort(new Error('enough'))
    await expect(over).rejects.toThrow('enough')
  })
})

it('the library waits for nothing that can no longer happen', async () => {
  const { job_id } = await harness.job()
  const over = ways[1]![1]()(job_id)
  over.catch(() => {})
  closed.abort(new Error('The workflow was closed'))
  await expect(over).rejects.toThrow('The workflow was closed')
})
