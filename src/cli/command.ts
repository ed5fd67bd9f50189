/** What a command is: the options it takes, and what it does with them. */
import { type Options, type Read, readOptions } from './option.ts'
import type { Terminal } from './progress.ts'

export interface CommandContext {
  /** Its name. */
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly terminal: Terminal
  /** Fires on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

export interface Command {
  readonly options: Options
  readonly run: (context: CommandContext) => Promise<void>
}

/** A command whose arguments are read by its table of options. */
export const command = <const Given extends Options>(
  options: Given,
  run: (context: CommandContext, read: Read<Given>) => Promise<void>,
): Command => ({
  options,
  run: (context) => run(context, readOptions(context.command, context.args, options)),
})
