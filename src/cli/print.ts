/** What a command writes, and what it asks a person. */
import { createInterface } from 'node:readline/promises'
import { escaped, printable } from '../printable.ts'
import type { CommandContext } from './command.ts'

export const print = ({ terminal }: CommandContext, ...lines: string[]): void =>
  void terminal.out.write(`${lines.map(terminal.shown).join('\n')}\n`)

export const printJson = ({ terminal }: CommandContext, value: unknown): void =>
  void terminal.out.write(`${escaped(JSON.stringify(value, null, terminal.live ? 2 : 0))}\n`)

/** For programs that read a line at a time. */
export const printJsonLine = ({ terminal }: CommandContext, value: unknown): void =>
  void terminal.out.write(`${escaped(JSON.stringify(value))}\n`)

/** The server's answer with --json, lines for a person without. */
export function printAnswer<Answer>(
  context: CommandContext,
  values: { readonly json: boolean },
  answer: Answer,
  linesOf: (answer: Answer) => string | readonly string[],
): void {
  if (values.json) printJson(context, answer)
  else print(context, ...[linesOf(answer)].flat())
}

/** A refusal of one among many, which doesn't end the command. */
export const printRefused = (line: string): void =>
  void process.stderr.write(`${printable(`coordinator: ${line}`)}\n`)

/** Whether a person is there to answer. */
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
