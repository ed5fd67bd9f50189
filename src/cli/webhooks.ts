/** The command for webhook endpoints and their deliveries. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryAnswer, DeliveryDetailAnswer, EndpointAnswer, SecretAnswer } from '../client/client.ts'
import { CommandError } from './command-error.ts'
import type { Command } from './command.ts'
import { argument, choice, names, optional, readBy, text } from './option.ts'
import { printJson } from './print.ts'
import { type Asking, remote } from './remote-command.ts'
import { jobIdOf, rowLimit } from './shared-options.ts'
import { tableLines } from './table.ts'
import { minuteOf, secondOf } from './words.ts'

const oneEndpoint = argument("an endpoint's id, as webhooks list shows it")
const anyEndpoint = optional(argument("an endpoint's id; without it the secret of the webhook_url of jobs"))

const list = remote(
  {
    summary: 'list the endpoints',
    options: {
      job: readBy(jobIdOf)('id', "the endpoint that is this job's webhook_url", { member: 'job_id' }),
    },
  },
  ({ client, members }) => client.listWebhookEndpoints(members),
  ({ endpoints }, { room }) =>
    endpoints.length === 0
      ? 'There are no endpoints'
      : tableLines(endpointColumns, endpoints.map(endpointCells), room),
)

const types =
  'only these events, with commas: types such as job_completed, or families such as jobs:* (default: all)'

const create = remote(
  {
    summary: 'send events to an address',
    about: 'Those of all jobs, from now on. Prints the secret that signs them.',
    args: { address: argument('an address') },
    options: {
      types: names('names', types, { member: 'event_types' }),
      description: text('text', 'what the endpoint is for'),
    },
  },
  ({ client, members }, { address }) => client.addWebhookEndpoint({ url: address, ...members }),
  (made) => [
    `${made.url} receives ${typesOf(made)} from now on, as endpoint ${made.endpoint_id}.`,
    'Each message is signed with:',
    '',
    made.secret,
    '',
  ],
)

const show = remote(
  { summary: 'show an endpoint', args: { id: oneEndpoint } },
  ({ client }, { id }) => client.readWebhookEndpoint(id),
  (answer) => endpointLines(answer),
)

const setStatus = (status: EndpointAnswer['status'], summary: string, done: string): Command =>
  remote(
    { summary, args: { id: oneEndpoint } },
    ({ client }, { id }) => client.changeWebhookEndpoint(id, { status }),
    ({ url }) => `${url} ${done}`,
  )

const remove = remote(
  { summary: 'delete an endpoint and its deliveries', args: { id: oneEndpoint } },
  async ({ client }, { id }) => {
    await client.removeWebhookEndpoint(id)
    return { endpoint_id: id, status: 'deleted' }
  },
  (_, asking, { id }) => `Endpoint ${id} is deleted, with its deliveries`,
)

const secret = remote(
  { summary: 'show the secret that signs messages', args: { id: anyEndpoint } },
  ({ client }, { id }) =>
    id === undefined ? client.readSharedWebhookSecret() : client.readWebhookSecret(id),
  (answer) => secretLines(answer),
)

const rotate = remote(
  { summary: 'replace the secret that signs messages', args: { id: anyEndpoint } },
  ({ client }, { id }) =>
    id === undefined ? client.rotateSharedWebhookSecret() : client.rotateWebhookSecret(id),
  (answer) => secretLines(answer),
)

const test = remote(
  {
    summary: 'send a ping, and wait for the answer',
    about: 'Exit code 1 if it is not delivered.',
    args: { id: oneEndpoint },
  },
  async (asking, { id, json }) => delivered(await asking.client.testWebhookEndpoint(id), asking, { json }),
  (outcome) => outcomeWords(outcome),
)

const statuses = ['pending', 'sending', 'delivered', 'failed'] as const satisfies DeliveryAnswer['status'][]

const deliveries = remote(
  {
    summary: 'list what was sent to an endpoint, newest first',
    args: { id: oneEndpoint },
    options: { status: choice('name', statuses), limit: rowLimit() },
  },
  ({ client, members }, { id }) => client.listWebhookDeliveries(id, members),
  (page, { room }) => [
    ...(page.deliveries.length === 0
      ? ['There are no such deliveries']
      : tableLines(deliveryColumns, page.deliveries.map(deliveryCells), room)),
    ...(page.next_cursor === null ? [] : ['and older ones: raise --limit']),
  ],
)

const redeliver = remote(
  {
    summary: 'send a delivery again, and wait for the answer',
    about: 'Exit code 1 if it is not delivered.',
    args: { id: argument("a delivery's id, as webhooks deliveries shows it") },
  },
  async (asking, { id, json }) => delivered(await asking.client.redeliverWebhook(id), asking, { json }),
  (outcome) => outcomeWords(outcome),
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

/** How long the command waits for the outcome, ms. */
const outcomeMs = 20_000
const lookMs = 200

const outcomeWords = ({ url, log }: DeliveryDetailAnswer): string =>
  `${url} answered ${log.at(-1)?.status} in ${log.at(-1)?.duration_ms} ms`

/**
 * Waits for a delivery's outcome.
 * @throws {CommandError} unless it was delivered
 */
async function delivered(
  delivery: DeliveryAnswer,
  asking: Asking<{}>,
  { json }: { readonly json: boolean },
): Promise<DeliveryDetailAnswer> {
  const outcome = await outcomeOf(delivery, asking)
  if (outcome.status === 'delivered' && outcome.log.length > 0) return outcome
  if (json) printJson(asking, outcome)
  const next = outcome.next_try_at === null ? '' : `. Next try at ${secondOf(outcome.next_try_at)} UTC`
  throw new CommandError(
    `${outcome.url} did not accept it: ${answerWords(outcome) || 'no answer yet'}${next}`,
  )
}

/** The delivery after its next attempt, or as it is when the time is up. */
async function outcomeOf(
  { delivery_id: id, tries }: DeliveryAnswer,
  { client, signal }: Asking<{}>,
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
