/** Outgoing webhooks: endpoints, deliveries, signatures, and the retry schedule. */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { type EventType, type JobEvent, eventTypes, topicOf } from './event.ts'

/** A receiver of events: an endpoint for all jobs, or the `webhook_url` of one job. */
export interface Endpoint {
  readonly id: string
  /** The only job whose events it receives; null: events of all jobs. */
  readonly jobId: number | null
  readonly url: string
  /** Types, topics or families of events; empty: all. */
  readonly eventTypes: readonly string[]
  readonly description: string
  readonly status: EndpointStatus
  /** Why it is disabled. */
  readonly reason: string | null
  /** Since when every try has failed, in ms since the epoch; null if the last one succeeded. */
  readonly failingSince: number | null
  /** Why the last try failed; null if it succeeded. */
  readonly lastError: string | null
  readonly insertedAt: number
  readonly updatedAt: number
}

export const endpointStatuses = ['enabled', 'disabled'] as const
export type EndpointStatus = (typeof endpointStatuses)[number]

/** One event on its way to one endpoint. */
export interface Delivery {
  readonly id: string
  readonly endpointId: string
  /** Null for a test. */
  readonly eventId: number | null
  readonly jobId: number | null
  readonly type: string
  /** The exact bytes of the message. */
  readonly body: string
  readonly status: DeliveryStatus
  readonly tries: number
  /** Time of the next try. While it is being sent: end of the lease, and so the fencing token. Null once it has ended. */
  readonly nextAt: number | null
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly insertedAt: number
  readonly endedAt: number | null
}

export const deliveryStatuses = ['pending', 'sending', 'delivered', 'failed'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

export interface DeliveryTry {
  /** From 1. */
  readonly number: number
  readonly at: number
  readonly durationMs: number
  /** HTTP status of the answer; null without an answer. */
  readonly status: number | null
  readonly error: string | null
}

/** A signing secret; a replaced one keeps signing until `until`. */
export interface Secret {
  /** `whsec_` and a key in base64. */
  readonly secret: string
  readonly until: number | null
}

export const maxEndpoints = 100
export const keptSecretMs = 24 * 3_600_000
/** Each secret adds a signature to the header. */
export const maxSecrets = 5

const families = ['jobs:*', 'scenes:*'] as const
const choices: readonly string[] = [...eventTypes, ...new Set(Object.values(topicOf)), ...families]

export const webhookUrl = z
  .string('must be an address, such as https://example.com/webhooks')
  .describe('http or https, on the public internet; at most 2048 characters')

const eventsAmong = (names: readonly string[], further = '') =>
  z
    .array(
      z.enum(names, {
        error: `must be a type of event (${eventTypes.filter((type) => names.includes(type)).join(', ')}), a topic such as jobs:completed, or jobs:* or scenes:*${further}`,
      }),
      'must be a list of types of event',
    )
    .max(names.length, `must have at most ${names.length} entries`)
    .describe('Types of event, topics, or families such as jobs:*. Default: all')

export const webhookEvents = eventsAmong(choices)

/** The endpoint of a job is deleted with the job, so it cannot receive this event. */
const notOfOneJob: ReadonlySet<string> = new Set(['job_deleted', topicOf.job_deleted])

export const jobWebhookEvents = eventsAmong(
  choices.filter((name) => !notOfOneJob.has(name)),
  '. Only endpoints for all jobs receive job_deleted',
)

/** Whether an endpoint with the event types `chosen` receives an event. */
export const isChosen = (
  chosen: readonly string[],
  { type, topic }: Pick<JobEvent, 'type' | 'topic'>,
): boolean =>
  chosen.length === 0 ||
  chosen.includes(type) ||
  chosen.includes(topic) ||
  chosen.includes(`${topic.slice(0, topic.indexOf(':'))}:*`)

/** Type of a test message. */
export const testType = 'ping'

/** A message in the format of Standard Webhooks; `timestamp` is the time of the event, not of sending. */
export const messageOf = (type: EventType | typeof testType, timestamp: string, data: object): string =>
  JSON.stringify({ type, timestamp, data })

/** The same for each try of a delivery, so that receivers can detect repetitions. */
export const messageId = (deliveryId: string): string => `msg_${deliveryId}`

/** https://www.standardwebhooks.com: HMAC-SHA256 over `id.timestamp.body`, one signature per secret. */
export function signedHeaders(
  id: string,
  now: number,
  body: string,
  secrets: readonly string[],
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

const [second, minute, hour] = [1000, 60_000, 3_600_000]

/** Waits after the first, second, ... failure: 75 hours in total. */
export const retryWaitsMs = [
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const

const longestWishMs = 24 * hour

/**
 * Wait after failure number `failures`, in ms: the schedule with 20 % jitter, or the receiver's `Retry-After` if that
 * is longer. Undefined after the last try.
 */
export function retryWaitMs(
  failures: number,
  wishMs: number | null,
  random: () => number,
): number | undefined {
  const wait = retryWaitsMs[failures - 1]
  if (wait === undefined) return undefined
  return Math.round(Math.max(wait * (0.8 + 0.4 * random()), Math.min(wishMs ?? 0, longestWishMs)))
}

/** An endpoint is disabled after failing for this long. */
export const givenUpAfterMs = 5 * 24 * hour
