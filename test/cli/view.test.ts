import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type View, progressBar, progressLines, timeLeft } from '../../src/cli/view.ts'
import {
  displayWidth,
  fitted,
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
})
const view = (scenes: View['scenes'], members: Partial<View> = {}): View => ({
  scenes,
  share: 0.5,
  stage: 'rendering',
  leftMs: 12_000,
  costUsd: 0,
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

test('no line is wider than the terminal, nor are there more than it has rows', () => {
  const anyScene = fc.record({
    name: fc.string({ unit: 'grapheme', maxLength: 60 }),
    status: fc.constantFrom('pending', 'processing', 'completed', 'failed', 'cancelled'),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    tries: fc.nat(3),
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
    [fitted('a\u001b[31m', 6), 'a[31m '],
  ])('%s', (told, expected) => {
    expect(told).toBe(expected)
  })
})
