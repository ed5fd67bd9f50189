/**
 * A machine that loses its power at any moment: what was answered holds. A seed that fails is told again by
 * `npx node test/power/run.ts 10 <seed>`; more of them by `npx node test/power/run.ts 500`.
 */
import { execFile } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { inOwnMounts, whyNoPowerDisk } from './disk.ts'

const whyNot = whyNoPowerDisk()
const longMs = 20 * 60_000

const said = (command: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    const [program, ...args] = command
    execFile(program!, args, (error, stdout, stderr) =>
      resolve(`${stdout}${error ? stderr || error.message : ''}`),
    )
  })
const script = (name: string): string => new URL(name, import.meta.url).pathname

describe.skipIf(whyNot !== undefined)(`a machine that loses its power${whyNot ? `: ${whyNot}` : ''}`, () => {
  it('keeps an artifact from the moment in which it is taken over', async () => {
    expect(await said([...inOwnMounts, process.execPath, script('adopting.ts')])).toBe('')
  })

  it(
    'twenty times during uploads, approvals, renders, stitching, retention and migrations holds all that was answered',
    async () => {
      const words = await said([process.execPath, script('run.ts'), '20', '1'])
      expect(words).toContain('0 of 2 stories broke a promise')
    },
    longMs,
  )
})
