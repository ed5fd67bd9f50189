import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ledgerLines, limitOf } from '../../src/cli/money.ts'
import { type Plan, type View, planLines, progressBar, progressLines, timeLeft } from '../../src/cli/view.ts'
import {
  displayWidth,
  fitted,
  spokenAbout,
  spokenCost,
  spokenDuration,
  spokenLength,
  spokenSize,
} from '../../src/cli/words.ts'

const plain = (_style: string, text: string): string => text
const scene = (name: string, status: View['scenes'][number]['status'], share = 0) => ({
  name,
  status,
  share,
  tries: 0,
  waiting: null,
  untoldSince: undefined,
})
const view = (scenes: View['scenes'], members: Partial<View> = {}): View => ({
  scenes,
  share: 0.5,
  stage: 'rendering',
  leftMs: 12_000,
  costs: { reserved: 0, spent: 0 },
  now: 0,
  ...members,
})

test('each scene has its bar and its state, and the film its own below', () => {
  const lines = progressLines(
    view([scene('Exterior', 'completed', 1), scene('Kitchen', 'processing', 0.5), scene('寝室', 'pending')]),
    { columns: 60, rows: 24, paint: plain },
  )
  expect(lines).toEqual([
    '',
    `  1  Exterior  ${'━'.repeat(34)}      done`,
    `  2  Kitchen   ${'━'.repeat(17)}${'─'.repeat(17)}      50 %`,
    `  3  寝室      ${'─'.repeat(34)}   waiting`,
    '',
    `  Film         ${'━'.repeat(17)}${'─'.repeat(17)}      50 %`,
    `               Rendering · about 12 s left · $0.00`,
  ])
})

test('a scene that waits says why in place of its bar, in fewer words where there is less room', () => {
  const waiting = { code: 'slots', reason: 'all 4 replicate render slots are busy' } as const
  const scenes = [{ ...scene('Kitchen', 'pending'), waiting }]
  const line = (columns: number, ...given: View['scenes']) =>
    progressLines(view(given), { columns, rows: 24, paint: plain })[1]
  expect(line(80, ...scenes)).toMatch(/^ {2}1 {2}Kitchen {3}all 4 replicate render slots are busy +waiting$/)
  expect(line(54, ...scenes)).toMatch(/^ {2}1 {2}Kitchen {3}all places are taken +waiting$/)
  expect(line(40, ...scenes)).toBe(`  1  Kitchen   ${'─'.repeat(14)}   waiting`)
  const held = { code: 'held', reason: 'nobody knows whether it was accepted' } as const
  expect(line(80, { ...scene('Kitchen', 'processing'), waiting: held })).toMatch(/accepted +held$/)
})

test('a scene that waits for a known time says about how long that is', () => {
  const waiting = { code: 'back_off', reason: 'it failed', until: '1970-01-01T00:03:04.000Z' } as const
  const line = (columns: number, until: string = waiting.until) =>
    progressLines(view([{ ...scene('Kitchen', 'pending'), waiting: { ...waiting, until } }]), {
      columns,
      rows: 24,
      paint: plain,
    })[1]
  expect(line(80)).toMatch(/ {3}it failed, about three minutes +waiting$/)
  expect(line(50)).toMatch(/ {3}it failed +waiting$/)
  expect(line(80, '1969-12-31T00:00:00.000Z')).toMatch(/ {3}it failed +waiting$/)
})

test.each([
  [400, 'a few seconds'],
  [12_000, 'about 20 seconds'],
  [44_000, 'about 50 seconds'],
  [50_000, 'about a minute'],
  [89_000, 'about a minute'],
  [91_000, 'about two minutes'],
  [180_000, 'about three minutes'],
  [44 * 60_000, 'about 44 minutes'],
  [46 * 60_000, 'about an hour'],
  [65 * 60_000, 'about an hour'],
  [100 * 60_000, 'about two hours'],
  [17 * 3_600_000, 'about 17 hours'],
  [20 * 3_600_000, 'about a day'],
  [60 * 3_600_000, 'about three days'],
])('a wait of %i ms is %s', (ms, words) => {
  expect(spokenAbout(ms)).toBe(words)
})

test('a render at a provider, which tells no progress, shows how long it has taken', () => {
  const at = (now: number) =>
    progressLines(view([{ ...scene('Kitchen', 'processing'), untoldSince: 0 }], { now }), {
      columns: 60,
      rows: 24,
      paint: plain,
    })[1]
  expect(at(500)).toBe(`  1  Kitchen   ${'─'.repeat(6)}${'━'.repeat(6)}${'─'.repeat(22)}       0 s`)
  expect(at(65_000)).toMatch(/^ {2}1 {2}Kitchen {3}─*━{6}─* +1:05$/)
})

test('what is spent and what is held back are told beside each other', () => {
  const facts = (reserved: number, spent: number | null) =>
    progressLines(view([], { costs: { reserved, spent } }), { columns: 80, rows: 24, paint: plain })
      .at(-1)
      ?.trim()
  expect(facts(1.2, 0.6)).toBe('Rendering · about 12 s left · $0.60 spent, $1.20 reserved')
  expect(facts(0, null)).toBe('Rendering · about 12 s left · an unknown sum spent')
})

describe('a plan', () => {
  const planned = (title: string | null, notes: string[] = [], model = 'acme/film') => ({
    title,
    prompt: '',
    duration: 6,
    asset_ids: ['a'],
    transition: 'cut' as const,
    model,
    render: null,
    price: 0.6,
    notes,
  })
  const plan = (scenes: ReturnType<typeof planned>[], sceneUsd: (number | null)[]): Plan => ({
    storyboard: {
      scenes,
      format: { width: 1280, height: 720, fps: 24 },
      fit: 'crop',
      total_duration: scenes.length * 6,
    },
    costUsd: sceneUsd.reduce((sum, usd) => (sum === null || usd === null ? null : sum + usd), 0),
    scenesToPay: sceneUsd.filter((usd) => usd !== 0).length,
    sceneUsd,
  })
  const lines = (given: Plan, columns = 80) =>
    planLines(given, new Map(), { columns, rows: 24, paint: plain }, 'no list')

  test('tells each scene’s price, what was settled otherwise, and what of it is to be paid', () => {
    const longer = '5 s rounded up to 6 s (acme/film offers 6 s)'
    const scenes = [
      planned('Exterior', [longer, 'the title "Exterior" will not appear: acme/film cannot draw text']),
      planned('Kitchen', [
        longer,
        'the title "Kitchen" will not appear: acme/film cannot draw text',
        'a third thing',
      ]),
    ]
    expect(lines(plan(scenes, [0.6, 0]))).toEqual([
      '',
      '  The plan  2 scenes, 12 s, 1280 x 720, 24 frames a second',
      '',
      '  1  Exterior     6 s    $0.60',
      '  2  Kitchen      6 s    $0.00',
      '     a third thing',
      '',
      `  Each scene: ${longer}`,
      '  Each scene: the title will not appear: acme/film cannot draw text',
      '',
      '  The cost  $0.60 for acme/film, 1 of 2 scenes to pay',
    ])
  })

  test('needs no list where nothing is paid or settled otherwise', () => {
    expect(lines(plan([planned('Kitchen', [], 'local')], [0]))).toHaveLength(3)
  })

  test('never takes an unknown price for none', () => {
    const told = lines(plan([planned('Kitchen', ['a note'])], [null]))
    expect(told.join('\n')).toMatch(/Kitchen +6 s {2}unknown\n {5}a note\n[^]*The cost {2}unknown/)
  })

  test('breaks long notes between words', () => {
    const told = lines(plan([planned('Kitchen', ['word '.repeat(40).trim()])], [0.6]), 60)
    for (const line of told.slice(2)) expect(line.length).toBeLessThan(60)
    expect(told.join(' ').match(/word/g)).toHaveLength(40)
  })
})

test('the ledger tells charges from what is only held back, and renders that nobody asked for', () => {
  const entry = {
    attempt_id: '00000000-0000-7000-8000-000000000001',
    job_id: 3,
    scene_id: '00000000-0000-7000-8000-000000000002',
    client_id: null,
    model: 'acme/film',
    status: 'succeeded' as const,
    prediction_id: 'abc123',
    account: 'acme',
    candidates: [],
    reserved: 0,
    charged: 0.6,
    failure: null,
    posted_at: '2026-11-25T10:20:31.000Z',
    inserted_at: '2026-11-25T10:20:30.000Z',
    updated_at: '2026-11-25T10:21:30.000Z',
  }
  const answer = {
    currency: 'USD' as const,
    totals: { reserved: 0.6, spent: 0.6 },
    entries: [entry, { ...entry, status: 'submitted' as const, reserved: 0.6, charged: null }],
    next_cursor: null,
    unaccounted: [
      {
        prediction_id: 'stray',
        account: 'acme',
        candidates: [],
        mark: 'wc-0123456789ab-00000000-0000-7000-8000-000000000003',
        attempt_id: null,
        state: 'succeeded',
        charged: null,
        first_seen_at: '2026-11-25T10:22:00.000Z',
      },
    ],
  }
  const told = ledgerLines(answer, 100)
  expect(told.slice(1)).toEqual([
    '2026-11-25 10:20    3  acme/film    $0.60  succeeded  abc123',
    '2026-11-25 10:20    3  acme/film  ($0.60)  submitted  abc123',
    '',
    'In all: $0.60 spent, $0.60 reserved',
    'Prediction stray was not started from here (succeeded, charge unknown)',
  ])
})

test.each([
  ['day=25', ['day', 25]],
  ['client:a=b=0.50', ['client:a=b', 0.5]],
  ['total=none', ['total', null]],
])('a limit is written %s', (text, limit) => {
  expect(limitOf(text)).toEqual(limit)
})

test.each(['day', 'day=', '=25', 'day=much'])('%s is no limit', (text) => {
  expect(() => limitOf(text)).toThrow(/--set/)
})

test('no line is wider than the terminal, nor are there more than it has rows', () => {
  const anyScene = fc.record({
    name: fc.string({ unit: 'grapheme', maxLength: 60 }),
    status: fc.constantFrom('pending', 'processing', 'completed', 'failed', 'cancelled'),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    tries: fc.nat(3),
    waiting: fc.option(
      fc.record({
        code: fc.constantFrom('slots', 'budget_day', 'job_not_approved', 'held'),
        reason: fc.string({ maxLength: 90 }),
      }),
    ),
    untoldSince: fc.option(fc.integer({ min: -4_000_000, max: 1000 }), { nil: undefined }),
  })
  fc.assert(
    fc.property(
      fc.array(anyScene, { minLength: 1, maxLength: 120 }),
      fc.integer({ min: 40, max: 200 }),
      fc.integer({ min: 9, max: 60 }),
      (scenes, columns, rows) => {
        const lines = progressLines(view(scenes), { columns, rows, paint: plain })
        for (const line of lines) expect(displayWidth(line)).toBeLessThan(columns)
        expect(lines.length).toBeLessThan(rows)
      },
    ),
    { seed: 11, numRuns: 200 },
  )
})

test('the number of lines stays the same while many scenes scroll by', () => {
  const screen = { columns: 80, rows: 24, paint: plain }
  const counts = Array.from({ length: 41 }, (_, done) => {
    const scenes = Array.from({ length: 40 }, (_each, index) =>
      scene('x', index < done ? 'completed' : 'pending'),
    )
    return progressLines(view(scenes), screen).length
  })
  expect(new Set(counts)).toEqual(new Set([23]))
})

test('a bar grows in half cells and is always as wide', () => {
  for (let step = 0; step <= 40; step++) {
    const bar = progressBar(step / 40, 20, plain, 'cyan')
    expect(bar).toHaveLength(20)
    expect(bar.replaceAll('─', '').replace('╸', '').length).toBe(step >> 1)
  }
})

test('the time left is told only when there is something to tell it by', () => {
  expect(timeLeft(0.01, 1000)).toBeUndefined()
  expect(timeLeft(0.5, 10_000)).toBe(10_000)
  expect(timeLeft(1, 10_000)).toBe(0)
})

describe('numbers are told as a person reads them', () => {
  test.each([
    [spokenDuration(940), '0.9 s'],
    [spokenDuration(12_400), '12 s'],
    [spokenDuration(59_900), '1 min'],
    [spokenDuration(80_000), '1 min 20 s'],
    [spokenLength(22.5), '22.5 s'],
    [spokenLength(59.98), '1 min'],
    [spokenLength(90.25), '1 min 30.3 s'],
    [spokenSize(999), '999 bytes'],
    [spokenSize(1500), '1.5 kB'],
    [spokenSize(999_900), '1.0 MB'],
    [spokenSize(8_412_345), '8.4 MB'],
    [spokenSize(1_234_000_000), '1.23 GB'],
    [spokenCost(0), '$0.00'],
    [spokenCost(0.0042), '$0.0042'],
    [spokenCost(null), 'unknown'],
    [fitted('kitchen', 5), 'kitc…'],
    [fitted('寝室寝室', 6), '寝室… '],
    [fitted('a\u001b[31m', 7), 'a\u{fffd}[31m '],
  ])('%s', (told, expected) => {
    expect(told).toBe(expected)
  })
})
