/** What the overview makes of its figures. */
import { describe, expect, it } from 'vitest'
import { durationIn } from '../../page/src/overview/duration.ts'
import { paceOf } from '../../page/src/overview/pace.ts'
import { spendByDay } from '../../page/src/overview/spend-by-day.ts'

const now = Date.parse('2026-11-27T12:00:00Z')
const row = (day: string, client_id: string | null, spent: number | null) => ({
  day,
  client_id,
  spent,
  reserved: 0,
})

describe('a budget', () => {
  const rows = [
    row('2026-11-10', 'acme', 500),
    row('2026-11-21', 'acme', 14),
    row('2026-11-26', 'acme', 7),
    row('2026-11-26', 'other', 21),
    row('2026-11-27', 'acme', 300),
  ]
  it('of a client or of all lasts for what is left by the week before today', () => {
    expect(paceOf('client:acme', 30, 70, rows, now)).toEqual({ days: 10 })
    expect(paceOf('total', 30, 70, rows, now)).toEqual({ days: 5 })
    expect(paceOf('client:nobody', 30, 0, rows, now)).toBeUndefined()
  })

  it('of a day comes to as much more as is left of the day, which the first hours do not tell', () => {
    expect(paceOf('day', 30, 10, rows, now)).toEqual({ byMidnight: 20 })
    expect(paceOf('day', 30, 10, rows, Date.parse('2026-11-27T01:00:00Z'))).toBeUndefined()
  })

  it('of each job or client has no pace', () => {
    expect(paceOf('job', 30, 0, rows, now)).toBeUndefined()
    expect(paceOf('client', 30, 0, rows, now)).toBeUndefined()
  })
})

describe('spending by day', () => {
  const names = { noClient: 'nobody', otherClients: 'others' }

  it('has a bar for each of the last 30 days, and the clients who spent most first', () => {
    const { times, series } = spendByDay(
      [
        row('2026-11-26', null, 1),
        row('2026-11-27', 'acme', 2),
        row('2026-10-01', 'acme', 9),
        row('2026-11-27', 'a', null),
      ],
      now,
      names,
    )
    expect(times).toHaveLength(30)
    expect(new Date(times.at(-1)!).toISOString()).toBe('2026-11-27T00:00:00.000Z')
    expect(series.map(({ name, values }) => [name, values.slice(-2)])).toEqual([
      ['acme', [0, 2]],
      ['nobody', [1, 0]],
      ['a', [0, 0]],
    ])
  })

  it('draws more than five clients as four and the others', () => {
    const rows = Array.from({ length: 8 }, (_, index) => row('2026-11-27', `c${index}`, 8 - index))
    const { series } = spendByDay(rows, now, names)
    expect(series.map(({ name, values }) => [name, values.at(-1)])).toEqual([
      ['c0', 8],
      ['c1', 7],
      ['c2', 6],
      ['c3', 5],
      ['others', 10],
    ])
  })
})

it.each([
  [0, '0 s'],
  [1.54, '1.5 s'],
  [9.96, '10 s'],
  [75, '1 min 15 s'],
  [3600, '1 h'],
  [93_900, '1 d 2 h'],
])('says %d seconds as %s', (seconds, words) => {
  expect(durationIn('en', seconds)).toBe(words)
})
