import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { commands, program } from '../../src/cli/commands.ts'
import { optionName } from '../../src/cli/option.ts'
import { nearest, readCommandLine } from '../../src/cli/program.ts'
import { tableLines } from '../../src/cli/table.ts'

const help = (path: string): string => {
  let written = ''
  readCommandLine(program, ['help', ...path.split(' ')].filter(Boolean), (text) => (written += text))
  return written
}
const named = (text: string): Set<string> =>
  new Set([...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, name]) => name!))
/** Of all commands. */
const common = ['json', 'url', 'key', 'help', 'version']

/** Each command and each verb by what a person types, such as `keys create`. */
const pathsOf = (all: Readonly<Record<string, Command>>, before = ''): [string, Command][] =>
  Object.entries(all).flatMap(([name, one]) => [
    [before + name, one],
    ...pathsOf(one.verbs ?? {}, `${before}${name} `),
  ])
const paths = pathsOf(commands)
const optionsOf = (one: Command): string[] =>
  Object.keys(one.options).map((name) => optionName(name).slice(2))

describe('every command', () => {
  test('is on the first page', () => {
    const first = help('')
    expect(Object.keys(commands).filter((name) => !new RegExp(`^ {2}${name}\\b`, 'm').test(first))).toEqual(
      [],
    )
  })

  test.each(paths)('%s has a page with its options, and no others', (path, one) => {
    const page = help(path)
    const told = named(page.split('\nExamples:')[0]!.split('\nOptions:')[1] ?? '')
    expect(optionsOf(one).filter((option) => !told.has(option))).toEqual([])
    expect(page).toContain(`Usage: npm run coordinator -- ${path}`)
    for (const verb of Object.keys(one.verbs ?? {})) expect(page).toMatch(new RegExp(`^ {2}${verb}\\b`, 'm'))
  })

  test('can answer in JSON', () => {
    const silent = paths.filter(([path, { run, options }]) => run && path !== 'serve' && !('json' in options))
    expect(silent).toEqual([])
  })

  test('stays within 80 columns', () => {
    for (const [path] of [['', program] as const, ...paths])
      for (const line of help(path).split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('is in docs/cli.md, with its options', () => {
    const docs = readFileSync('docs/cli.md', 'utf8')
    const options = paths.flatMap(([, one]) => optionsOf(one))
    const told = named(docs)
    expect([...new Set([...options, ...common])].filter((option) => !told.has(option))).toEqual([])
    expect([...told].filter((option) => !options.includes(option) && !common.includes(option))).toEqual([])
    expect(Object.keys(commands).filter((name) => !docs.includes(`\`${name}`))).toEqual([])
  })
})

test('the page of serve lists every variable', () => {
  const known = [...readFileSync('src/config.ts', 'utf8').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map(
    ([, name]) => name!,
  )
  expect(known.length).toBeGreaterThan(15)
  const page = help('serve')
  expect(known.filter((name) => !new RegExp(`^ {2}${name} `, 'm').test(page))).toEqual([])
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
