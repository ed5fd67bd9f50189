/** A command: its texts, arguments and options, from which its help is generated, and its function. */
import { ApiError } from '../client/client.ts'
import { usageError } from './command-error.ts'
import { type Options, type ValuesOf, memberName, optionName } from './option.ts'
import { serverOptions } from './shared-options.ts'
import type { Terminal } from './terminal.ts'

export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly terminal: Terminal
  /** Fires when the command must stop: on a signal, or when nothing reads its output. */
  readonly signal: AbortSignal
}

type Words = Readonly<Record<string, string>>

export interface Declaration<Arguments extends Options, Given extends Options> {
  /** One line in the list of commands. */
  readonly summary: string
  /** Sentences of the help page, after the summary. */
  readonly about?: string
  /** In the order of the command line. */
  readonly args?: Arguments
  readonly options: Given
  /** Lists that the help page shows after the options, by heading. */
  readonly lists?: Readonly<Record<string, Words>>
  /** Examples of the help page: a command line and its effect. */
  readonly examples?: Words
}

export interface Command extends Declaration<Options, Options> {
  /** Subcommands by name. */
  readonly verbs?: Readonly<Record<string, Command>>
  /** The headings under which subcommands are listed. */
  readonly headings?: Readonly<Record<string, string>>
  /** Absent where the command needs a subcommand. */
  readonly run?: (context: CommandContext, values: Readonly<Record<string, unknown>>) => Promise<void>
}

export const command = <const Given extends Options, const Arguments extends Options = {}>(
  declaration: Declaration<Arguments, Given>,
  run: (context: CommandContext, values: ValuesOf<Arguments> & ValuesOf<Given>) => Promise<void>,
): Command => ({
  ...declaration,
  async run(context, values) {
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the declaration parsed them
      await run(context, values as ValuesOf<Arguments> & ValuesOf<Given>)
    } catch (error) {
      throw refusalOfOption(error, declaration.options, values)
    }
  },
})

/** A value that the server refuses becomes a usage error of its option; any other error stays as it is. */
function refusalOfOption(
  error: unknown,
  options: Options,
  values: Readonly<Record<string, unknown>>,
): unknown {
  if (!(error instanceof ApiError)) return error
  const { field, reason } = error.body
  if (typeof field !== 'string' || reason === undefined) return error
  const member = field.replace(/^parameters\./, '')
  const found = Object.entries(options).find(
    ([name, option]) =>
      !(name in serverOptions) &&
      values[name] !== undefined &&
      values[name] !== false &&
      memberName(name, option) === member,
  )
  return found === undefined
    ? error
    : usageError(`${optionName(found[0])}${/^(?:must|is|has)\b/.test(reason) ? '' : ':'} ${reason}`)
}
