/** The page's list of jobs: read page by page, and brought up to date by events without a gap or a double. */
import { afterEach, expect, test, vi } from 'vitest'
import type { JobEvent, JobsAnswer } from '../../src/client/client.ts'
import { toggled } from '../../page/src/jobs/selection.ts'
import { JobList } from '../../page/src/server/job-pages.ts'

afterEach(() => vi.useRealTimers())

/** A server with these jobs, whose pages are as long as was asked for. */
function serverOf(ids: number[], order: 'newest' | 'oldest' = 'newest') {
  const read = (cursor: string | undefined, limit: number): Promise<JobsAnswer> => {
    const sorted = ids.toSorted((one, other) => (order === 'oldest' ? one - other : other - one))
    const after = cursor === undefined ? undefined : Number(cursor)
    const rest = sorted.filter((id) => after === undefined || (order === 'oldest' ? id > after : id < after))
    const page = rest.slice(0, limit)
    const next = rest.length > limit ? String(page.at(-1)) : null
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the list looks at ids and progress alone
    const jobs = page.map((job_id) => ({ job_id, progress_percentage: 0 })) as JobsAnswer['jobs']
    return Promise.resolve({ jobs, next_cursor: next })
  }
  return { ids, list: new JobList(read, () => () => undefined, order === 'oldest') }
}

const idsOf = (list: JobList): readonly number[] => list.state().rows.map(({ job_id }) => job_id)
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const event = (type: string, job_id: number, data: object = {}) => ({ type, job_id, data }) as JobEvent

async function readAll(list: JobList): Promise<void> {
  while (list.state().isMore) {
    list.more()
    await vi.advanceTimersByTimeAsync(0)
  }
}

for (const order of ['newest', 'oldest'] as const)
  test(`lists each job once, ${order} first, whatever begins and ends in the middle`, async () => {
    vi.useFakeTimers()
    const { ids, list } = serverOf(
      numbers(1, 1000).filter((id) => id !== 500),
      order,
    )
    const stop = list.start()
    await readAll(list)
    list.see(0, 1000)
    // One belongs in the middle now, one does no longer, one is new.
    ids.push(500, 1001)
    ids.splice(ids.indexOf(300), 1)
    list.onEvents([event('job_failed', 500), event('job_retried', 300), event('job_created', 1001)])
    await vi.advanceTimersByTimeAsync(1000)
    const wanted = numbers(1, 1001).filter((id) => id !== 300)
    expect(idsOf(list)).toEqual(order === 'oldest' ? wanted : wanted.toReversed())
    stop()
  })

test('grows at its top by more jobs than a page holds', async () => {
  vi.useFakeTimers()
  const { ids, list } = serverOf(numbers(1, 300))
  const stop = list.start()
  await readAll(list)
  ids.push(...numbers(301, 900))
  list.see(0, 10)
  list.onEvents([event('job_created', 900)])
  await vi.advanceTimersByTimeAsync(1000)
  expect(idsOf(list)).toEqual(numbers(1, 900).toReversed())
  stop()
})

test('shows progress without reading anything', async () => {
  vi.useFakeTimers()
  const { list } = serverOf([1, 2])
  const stop = list.start()
  await readAll(list)
  list.onEvents([event('job_progress', 2, { percentage: 40 })])
  expect(list.state().rows[0]).toMatchObject({ job_id: 2, progress_percentage: 40 })
  stop()
})

test('reads what is out of sight once it is in sight', async () => {
  vi.useFakeTimers()
  const { ids, list } = serverOf(numbers(1, 1000))
  const stop = list.start()
  await readAll(list)
  list.see(0, 20)
  ids.splice(ids.indexOf(100), 1)
  list.onEvents([event('job_cancelled', 100)])
  await vi.advanceTimersByTimeAsync(1000)
  expect(idsOf(list)).toContain(100)
  list.see(880, 920)
  await vi.advanceTimersByTimeAsync(1000)
  expect(idsOf(list)).not.toContain(100)
  stop()
})

test('chooses all rows between two', () => {
  const rows = numbers(1, 6).map((job_id) => ({ job_id }))
  const one = toggled(rows, new Set(), 1, undefined)
  expect([...toggled(rows, one, 4, 2)]).toEqual([2, 3, 4, 5])
  expect([...toggled(rows, one, 1, undefined)]).toEqual([])
})
