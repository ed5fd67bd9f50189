/** What was spent, by client and month: the sums of the ledger, for programs and for spreadsheets. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { spendLines } from '../../src/cli/money.ts'
import { csvOf } from '../../src/http/edge/csv.ts'
import { readCatalogue } from '../../src/job/catalogue.ts'
import { type Simulation, openSimulation, priceUsd, sceneOf } from '../harness/simulation.ts'
import { assetOf } from '../harness/data.ts'
import { minute } from '../harness/harness.ts'

const day = 24 * 3_600_000

const spend = (simulation: Simulation, query = '', key?: string) =>
  simulation.ask('GET', `/spend${query}`, undefined, key)
const csv = (simulation: Simulation, query: string, accept?: string) =>
  simulation.life.app.request(`/api/v3/spend${query}`, { headers: accept === undefined ? {} : { accept } })

async function paid(
  simulation: Simulation,
  client: string | undefined,
  scenes: readonly (number | object)[],
) {
  const parameters = { transition: 'cut', ...(client !== undefined && { client_id: client }) }
  const { job_id } = await simulation.job(scenes, { parameters, force: true })
  await simulation.approve(job_id, { accept_unknown_cost: true })
  expect((await simulation.ended(job_id)).status).toBe('completed')
}

const formula = '=HYPERLINK("http://x.example","a")'

test('is told by client and month, and comes to what the ledger does', async () => {
  await using simulation = await openSimulation()
  await paid(simulation, 'acme', [0, 1])
  await paid(simulation, formula, [2])
  await simulation.reborn(40 * day)
  await paid(simulation, 'acme', [3])
  await paid(simulation, undefined, [4])
  const { body } = await spend(simulation)
  const [first, second] = [...new Set<string>(body.rows.map(({ month }: any) => month))]
  expect(first! < second!).toBe(true)
  const sums = (spent: number) => ({ spent: Math.round(spent * 1e6) / 1e6, reserved: 0 })
  expect(body).toEqual({
    currency: 'USD',
    rows: [
      { month: first, client_id: formula, ...sums(priceUsd) },
      { month: first, client_id: 'acme', ...sums(2 * priceUsd) },
      { month: second, client_id: null, ...sums(priceUsd) },
      { month: second, client_id: 'acme', ...sums(priceUsd) },
    ],
    totals: sums(5 * priceUsd),
    unaccounted: 0,
  })
  expect((await simulation.get('/ledger')).totals).toEqual(body.totals)
  expect((await spend(simulation, '?group=client')).body.rows).toEqual([
    { client_id: null, ...sums(priceUsd) },
    { client_id: formula, ...sums(priceUsd) },
    { client_id: 'acme', ...sums(3 * priceUsd) },
  ])
  expect((await spend(simulation, `?group=month&client_id=acme&to=${first}`)).body.rows).toEqual([
    { month: first, ...sums(2 * priceUsd) },
  ])
  expect((await spend(simulation, `?from=${second}`)).body.totals).toEqual(sums(2 * priceUsd))

  const byDay = (await spend(simulation, '?group=day,client&client_id=acme')).body.rows
  expect(byDay).toEqual([
    { day: expect.stringContaining(first!), client_id: 'acme', ...sums(2 * priceUsd) },
    { day: expect.stringContaining(second!), client_id: 'acme', ...sums(priceUsd) },
  ])
  const [{ day: firstDay }] = byDay
  expect((await spend(simulation, `?group=day&from=${firstDay}&to=${firstDay}`)).body.rows).toEqual([
    { day: firstDay, ...sums(3 * priceUsd) },
  ])
  expect((await spend(simulation, '?group=day,month')).status).toBe(400)
  expect(await (await csv(simulation, '?group=day&format=csv')).text()).toMatch(
    new RegExp(`^day,currency,spent,reserved\r\n${firstDay},USD,1.2,0\r\n`),
  )

  const asked = await csv(simulation, `?to=${first}&format=csv`)
  expect(asked.headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(asked.headers.get('content-disposition')).toBe('attachment; filename="spend.csv"')
  const text = await asked.text()
  expect(text).toBe(
    [
      'month,client_id,currency,spent,reserved',
      `${first},"'=HYPERLINK(""http://x.example"",""a"")",USD,0.4,0`,
      `${first},acme,USD,0.8,0`,
      '',
    ].join('\r\n'),
  )
  expect(await (await csv(simulation, `?to=${first}`, 'text/csv')).text()).toBe(text)
  expect((await csv(simulation, '', 'text/csv;q=0, application/json')).headers.get('content-type')).toMatch(
    /json/,
  )
})

test('tells what is held back, and no sum where a charge of unknown price is among it', async () => {
  const mystery = {
    renderer: 'replicate',
    input: { image: '{first_image}', prompt: '{prompt}' },
    offers: [{ resolution: '720p', short_side: 720, seconds: [4], last_image: false, audio: false }],
  }
  const catalogue = readCatalogue({ version: 'mine-1', currency: 'USD', models: { 'some/mystery': mystery } })
  await using simulation = await openSimulation({ catalogue })
  await paid(simulation, 'acme', [0, sceneOf(1, { model: 'some/mystery' })])
  const { job_id } = await simulation.job([2])
  await simulation.approve(job_id)
  await simulation.until(() => simulation.posts().length === 3)
  const { body } = await spend(simulation, '?group=client')
  expect(body.rows).toEqual([
    { client_id: null, spent: 0, reserved: priceUsd },
    { client_id: 'acme', spent: null, reserved: 0 },
  ])
  expect(body.totals).toEqual({ spent: null, reserved: priceUsd })
  expect((await simulation.get('/ledger')).totals).toEqual(body.totals)
  expect(await (await csv(simulation, '?group=client&format=csv')).text()).toContain('acme,USD,,0\r\n')
})

test('holds what a render cost that no attempt accounts for once, with the client of its attempt', async () => {
  await using simulation = await openSimulation({
    isReached: false,
    fake: { plan: { 1: 'reset_after' }, listLagMs: 5 * minute, renderMs: 20 * minute },
  })
  await paid(simulation, 'acme', [0])
  await simulation.until(() => simulation.bills().length === 2)
  await simulation.pass(5 * minute)
  const sums = { spent: simulation.billedUsd(), reserved: 0 }
  expect(sums.spent).toBe(2 * priceUsd)
  expect((await simulation.get('/ledger')).totals).toEqual(sums)
  expect((await spend(simulation, '?group=client')).body).toMatchObject({
    rows: [{ client_id: 'acme', ...sums }],
    totals: sums,
    unaccounted: priceUsd,
  })
  expect((await spend(simulation, '?client_id=acme')).body).toMatchObject({ totals: sums, unaccounted: 0 })
  const lines = spendLines((await spend(simulation)).body, 80)
  expect(lines.slice(-2)).toEqual([
    'In all: $0.80 spent',
    '$0.40 of it for renders that were not started from here',
  ])
})

test('of other clients is nothing to a key that is bound to one, nor to one without read', async () => {
  await using simulation = await openSimulation()
  const { coordinator } = simulation.life
  await coordinator.letClientSee('acme', assetOf(0))
  await paid(simulation, 'other', [1])
  await paid(simulation, 'acme', [0])
  const bound = await coordinator.createKey({ name: 'acme', scopes: ['read'], client_id: 'acme' })
  const { body } = await spend(simulation, '?group=client', bound.secret)
  expect(body).toMatchObject({ rows: [{ client_id: 'acme', spent: priceUsd }], totals: { spent: priceUsd } })
  expect((await spend(simulation, '?client_id=other', bound.secret)).body.rows).toEqual([])
  const maker = await coordinator.createKey({ name: 'maker', scopes: ['submit'] })
  expect((await spend(simulation, '', maker.secret)).status).toBe(403)
})

test.each([
  ['group=week', 'group'],
  ['group=client,client', 'group'],
  ['from=2026', 'from'],
  ['to=2026-13', 'to'],
  ['format=xls', 'format'],
  ['months=3', 'months'],
])('a wrong question is refused: %s', async (query, field) => {
  await using simulation = await openSimulation()
  expect(await spend(simulation, `?${query}`)).toMatchObject({ status: 400, body: { field } })
})

describe('a table as CSV', () => {
  /** RFC 4180, by hand. */
  const parsed = (text: string): string[][] => {
    const rows: string[][] = [[]]
    const cells = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy
    for (let match = cells.exec(text); match; match = cells.exec(text)) {
      rows.at(-1)!.push(match[1]?.replaceAll('""', '"') ?? match[2]!)
      if (match[3] === '\r\n') rows.push([])
      if (cells.lastIndex === text.length) break
    }
    return rows.slice(0, -1)
  }

  test('is read back as it was, and no cell of it begins a formula', () => {
    const odd = fc.constantFrom('=', '+', '-', '@', '\t', '\r', '\n', '"', ',', ';', '＝', 'a')
    const text = fc
      .array(fc.oneof(odd, fc.string({ maxLength: 3 })), { maxLength: 6 })
      .map((all) => all.join(''))
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text, fc.nat()), { maxLength: 5 }), (rows) => {
        const read = parsed(csvOf(['a', 'b', 'c'], rows))
        expect(read[0]).toEqual(['a', 'b', 'c'])
        expect(read).toHaveLength(rows.length + 1)
        for (const [row, cells] of rows.entries())
          for (const [column, wanted] of cells.map(String).entries())
            expect(read[row + 1]![column]!.replaceAll("'", '')).toBe(wanted.replaceAll("'", ''))
        // Other separators, and quotation marks that count at the beginning of a cell alone.
        for (const piece of csvOf(['a', 'b', 'c'], rows).split(/[;\t\r\n]/))
          expect(piece.replace(/^(?:"")+/, '')).not.toMatch(/^[=+\-@＝＋－＠]/)
        for (const cell of read.flat()) expect(cell).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/)
      }),
      { seed: 11 },
    )
    for (const separator of [';', '\t']) expect(csvOf([`a${separator}b`], [])).toBe(`"a${separator}b"\r\n`)
  })
})
