/** What a command is: the options it takes, and what it does with them. */
import { ApiError } from '../client/client.ts'
import { usageError } from './command-error.ts'
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
  run: async (context) => {
    const read = readOptions(context.command, context.args, options)
    try {
      await run(context, read)
    } catch (error) {
      throw ofOption(error, read.values)
    }
  },
})

/** Options that are called otherwise than the member or query name that they stand for. */
const optionOf: Readonly<Record<string, string>> = {
  created_after: 'since',
  created_before: 'until',
  type: 'types',
  client_id: 'client',
  video_name: 'name',
  deadline_at: 'deadline',
  'retry.max_tries': 'max-tries',
  q: 'text',
}

/** Options that say which server is asked, and not what of it. */
const ofServer: ReadonlySet<string> = new Set(['url', 'key'])

/** What the server refuses of an option's value is told of that option, as wrong use; any other error stays as it is. */
function ofOption(error: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (!(error instanceof ApiError)) return error
  const { field, reason } = error.body
  if (typeof field !== 'string' || reason === undefined) return error
  const member = field.replace(/^parameters\./, '')
  const option = [member.replaceAll('_', '-'), optionOf[member]].find(
    (name) => name !== undefined && !ofServer.has(name) && values[name] !== undefined,
  )
  return option === undefined
    ? error
    : usageError(`--${option}${/^(?:must|is|has)\b/.test(reason) ? '' : ':'} ${reason}`)
}
