/** The command for access keys: at a running server, or in the data folder of a stopped one. */
import { commandLine } from '../command-name.ts'
import { systemHost } from '../host.ts'
import type { KeyAnswer, KeysAnswer, NewKeyAnswer } from '../http/routes/keys.ts'
import { type Scope, scopes } from '../job/scope.ts'
import type { Client } from './client.ts'
import { CommandError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import {
  type ValuesOf,
  argument,
  given,
  membersOf,
  number,
  orList,
  readBy,
  required,
  text,
} from './option.ts'
import { graceSecondsOf, inPlace, placeOptions } from './place.ts'
import { printAnswer } from './print.ts'
import { clientId } from './shared-options.ts'
import { fitted, minuteOf } from './words.ts'

/** Where the keys are stored. */
interface KeyPlace {
  /** Shown to the person, so that no key is created in the wrong folder. */
  readonly where: string
  keys(): Promise<KeysAnswer>
  createKey(request: Parameters<Client['createKey']>[0]): Promise<NewKeyAnswer>
  rotateKey(id: string, request: Parameters<Client['rotateKey']>[1]): Promise<NewKeyAnswer>
  revokeKey(id: string): Promise<KeyAnswer>
}

const atPlace = <Result>(
  values: ValuesOf<typeof placeOptions>,
  context: CommandContext,
  work: (place: KeyPlace) => Promise<Result>,
): Promise<Result> =>
  inPlace(values, context, {
    atServer: (client, where) => work({ ...client, keys: () => client.listKeys(), where }),
    async inFolder({ keys: verbs }, where) {
      const { keyAnswer, newKeyAnswer } = await import('../http/routes/keys.ts')
      return work({
        where,
        keys: async () => ({ keys: (await verbs.keys()).map(keyAnswer) }),
        createKey: async (request) => newKeyAnswer(await verbs.createKey(request)),
        rotateKey: async (id, request) => newKeyAnswer(await verbs.rotateKey(id, request)),
        revokeKey: async (id) => keyAnswer(await verbs.revokeKey(id)),
      })
    },
  })

const bounds = {
  client: clientId('bind it to a client: it sees and makes only the jobs of that client; not with admin'),
  expires: text('time', 'when it expires, such as 2027-01-31T00:00:00Z', { member: 'expires_at' }),
} as const

const keyOptions = {
  name: required(text('name', 'what it is called; events name it as who did something')),
  scopes: required(
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server refuses unknown scopes
    readBy((all) => all.split(',').map((one) => one.trim()) as Scope[])(
      'scopes',
      `${orList(scopes)}, with commas; admin is everything`,
    ),
  ),
  ...bounds,
  ...placeOptions,
} as const

const create = command(
  { summary: 'make a key; it is shown once', options: keyOptions },
  async (context, values) => {
    const { where, ...made } = await atPlace(values, context, async (place) => ({
      ...(await place.createKey({ ...membersOf(bounds, values), name: values.name, scopes: values.scopes })),
      where: place.where,
    }))
    printAnswer(context, values, made, () =>
      onceLines(`Key ${made.name} may ${mayDo(made)} at ${where}.`, made),
    )
  },
)

const list = command({ summary: 'list the keys', options: placeOptions }, async (context, values) => {
  printAnswer(context, values, await atPlace(values, context, (place) => place.keys()), keyLines)
})

const name = argument('the name of a key, or its id')

const rotate = command(
  {
    summary: "replace a key's secret; it is shown once",
    args: { name },
    options: {
      grace: number('hours', 'how long the earlier secret stays valid; 0 ends it now (default: 24)'),
      ...placeOptions,
    },
  },
  async (context, { name: wanted, grace, ...values }) => {
    const request = given({ grace_seconds: graceSecondsOf(grace) })
    const made = await atPlace(values, context, async (place) =>
      place.rotateKey((await keyNamed(place, wanted)).id, request),
    )
    const until = made.previous_valid_until
    const before =
      until === null ? 'The earlier one is not valid any more.' : `The earlier one is valid until ${until}.`
    printAnswer(context, values, made, () => onceLines(`Key ${made.name} has a new secret. ${before}`, made))
  },
)

const revoke = command(
  { summary: 'end a key now', args: { name }, options: placeOptions },
  async (context, { name: wanted, ...values }) => {
    const revoked = await atPlace(values, context, async (place) =>
      place.revokeKey((await keyNamed(place, wanted)).id),
    )
    printAnswer(context, values, revoked, () => `Key ${revoked.name} is revoked`)
  },
)

export const keys: Command = {
  summary: 'make, list, rotate and revoke access keys',
  about:
    'Without --url, in the data folder of a stopped server (DATA_DIR, ./data by default): the first key is made that way.',
  options: {},
  verbs: { create, list, rotate, revoke },
  examples: { 'keys create --name ops --scopes admin': 'The first key.' },
}

/** Finds a key by name or id. */
async function keyNamed(place: KeyPlace, wanted: string): Promise<KeyAnswer> {
  const { keys: all } = await place.keys()
  const found = all.find((key) => key.name === wanted) ?? all.find((key) => key.id === wanted)
  if (!found) throw new CommandError(`There is no key "${wanted}". ${commandLine('keys list')} lists them`)
  return found
}

const onceLines = (sentence: string, { key }: Pick<NewKeyAnswer, 'key'>): string[] => [
  `${sentence} It is shown only now:`,
  '',
  key,
  '',
]

const mayDo = ({ scopes: may, client_id }: Pick<KeyAnswer, 'scopes' | 'client_id'>): string =>
  `${may.includes('admin') ? 'do everything' : may.join(', ')}${client_id === null ? '' : ` for client ${client_id} only`}`

const keyRow = (called: string, prefix: string, may: string, used: string, state: string): string =>
  `${fitted(called, 20)}  ${prefix.padEnd(16)}  ${may.padEnd(20)}  ${used.padEnd(16)}  ${state}`.trimEnd()

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
  return `${Date.parse(expires_at) > systemHost.now() ? 'expires' : 'expired'} ${minuteOf(expires_at)}`
}
