/** Checks all that a server needs without starting one, and suggests what to do. */
import type { Finding } from './checkup/finding.ts'
import { CommandError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { print, printJson } from './print.ts'
import type { Terminal } from './terminal.ts'
import { json } from './shared-options.ts'
import { roomOf } from './table.ts'
import { count, wrapped } from './words.ts'

export const doctor: Command = command(
  {
    summary: 'check all that the server needs, and say what to do',
    about:
      "In the environment that serve would have: Node, the variables, FFmpeg, disk, who may read the data, database, shared files, keys, Replicate's token, clock, public address. Changes nothing, and costs nothing. Exit code 1 if something does not work.",
    options: { json },
  },
  async (context, values) => {
    // Imported here: the other commands do not need these modules.
    const { examine } = await import('./checkup/examine.ts')
    const findings: Finding[] = []
    for await (const finding of examine(context)) {
      findings.push(finding)
      if (!values.json) print(context, ...findingLines(finding, context.terminal))
    }
    const problems = findings.filter(({ state }) => state === 'problem').length
    const warnings = findings.filter(({ state }) => state === 'warning').length
    if (values.json) printJson(context, { ok: problems === 0, checks: findings })
    if (problems > 0) throw new CommandError(`${count(problems, 'problem')} found`)
    if (!values.json)
      print(context, '', warnings === 0 ? 'All is well' : `Nothing is broken, ${count(warnings, 'warning')}`)
  },
)

const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const
const indent = 21

function findingLines({ check, state, found, to_do }: Finding, terminal: Terminal): string[] {
  const { paint } = terminal
  const room = Math.max(20, roomOf(terminal) - indent - 1)
  const [first = '', ...rest] = wrapped(found, room)
  const more = to_do === null ? [] : wrapped(`To do: ${to_do}`, room)
  return [
    `${paint(colours[state], state.padEnd(7))}  ${check.padEnd(10)}  ${first}`,
    ...[...rest, ...more].map((line) => ' '.repeat(indent) + line),
  ]
}
