/** The command about who is told of events. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryAnswer, DeliveryDetailAnswer, EndpointAnswer, SecretAnswer } from '../client/client.ts'
import { clientFor, jobIdOf, print, printJson, remoteOptions } from './asking.ts'
import type { Client } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { type Read, given, numberOf } from './option.ts'
import { roomOf, tableLines } from './table.ts'
import { minuteOf, secondOf } from './words.ts'

const webhookOptions = {
  ...remoteOptions,
  types: { type: 'string' },
  description: { type: 'string' },
  job: { type: 'string' },
  status: { type: 'string' },
  limit: { type: 'string' },
} as const

type Values = Read<typeof webhookOptions>['values']

interface Asking {
  readonly client: Client
  readonly values: Values
  readonly context: CommandContext
}

interface Deed {
  /** What it needs, as the sentence that asks for it says; left out where it takes nothing. */
  readonly needs?: string
  readonly isOptional?: boolean
  readonly takes?: readonly (keyof typeof webhookOptions)[]
  readonly run: (what: string, asking: Asking) => Promise<void>
}

export const webhooks: Command = command(webhookOptions, async (context, { values, positionals }) => {
  const [verb = '', what, ...others] = positionals
  const deed = Object.hasOwn(deeds, verb) ? deeds[verb] : undefined
  if (!deed) throw usageError(`webhooks needs one of ${Object.keys(deeds).join(', ')}`)
  const { needs, isOptional = false, takes = [] } = deed
  if (needs === undefined && what !== undefined) throw usageError(`webhooks ${verb} takes no "${what}"`)
  if ((what === undefined && needs !== undefined && !isOptional) || others.length > 0)
    throw usageError(`webhooks ${verb} needs ${needs}`)
  for (const name of ['types', 'description', 'job', 'status', 'limit'] as const)
    if (values[name] !== undefined && !takes.includes(name))
      throw usageError(`webhooks ${verb} takes no --${name}`)
  await deed.run(what ?? '', { client: clientFor(values, context), values, context })
})

const anEndpoint = "one endpoint's id, as webhooks list tells it"

const deeds: Readonly<Record<string, Deed>> = {
  list: {
    takes: ['job'],
    async run(_, { client, values, context }) {
      const answer = await client.listWebhookEndpoints(
        given({ job_id: values.job === undefined ? undefined : jobIdOf(values.job) }),
      )
      if (values.json) return printJson(context, answer)
      if (answer.endpoints.length === 0) return print(context, 'Nobody is told of events')
      print(
        context,
        ...tableLines(endpointColumns, answer.endpoints.map(endpointCells), roomOf(context.terminal)),
      )
    },
  },

  create: {
    needs: 'one address',
    takes: ['types', 'description'],
    async run(url, { client, values, context }) {
      const made = await client.addWebhookEndpoint({
        url,
        ...given({ event_types: namesIn(values.types), description: values.description }),
      })
      if (values.json) return printJson(context, made)
      print(
        context,
        `${made.url} is told of ${typesOf(made)} from now on, as endpoint ${made.endpoint_id}.`,
        'What it is told is signed with:',
        '',
        made.secret,
        '',
      )
    },
  },

  show: {
    needs: anEndpoint,
    async run(id, { client, values, context }) {
      const endpoint = await client.readWebhookEndpoint(id)
      if (values.json) printJson(context, endpoint)
      else print(context, ...endpointLines(endpoint))
    },
  },

  enable: { needs: anEndpoint, run: (id, asking) => setStatus(id, 'enabled', asking) },

  disable: { needs: anEndpoint, run: (id, asking) => setStatus(id, 'disabled', asking) },

  delete: {
    needs: anEndpoint,
    async run(id, { client, values, context }) {
      await client.removeWebhookEndpoint(id)
      if (values.json) printJson(context, { endpoint_id: id, status: 'deleted' })
      else print(context, `Endpoint ${id} is gone, and its deliveries with it`)
    },
  },

  secret: {
    needs: "an endpoint's id, or none for what a job's webhook_url is told",
    isOptional: true,
    async run(id, { client, values, context }) {
      const secret = id === '' ? await client.readSharedWebhookSecret() : await client.readWebhookSecret(id)
      tellSecret(secret, values, context)
    },
  },

  rotate: {
    needs: "an endpoint's id, or none for what a job's webhook_url is told",
    isOptional: true,
    async run(id, { client, values, context }) {
      const secret =
        id === '' ? await client.rotateSharedWebhookSecret() : await client.rotateWebhookSecret(id)
      tellSecret(secret, values, context)
    },
  },

  test: {
    needs: anEndpoint,
    run: async (id, asking) => tellOutcome(await asking.client.testWebhookEndpoint(id), asking),
  },

  deliveries: {
    needs: anEndpoint,
    takes: ['status', 'limit'],
    async run(id, { client, values, context }) {
      const query = {
        ...given({ limit: numberOf('limit', values.limit) ?? 20 }),
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- which there are is the server's to say
        ...given({ status: values.status as DeliveryAnswer['status'] | undefined }),
      }
      const answer = await client.listWebhookDeliveries(id, query)
      if (values.json) return printJson(context, answer)
      if (answer.deliveries.length === 0) return print(context, 'There are no such deliveries')
      print(
        context,
        ...tableLines(deliveryColumns, answer.deliveries.map(deliveryCells), roomOf(context.terminal)),
      )
      if (answer.next_cursor !== null) print(context, 'and older ones: raise --limit')
    },
  },

  redeliver: {
    needs: "one delivery's id, as webhooks deliveries tells it",
    run: async (id, asking) => tellOutcome(await asking.client.redeliverWebhook(id), asking),
  },
}

const namesIn = (list: string | undefined): string[] | undefined =>
  list?.split(',').map((name) => name.trim())

async function setStatus(
  id: string,
  status: EndpointAnswer['status'],
  { client, values, context }: Asking,
): Promise<void> {
  const endpoint = await client.changeWebhookEndpoint(id, { status })
  if (values.json) printJson(context, endpoint)
  else
    print(
      context,
      `${endpoint.url} is ${status === 'enabled' ? 'told of events from now on' : 'told nothing any more'}`,
    )
}

const typesOf = ({ event_types }: EndpointAnswer): string =>
  event_types.length === 0 ? 'all events' : event_types.join(', ')

const endpointColumns = [{ head: 'ID' }, { head: 'STATUS' }, { head: 'EVENTS' }, { head: 'ADDRESS' }] as const

const endpointCells = (endpoint: EndpointAnswer): string[] => [
  endpoint.endpoint_id,
  endpoint.failing_since === null ? endpoint.status : `${endpoint.status}, failing`,
  typesOf(endpoint),
  endpoint.url,
]

const endpointLines = (endpoint: EndpointAnswer): string[] =>
  [
    ['Endpoint', endpoint.endpoint_id],
    ['Address', endpoint.url],
    ['Of', endpoint.job_id === null ? 'all jobs' : `job ${endpoint.job_id}`],
    ['Events', typesOf(endpoint)],
    ['What for', endpoint.description],
    ['Status', endpoint.status],
    ['Why', endpoint.reason ?? ''],
    ['Failing', endpoint.failing_since === null ? '' : `since ${minuteOf(endpoint.failing_since)}`],
    ['Added', minuteOf(endpoint.inserted_at)],
  ]
    .filter(([, value]) => value !== '')
    .map(([name = '', value]) => `${name.padEnd(10)} ${value}`)

function tellSecret(secret: SecretAnswer, { json }: Values, context: CommandContext): void {
  if (json) return printJson(context, secret)
  const before = secret.previous.map(
    ({ valid_until }) => `and with the one before until ${minuteOf(valid_until)}`,
  )
  print(
    context,
    `Messages are signed with it${before.length > 0 ? `, ${before.join(', ')}` : ''}:`,
    '',
    secret.secret,
    '',
  )
}

const deliveryColumns = [
  { head: 'ID' },
  { head: 'SINCE (UTC)' },
  { head: 'OF' },
  { head: 'STATUS' },
  { head: 'TRIES', align: 'right' },
  { head: 'LAST ANSWER', isCut: true },
] as const

const deliveryCells = (delivery: DeliveryAnswer): string[] => [
  delivery.delivery_id,
  secondOf(delivery.inserted_at),
  delivery.job_id === null ? delivery.type : `${delivery.type} of job ${delivery.job_id}`,
  delivery.status,
  String(delivery.tries),
  answerWords(delivery),
]

const answerWords = ({ last_status, last_error }: DeliveryAnswer): string =>
  last_error ?? (last_status === null ? '' : String(last_status))

/** A person wants to see whether it arrived. */
const outcomeMs = 20_000
const lookMs = 200

async function tellOutcome(delivery: DeliveryAnswer, { client, values, context }: Asking): Promise<void> {
  const outcome = await outcomeOf(delivery, client, context.signal)
  if (values.json) printJson(context, outcome)
  const last = outcome.log.at(-1)
  if (outcome.status === 'delivered' && last) {
    if (!values.json) print(context, `${outcome.url} answered ${last.status} in ${last.duration_ms} ms`)
    return
  }
  const next =
    outcome.next_try_at === null ? '' : `. It is tried again at ${secondOf(outcome.next_try_at)} UTC`
  throw new CommandError(`${outcome.url} did not take it: ${answerWords(outcome) || 'no answer yet'}${next}`)
}

/** The delivery once it has been tried once more, or when that takes too long. */
async function outcomeOf(
  { delivery_id: id, tries }: DeliveryAnswer,
  client: Client,
  signal: AbortSignal,
): Promise<DeliveryDetailAnswer> {
  const until = performance.now() + outcomeMs
  for (;;) {
    const delivery = await client.readWebhookDelivery(id)
    const isTried =
      delivery.status === 'delivered' || delivery.status === 'failed' || delivery.log.length > tries
    if (isTried || performance.now() > until) return delivery
    await sleep(lookMs, undefined, { signal })
  }
}
