/** The command that says who is let in: at a server that runs, or in the data folder of one that doesn't. */
import { commandLine } from '../command-name.ts'
import { systemHost } from '../host.ts'
import {
  type KeyAnswer,
  type KeysAnswer,
  type NewKeyAnswer,
  keyAnswer,
  newKeyAnswer,
} from '../http/routes/keys.ts'
import type { Client } from './client.ts'
import { print, printJson } from './asking.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { type Read, given, numberOf } from './option.ts'
import { graceSecondsOf, inPlace, placeOptions } from './place.ts'
import { fitted, minuteOf } from './words.ts'

type KeyRequest = Parameters<Client['createKey']>[0]

/** Where keys are kept. */
interface KeyPlace {
  /** As a person knows it: nobody should make a key for a folder that is not the server's. */
  readonly where: string
  keys(): Promise<KeysAnswer>
  createKey(request: KeyRequest): Promise<NewKeyAnswer>
  rotateKey(id: string, request: Parameters<Client['rotateKey']>[1]): Promise<NewKeyAnswer>
  revokeKey(id: string): Promise<KeyAnswer>
}

const keyOptions = {
  ...placeOptions,
  name: { type: 'string' },
  scopes: { type: 'string' },
  client: { type: 'string' },
  expires: { type: 'string' },
  grace: { type: 'string' },
} as const

type KeyValues = Read<typeof keyOptions>['values']

type Deed = (place: KeyPlace, values: KeyValues, name: string, context: CommandContext) => Promise<void>

export const keys: Command = command(keyOptions, async (context, { values, positionals }) => {
  const [verb = '', name, ...others] = positionals
  const deed = Object.hasOwn(deeds, verb) ? deeds[verb] : undefined
  if (!deed) throw usageError('keys needs one of create, list, rotate or revoke')
  const isNamed = verb === 'rotate' || verb === 'revoke'
  if (isNamed && (name === undefined || others.length > 0))
    throw usageError(`keys ${verb} needs the name of one key`)
  if (!isNamed && name !== undefined) throw usageError(`keys ${verb} takes no "${name}"`)
  const work = (place: KeyPlace): Promise<void> => deed(place, values, name ?? '', context)
  await inPlace(values, context, {
    atServer: (client, where) => work({ ...client, keys: () => client.listKeys(), where }),
    inFolder: ({ keys: verbs }, where) =>
      work({
        where,
        keys: async () => ({ keys: (await verbs.keys()).map(keyAnswer) }),
        createKey: async (request) => newKeyAnswer(await verbs.createKey(request)),
        rotateKey: async (id, request) => newKeyAnswer(await verbs.rotateKey(id, request)),
        revokeKey: async (id) => keyAnswer(await verbs.revokeKey(id)),
      }),
  })
})

const deeds: Readonly<Record<string, Deed>> = {
  async create(place, values, _name, context) {
    if (values.name === undefined || values.scopes === undefined)
      throw usageError('keys create needs --name and --scopes, such as --name ops --scopes admin')
    const made = await place.createKey({
      name: values.name,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- which there are is the server's to say
      scopes: values.scopes.split(',').map((scope) => scope.trim()) as KeyRequest['scopes'],
      ...given({ expires_at: values.expires, client_id: values.client }),
    })
    if (values.json) return printJson(context, made)
    tellOnce(context, `Key ${made.name} may ${mayDo(made)} at ${place.where}.`, made)
  },

  async list(place, { json }, _name, context) {
    const answer = await place.keys()
    if (json) printJson(context, answer)
    else print(context, ...keyLines(answer))
  },

  async rotate(place, { grace, json }, name, context) {
    const grace_seconds = graceSecondsOf(numberOf('grace', grace))
    const { id } = await keyNamed(place, name)
    const made = await place.rotateKey(id, given({ grace_seconds }))
    if (json) return printJson(context, made)
    const until = made.previous_valid_until
    const before =
      until === null ? 'The key before is not taken any more.' : `The key before is taken until ${until}.`
    tellOnce(context, `Key ${made.name} has a new secret. ${before}`, made)
  },

  async revoke(place, { json }, name, context) {
    const { id } = await keyNamed(place, name)
    const revoked = await place.revokeKey(id)
    if (json) printJson(context, revoked)
    else print(context, `Key ${revoked.name} lets nobody in any more`)
  },
}

/** By its name or its id. */
async function keyNamed(place: KeyPlace, name: string): Promise<KeyAnswer> {
  const { keys: all } = await place.keys()
  const found = all.find((key) => key.name === name) ?? all.find((key) => key.id === name)
  if (!found)
    throw new CommandError(`There is no key "${name}". ${commandLine('keys list')} tells which there are`)
  return found
}

const tellOnce = (context: CommandContext, sentence: string, { key }: NewKeyAnswer): void =>
  print(context, `${sentence} It is shown this once:`, '', key, '')

const mayDo = ({ scopes, client_id }: KeyAnswer): string =>
  `${scopes.includes('admin') ? 'do everything' : scopes.join(', ')}${client_id === null ? '' : ` for client ${client_id} alone`}`

const keyRow = (name: string, prefix: string, scopes: string, used: string, state: string): string =>
  `${fitted(name, 20)}  ${prefix.padEnd(16)}  ${scopes.padEnd(20)}  ${used.padEnd(16)}  ${state}`.trimEnd()

function keyLines({ keys: all }: KeysAnswer): string[] {
  if (all.length === 0)
    return [`There are no keys: ${commandLine('keys create --name ops --scopes admin')} makes one`]
  return [
    keyRow('NAME', 'BEGINS WITH', 'MAY', 'LAST USED (UTC)', 'STATE'),
    ...all.map((key) =>
      keyRow(
        key.name,
        key.prefix,
        `${key.scopes.join(',')}${key.client_id === null ? '' : ` for ${key.client_id}`}`,
        key.last_used_at === null ? 'never' : minuteOf(key.last_used_at),
        stateOf(key),
      ),
    ),
  ]
}

function stateOf({ revoked_at, expires_at }: KeyAnswer): string {
  if (revoked_at !== null) return `revoked ${minuteOf(revoked_at)}`
  if (expires_at === null) return ''
  return `${Date.parse(expires_at) > systemHost.now() ? 'ends' : 'ended'} ${minuteOf(expires_at)}`
}
