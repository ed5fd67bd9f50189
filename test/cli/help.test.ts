import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { help } from '../../src/cli/help.ts'
import { nearest } from '../../src/cli/option.ts'
import { tableLines } from '../../src/cli/table.ts'

const named = (text: string): Set<string> =>
  new Set([...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, name]) => name!))
/** Said once for all of them. */
const common = ['json', 'url', 'key', 'help', 'version']

describe('every command', () => {
  test('is told by the first page, and has a page of its own', () => {
    const names = [...Object.keys(commands), 'serve']
    expect(Object.keys(help).toSorted()).toEqual(['', ...names].toSorted())
    const first = help['']!
    expect(names.filter((name) => !new RegExp(`^ {2}(?:\\w+, )?${name}\\b`, 'm').test(first))).toEqual([])
  })

  test.each(Object.entries(commands))('%s tells its options there, and no others', (name, { options }) => {
    const told = named(help[name]!)
    expect([...told].filter((option) => !(option in options)).toSorted()).toEqual([])
    expect(Object.keys(options).filter((option) => !told.has(option))).toEqual([])
    expect(help[name]).toContain(`Usage: coordinator ${name}`)
  })

  test('can answer in JSON', () => {
    expect(Object.entries(commands).filter(([, { options }]) => !('json' in options))).toEqual([])
  })

  test('stays within 80 columns', () => {
    for (const text of Object.values(help))
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('is in docs/cli.md, with its options', () => {
    const docs = readFileSync('docs/cli.md', 'utf8')
    const options = Object.values(commands).flatMap((one) => Object.keys(one.options))
    const told = named(docs)
    expect([...new Set([...options, ...common])].filter((option) => !told.has(option))).toEqual([])
    expect([...told].filter((option) => !options.includes(option) && !common.includes(option))).toEqual([])
    expect(Object.keys(help).filter((name) => !docs.includes(`\`${name}`))).toEqual([])
  })
})

test('the page of serve tells every variable', () => {
  const known = [...readFileSync('src/config.ts', 'utf8').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map(
    ([, name]) => name!,
  )
  expect(known.length).toBeGreaterThan(15)
  expect(known.filter((name) => !help['serve']!.includes(name))).toEqual([])
})

test.each([
  ['aprove', 'approve'],
  ['stauts', undefined],
  ['canel', 'cancel'],
  ['web', 'webhooks'],
  ['re', undefined],
  ['frobnicate', undefined],
  ['x', undefined],
])('whoever types %s means %s', (typed, meant) => {
  expect(nearest(typed, Object.keys(commands))).toBe(meant)
})

test('columns are as wide as what is in them, and one is cut where the screen ends', () => {
  const columns = [{ head: 'ID', align: 'right' }, { head: 'NAME', isCut: true }, { head: 'STATE' }] as const
  const rows = [
    ['7', 'A long name of a film', 'done'],
    ['123', '寝室', ''],
  ]
  expect(tableLines(columns, rows, Infinity)).toEqual([
    ' ID  NAME                   STATE',
    '  7  A long name of a film  done',
    '123  寝室',
  ])
  expect(tableLines(columns, rows, 28)).toEqual([
    ' ID  NAME              STATE',
    '  7  A long name of …  done',
    '123  寝室',
  ])
})
