/** What a command is: its words, its arguments and its options, from which its help is made; and what it does. */
import { ApiError } from '../client/client.ts'
import { usageError } from './command-error.ts'
import { type Options, type ValuesOf, memberName, optionName } from './option.ts'
import { serverOptions } from './shared-options.ts'
import type { Terminal } from './progress.ts'

export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly terminal: Terminal
  /** Fires on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

type Words = Readonly<Record<string, string>>

export interface Declaration<Arguments extends Options, Given extends Options> {
  /** For the list of commands. */
  readonly summary: string
  /** What its page says after the summary, in sentences. */
  readonly about?: string
  /** In order. */
  readonly args?: Arguments
  readonly options: Given
  /** Lists after the options, by their headings. */
  readonly lists?: Readonly<Record<string, Words>>
  /** Command lines, and what they do. */
  readonly examples?: Words
}

export interface Command extends Declaration<Options, Options> {
  /** Commands of their own, by their names. */
  readonly verbs?: Readonly<Record<string, Command>>
  /** Under which headings they are listed. */
  readonly headings?: Readonly<Record<string, string>>
  /** Left out where it is nothing without a verb. */
  readonly run?: (context: CommandContext, values: Readonly<Record<string, unknown>>) => Promise<void>
}

export const command = <const Given extends Options, const Arguments extends Options = {}>(
  declaration: Declaration<Arguments, Given>,
  run: (context: CommandContext, values: ValuesOf<Arguments> & ValuesOf<Given>) => Promise<void>,
): Command => ({
  ...declaration,
  async run(context, values) {
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they were read by the declaration
      await run(context, values as ValuesOf<Arguments> & ValuesOf<Given>)
    } catch (error) {
      throw refusalOfOption(error, declaration.options, values)
    }
  },
})

/** A value that the server refuses is a usage error of its option; any other error stays as it is. */
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
      !(name in serverOptions) && values[name] !== undefined && memberName(name, option) === member,
  )
  return found === undefined
    ? error
    : usageError(`${optionName(found[0])}${/^(?:must|is|has)\b/.test(reason) ? '' : ':'} ${reason}`)
}
