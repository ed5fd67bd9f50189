import { describe, expect, it } from 'vitest'
import { program } from '../../src/cli/commands.ts'
import { readCommandLine } from '../../src/cli/program.ts'

const read = (...words: readonly string[]) => readCommandLine(program, words, () => undefined)

describe('a command line', () => {
  it.each([
    [['storage', '--url', 'http://127.0.0.1:4802', 'prune'], { url: 'http://127.0.0.1:4802' }],
    [['storage', '--json', 'prune'], { json: true }],
    [['keys', '--url', 'http://127.0.0.1:4802', 'list'], { url: 'http://127.0.0.1:4802' }],
    [['storage', 'prune', '--url', 'http://127.0.0.1:4802'], { url: 'http://127.0.0.1:4802' }],
  ])('%j gives its verb the options, wherever they stand', (words, values) => {
    expect(read(...words)?.values).toMatchObject(values)
  })

  it.each([
    [['cancel', '4', '--reason', '--help']],
    [['retry', '4', '--reason', '-h']],
    [['cancel', '9', '--reason', '--jsno']],
    [['approve', '9', '--max-cost', '-1']],
  ])('%j is refused: an option is no value of another', (words) => {
    expect(() => read(...words)).toThrow(/argument missing/)
  })

  it('takes a value that begins with a dash after =, and a lone dash', () => {
    expect(read('cancel', '4', '--reason=-x')?.values).toMatchObject({ reason: '-x' })
    expect(read('submit', '--file', '-')?.values).toMatchObject({ file: '-' })
  })

  it.each([[['--', 'list']], [['--json', 'list']], [['__proto__']]])('%j is no command', (words) => {
    expect(() => read(...words)).toThrow(/Unknown command/)
  })
})
