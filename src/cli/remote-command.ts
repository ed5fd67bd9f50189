/** The commands that ask a running server, and print what it answers. */
import { type Client, clientFor } from './client.ts'
import { type Command, type CommandContext, type Declaration, command } from './command.ts'
import { type MembersOf, type Options, type ValuesOf, membersOf } from './option.ts'
import { print, printJson } from './print.ts'
import { remoteOptions } from './shared-options.ts'
import { roomOf } from './table.ts'

export type Server = ValuesOf<typeof remoteOptions>

export interface Asking<Given extends Options> extends CommandContext {
  readonly client: Client
  /** What was given of the command's own options, under the API's names. */
  readonly members: MembersOf<Given>
  /** How wide lines may be. */
  readonly room: number
}

type Lines = string | readonly string[]

/** Adds the options of every such command. `linesOf`: for a person; with --json the answer itself is printed. */
export function remote<Answer, const Given extends Options = {}, const Arguments extends Options = {}>(
  declaration: Omit<Declaration<Arguments, Given>, 'options'> & { readonly options?: Given },
  ask: (asking: Asking<Given>, values: ValuesOf<Arguments> & ValuesOf<Given> & Server) => Promise<Answer>,
  linesOf: (
    answer: Answer,
    asking: Asking<Given>,
    values: ValuesOf<Arguments> & ValuesOf<Given> & Server,
  ) => Lines | Promise<Lines>,
): Command {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- none of its own
  const own = (declaration.options ?? {}) as Given
  return command({ ...declaration, options: { ...own, ...remoteOptions } }, async (context, all) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as declared
    const values = all as ValuesOf<Arguments> & ValuesOf<Given> & Server
    const client = clientFor(values, context)
    const asking = { ...context, client, members: membersOf(own, values), room: roomOf(context.terminal) }
    const answer = await ask(asking, values)
    if (values.json) printJson(context, answer)
    else print(context, ...[await linesOf(answer, asking, values)].flat())
  })
}
