/** Builds commands that send a request to a running server and print the answer. */
import { type Client, clientFor } from './client.ts'
import { type Command, type CommandContext, type Declaration, command } from './command.ts'
import { type MembersOf, type Options, type ValuesOf, membersOf } from './option.ts'
import { print, printJson } from './print.ts'
import { remoteOptions } from './shared-options.ts'
import { roomOf } from './table.ts'

export type Server = ValuesOf<typeof remoteOptions>

export interface Asking<Given extends Options> extends CommandContext {
  readonly client: Client
  /** The command's given options, under their names in the API. */
  readonly members: MembersOf<Given>
  /** The longest line, in columns. */
  readonly room: number
}

type Lines = string | readonly string[]

/**
 * Adds the options that all such commands share. `linesOf`: the answer for people; `--json` prints the answer
 * itself.
 */
export function remote<Answer, const Given extends Options = {}, const Arguments extends Options = {}>(
  declaration: Omit<Declaration<Arguments, Given>, 'options'> & { readonly options?: Given },
  ask: (asking: Asking<Given>, values: ValuesOf<Arguments> & ValuesOf<Given> & Server) => Promise<Answer>,
  linesOf: (
    answer: Answer,
    asking: Asking<Given>,
    values: ValuesOf<Arguments> & ValuesOf<Given> & Server,
  ) => Lines | Promise<Lines>,
): Command {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the command declares no options
  const own = (declaration.options ?? {}) as Given
  return command({ ...declaration, options: { ...own, ...remoteOptions } }, async (context, all) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed as declared
    const values = all as ValuesOf<Arguments> & ValuesOf<Given> & Server
    const client = clientFor(values, context)
    const asking = { ...context, client, members: membersOf(own, values), room: roomOf(context.terminal) }
    const answer = await ask(asking, values)
    if (values.json) printJson(context, answer)
    else print(context, ...[await linesOf(answer, asking, values)].flat())
  })
}
