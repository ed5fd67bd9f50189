import { expect, it } from 'vitest'
import { createShare } from '../../src/http/edge/shared-answer.ts'

it('equal questions that arrive together are answered once, and others on their own', async () => {
  const share = createShare()
  let answers = 0
  const ask = (question: string) => share(question, async () => `${question} ${++answers}`)
  const told = await Promise.all([ask('jobs'), ask('jobs'), ask('limits'), ask('jobs')])
  expect(told).toEqual(['jobs 1', 'jobs 1', 'limits 2', 'jobs 1'])
})

it('an answer is never older than its question', async () => {
  const share = createShare()
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
  const share = createShare()
  const failing = () => share<string>('jobs', () => Promise.reject(new Error('away')))
  await expect(Promise.allSettled([failing(), failing()])).resolves.toMatchObject([
    { status: 'rejected' },
    { status: 'rejected' },
  ])
  await expect(share('jobs', () => Promise.resolve('here'))).resolves.toBe('here')
})
