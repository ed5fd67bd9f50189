/** Output of commands, and questions to the person at the terminal. */
import { createInterface } from 'node:readline/promises'
import { escaped, printable } from '../printable.ts'
import type { CommandContext } from './command.ts'

export const print = ({ terminal }: CommandContext, ...lines: string[]): void =>
  void terminal.out.write(`${lines.map(terminal.shown).join('\n')}\n`)

export const printJson = ({ terminal }: CommandContext, value: unknown): void =>
  void terminal.out.write(`${escaped(JSON.stringify(value, null, terminal.live ? 2 : 0))}\n`)

/** One JSON value a line, for programs. */
export const printJsonLine = ({ terminal }: CommandContext, value: unknown): void =>
  void terminal.out.write(`${escaped(JSON.stringify(value))}\n`)

/** Prints the server's answer as JSON with `--json`, else as lines for people. */
export function printAnswer<Answer>(
  context: CommandContext,
  values: { readonly json: boolean },
  answer: Answer,
  linesOf: (answer: Answer) => string | readonly string[],
): void {
  if (values.json) printJson(context, answer)
  else print(context, ...[linesOf(answer)].flat())
}

/** Prints one refusal among many without ending the command. */
export const printRefused = (line: string): void =>
  void process.stderr.write(`${printable(`coordinator: ${line}`)}\n`)

/** Whether a person can answer at the terminal. */
export const canAsk = ({ terminal }: CommandContext): boolean => process.stdin.isTTY && terminal.out.isTTY

export async function confirm(question: string, { terminal, signal }: CommandContext): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: terminal.out })
  try {
    const answer = await asking.question(`${question} [y/N] `, { signal })
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    asking.close()
  }
}
