/** The command for webhooks: endpoints, and what was delivered to them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryAnswer, DeliveryDetailAnswer, EndpointAnswer, SecretAnswer } from '../client/client.ts'
import { type Client, clientFor } from './client.ts'
import { CommandError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import { type ValuesOf, argument, choice, membersOf, names, optional, readBy, text } from './option.ts'
import { printAnswer, printJson } from './print.ts'
import { jobIdOf, remoteOptions, rowLimit } from './shared-options.ts'
import { roomOf, tableLines } from './table.ts'
import { minuteOf, secondOf } from './words.ts'

type Values = ValuesOf<typeof remoteOptions>

const endpointId = argument("an endpoint's id, as webhooks list shows it")
const oneEndpoint = { args: { id: endpointId }, options: remoteOptions } as const
const anEndpoint = {
  args: {
    id: optional({
      ...endpointId,
      about: "an endpoint's id; without it the secret of the webhook_url of jobs",
    }),
  },
  options: remoteOptions,
} as const

const listFilters = {
  job: readBy(jobIdOf)('id', "the endpoint that is this job's webhook_url", { member: 'job_id' }),
} as const

const list = command(
  { summary: 'list the endpoints', options: { ...listFilters, ...remoteOptions } },
  async (context, values) => {
    const answer = await clientFor(values, context).listWebhookEndpoints(membersOf(listFilters, values))
    printAnswer(context, values, answer, ({ endpoints }) =>
      endpoints.length === 0
        ? 'There are no endpoints'
        : tableLines(endpointColumns, endpoints.map(endpointCells), roomOf(context.terminal)),
    )
  },
)

const endpointMembers = {
  types: names(
    'names',
    'only these events, with commas: types such as job_completed, or families such as jobs:* (default: all)',
    {
      member: 'event_types',
    },
  ),
  description: text('text', 'what the endpoint is for'),
} as const

const create = command(
  {
    summary: 'send events to an address',
    about: 'Those of all jobs, from now on. Prints the secret that signs them.',
    args: { address: argument('an address') },
    options: { ...endpointMembers, ...remoteOptions },
  },
  async (context, { address, ...values }) => {
    const request = { url: address, ...membersOf(endpointMembers, values) }
    const answer = await clientFor(values, context).addWebhookEndpoint(request)
    printAnswer(context, values, answer, (made) => [
      `${made.url} receives ${typesOf(made)} from now on, as endpoint ${made.endpoint_id}.`,
      'Each message is signed with:',
      '',
      made.secret,
      '',
    ])
  },
)

const show = command({ ...oneEndpoint, summary: 'show an endpoint' }, async (context, { id, ...values }) => {
  printAnswer(context, values, await clientFor(values, context).readWebhookEndpoint(id), endpointLines)
})

const setStatus = (status: EndpointAnswer['status'], summary: string, done: string): Command =>
  command({ ...oneEndpoint, summary }, async (context, { id, ...values }) => {
    const answer = await clientFor(values, context).changeWebhookEndpoint(id, { status })
    printAnswer(context, values, answer, ({ url }) => `${url} ${done}`)
  })

const remove = command(
  { ...oneEndpoint, summary: 'delete an endpoint and its deliveries' },
  async (context, { id, ...values }) => {
    await clientFor(values, context).removeWebhookEndpoint(id)
    const answer = { endpoint_id: id, status: 'deleted' }
    printAnswer(context, values, answer, () => `Endpoint ${id} is deleted, with its deliveries`)
  },
)

const secret = command(
  { ...anEndpoint, summary: 'show the secret that signs messages' },
  async (context, { id, ...values }) => {
    const client = clientFor(values, context)
    const answer = await (id === undefined ? client.readSharedWebhookSecret() : client.readWebhookSecret(id))
    printAnswer(context, values, answer, secretLines)
  },
)

const rotate = command(
  { ...anEndpoint, summary: 'replace the secret that signs messages' },
  async (context, { id, ...values }) => {
    const client = clientFor(values, context)
    const answer = await (id === undefined
      ? client.rotateSharedWebhookSecret()
      : client.rotateWebhookSecret(id))
    printAnswer(context, values, answer, secretLines)
  },
)

const test = command(
  {
    ...oneEndpoint,
    summary: 'send a ping, and wait for the answer',
    about: 'Exit code 1 if it is not delivered.',
  },
  async (context, { id, ...values }) => {
    const client = clientFor(values, context)
    await printOutcome(await client.testWebhookEndpoint(id), client, values, context)
  },
)

const statuses = ['pending', 'sending', 'delivered', 'failed'] as const satisfies DeliveryAnswer['status'][]

const deliveryFilters = { status: choice('name', statuses), limit: rowLimit() } as const

const deliveries = command(
  {
    ...oneEndpoint,
    summary: 'list what was sent to an endpoint, newest first',
    options: { ...deliveryFilters, ...remoteOptions },
  },
  async (context, { id, ...values }) => {
    const query = membersOf(deliveryFilters, values)
    const answer = await clientFor(values, context).listWebhookDeliveries(id, query)
    printAnswer(context, values, answer, (page) => [
      ...(page.deliveries.length === 0
        ? ['There are no such deliveries']
        : tableLines(deliveryColumns, page.deliveries.map(deliveryCells), roomOf(context.terminal))),
      ...(page.next_cursor === null ? [] : ['and older ones: raise --limit']),
    ])
  },
)

const redeliver = command(
  {
    summary: 'send a delivery again, and wait for the answer',
    about: 'Exit code 1 if it is not delivered.',
    args: { id: argument("a delivery's id, as webhooks deliveries shows it") },
    options: remoteOptions,
  },
  async (context, { id, ...values }) => {
    const client = clientFor(values, context)
    await printOutcome(await client.redeliverWebhook(id), client, values, context)
  },
)

export const webhooks: Command = {
  summary: 'send events to your own servers',
  about: "An endpoint receives the events of all jobs; a job's webhook_url only those of the job.",
  options: {},
  verbs: {
    list,
    create,
    show,
    enable: setStatus('enabled', 'send events to an endpoint again', 'receives events from now on'),
    disable: setStatus('disabled', 'send nothing to an endpoint any more', 'receives nothing from now on'),
    delete: remove,
    test,
    deliveries,
    redeliver,
    secret,
    rotate,
  },
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

const secretLines = ({ secret: signs, previous }: SecretAnswer): string[] => {
  const before = previous.map(({ valid_until }) => `, and with the one before until ${minuteOf(valid_until)}`)
  return [`Messages are signed with it${before.join('')}:`, '', signs, '']
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

async function printOutcome(
  delivery: DeliveryAnswer,
  client: Client,
  values: Values,
  context: CommandContext,
): Promise<void> {
  const outcome = await outcomeOf(delivery, client, context.signal)
  const last = outcome.log.at(-1)
  if (outcome.status === 'delivered' && last)
    return printAnswer(
      context,
      values,
      outcome,
      () => `${outcome.url} answered ${last.status} in ${last.duration_ms} ms`,
    )
  if (values.json) printJson(context, outcome)
  const next = outcome.next_try_at === null ? '' : `. Next try at ${secondOf(outcome.next_try_at)} UTC`
  throw new CommandError(
    `${outcome.url} did not accept it: ${answerWords(outcome) || 'no answer yet'}${next}`,
  )
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
