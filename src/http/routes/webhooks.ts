/** Webhook endpoints, the secrets that sign messages, and the deliveries. */
import { z } from '@hono/zod-openapi'
import type { DeliveryDetail } from '../../webhooks/endpoints.ts'
import {
  type Delivery,
  type Endpoint,
  type Secret,
  deliveryStatuses,
  endpointStatuses,
  messageId,
} from '../../job/webhook.ts'
import { endpointChange, endpointRequest } from '../../job/webhook-request.ts'
import { allJobs } from '../access/access.ts'
import { holdsSecret } from '../access/idempotency.ts'
import {
  cursorQuery,
  deliveryPath,
  endpointPath,
  jobIdQuery,
  pageLimit,
  readEntryCursor,
  timeOf,
  timeOrNull,
  timeSchema,
  writeEntryCursor,
} from '../edge/path.ts'
import { endpoint, json, jsonBody, nothing, resource } from './endpoint.ts'

export const endpointSchema = z
  .object({
    endpoint_id: z.string(),
    job_id: z.int().nullable().describe('The job whose webhook_url it is; null where it was added'),
    url: z.string(),
    event_types: z.array(z.string()).describe('All where there is none'),
    description: z.string(),
    status: z.enum(endpointStatuses),
    reason: z.string().nullable().describe('Why it is disabled'),
    failing_since: timeSchema.nullable().describe('Null where the last try succeeded'),
    last_error: z.string().nullable().describe('Why the last try failed; null where it succeeded'),
    inserted_at: timeSchema,
    updated_at: timeSchema,
  })
  .openapi('WebhookEndpoint')

export type EndpointAnswer = z.infer<typeof endpointSchema>

export const endpointAnswer = (to: Endpoint): EndpointAnswer => ({
  endpoint_id: to.id,
  job_id: to.jobId,
  url: to.url,
  event_types: [...to.eventTypes],
  description: to.description,
  status: to.status,
  reason: to.reason,
  failing_since: timeOrNull(to.failingSince),
  last_error: to.lastError,
  inserted_at: timeOf(to.insertedAt),
  updated_at: timeOf(to.updatedAt),
})

const secretSchema = z
  .object({
    secret: z.string().describe('whsec_ and a key in base64: what messages are signed with'),
    previous: z
      .array(z.object({ secret: z.string(), valid_until: timeSchema }))
      .describe('Messages are signed with these too until then'),
  })
  .openapi('WebhookSecret')

export type SecretAnswer = z.infer<typeof secretSchema>

const secretAnswer = ([current, ...previous]: readonly Secret[]): SecretAnswer => ({
  secret: current?.secret ?? '',
  previous: previous.map(({ secret, until }) => ({ secret, valid_until: timeOf(until ?? 0) })),
})

const deliveryMembers = {
  delivery_id: z.string(),
  message_id: z.string().describe('The webhook-id of each of its tries'),
  endpoint_id: z.string(),
  event_id: z.int().nullable().describe('Null for a test'),
  job_id: z.int().nullable(),
  type: z.string(),
  status: z.enum(deliveryStatuses),
  tries: z.int(),
  next_try_at: timeSchema.nullable(),
  last_status: z.int().nullable().describe('The status of the last answer; null where there was none'),
  last_error: z.string().nullable(),
  inserted_at: timeSchema,
  ended_at: timeSchema.nullable(),
}

const deliverySchema = z.object(deliveryMembers).openapi('WebhookDelivery')

export type DeliveryAnswer = z.infer<typeof deliverySchema>

const deliveryAnswer = (delivery: Delivery): DeliveryAnswer => ({
  delivery_id: delivery.id,
  message_id: messageId(delivery.id),
  endpoint_id: delivery.endpointId,
  event_id: delivery.eventId,
  job_id: delivery.jobId,
  type: delivery.type,
  status: delivery.status,
  tries: delivery.tries,
  next_try_at: delivery.status === 'pending' ? timeOrNull(delivery.nextAt) : null,
  last_status: delivery.lastStatus,
  last_error: delivery.lastError,
  inserted_at: timeOf(delivery.insertedAt),
  ended_at: timeOrNull(delivery.endedAt),
})

const deliveryDetailSchema = z
  .object({
    ...deliveryMembers,
    url: z.string().describe('Where it goes'),
    payload: z.record(z.string(), z.any()).describe('What is sent'),
    log: z.array(
      z.object({
        number: z.int(),
        at: timeSchema,
        duration_ms: z.int(),
        status: z.int().nullable().describe('The status of the answer; null where there was none'),
        error: z.string().nullable().describe('Null where it was accepted'),
      }),
    ),
  })
  .openapi('WebhookDeliveryDetail')

export type DeliveryDetailAnswer = z.infer<typeof deliveryDetailSchema>

const deliveryDetailAnswer = ({ delivery, endpoint: to, tries }: DeliveryDetail): DeliveryDetailAnswer => ({
  ...deliveryAnswer(delivery),
  url: to.url,
  payload: JSON.parse(delivery.body),
  log: tries.map(({ number, at, durationMs, status, error }) => ({
    number,
    at: timeOf(at),
    duration_ms: durationMs,
    status,
    error,
  })),
})

const endpointsSchema = z.object({ endpoints: z.array(endpointSchema) })

export type EndpointsAnswer = z.infer<typeof endpointsSchema>

const newEndpointSchema = endpointSchema.extend({ secret: z.string() })

export type NewEndpointAnswer = z.infer<typeof newEndpointSchema>

const deliveriesSchema = z.object({
  deliveries: z.array(deliverySchema),
  next_cursor: z.string().nullable(),
})

export type DeliveriesAnswer = z.infer<typeof deliveriesSchema>

const deliveriesQuery = z.strictObject({
  status: z
    .enum(deliveryStatuses, { error: `must be one of ${deliveryStatuses.join(', ')}` })
    .optional()
    .describe('Only deliveries in this state'),
  limit: pageLimit({ standard: 100, most: 500 }).describe('Entries in a page, at most'),
  cursor: cursorQuery,
})

const noEndpoint = { 404: 'There is no such endpoint' } as const

export const webhookEndpoints = resource('webhooks', [
  endpoint({
    id: 'listWebhookEndpoints',
    route: 'GET /api/v3/webhooks/endpoints',
    access: allJobs('admin'),
    summary: 'The endpoints that were added, or the webhook_url of a job; oldest first',
    description:
      'All endpoints that were added, with whether they are enabled; with `job_id` the one of a job.',
    query: z.strictObject({ job_id: jobIdQuery }),
    answer: json(200, endpointsSchema, 'The endpoints'),
    handle: async ({ query }, { coordinator }) => ({
      endpoints: (await coordinator.endpoints(query.job_id)).map(endpointAnswer),
    }),
  }),

  endpoint({
    id: 'addWebhookEndpoint',
    route: 'POST /api/v3/webhooks/endpoints',
    access: allJobs('admin'),
    summary: 'Send events from now on to an address of the public internet',
    description:
      'Events from now on are sent to the address, signed by Standard Webhooks with the `secret` of the answer.',
    body: jsonBody('WebhookEndpointRequest', endpointRequest, {
      url: 'https://films.example/hooks',
      event_types: ['job_completed'],
    }),
    answer: json(201, newEndpointSchema, 'The endpoint, and what it is signed with'),
    refuses: {
      422: 'The address is not of the public internet, a type is unknown, or there are as many endpoints as are allowed',
    },
    handle: async ({ c, body, by }, { coordinator }) => {
      const added = await coordinator.addEndpoint(body, by)
      const { secret } = secretAnswer(await coordinator.webhookSecrets(added.id))
      holdsSecret(c)
      return { ...endpointAnswer(added), secret }
    },
  }),

  endpoint({
    id: 'readWebhookEndpoint',
    route: 'GET /api/v3/webhooks/endpoints/{id}',
    access: allJobs('admin'),
    summary: 'An endpoint',
    description: 'An endpoint with its state, and why it is disabled.',
    params: endpointPath,
    answer: json(200, endpointSchema, 'The endpoint'),
    refuses: noEndpoint,
    handle: async ({ params }, { coordinator }) => endpointAnswer(await coordinator.endpoint(params.id)),
  }),

  endpoint({
    id: 'changeWebhookEndpoint',
    route: 'PATCH /api/v3/webhooks/endpoints/{id}',
    access: allJobs('admin'),
    summary: 'Change an endpoint, disable or enable it; members left out stay',
    description:
      'Changes the members that the body names. An endpoint that is enabled again receives what happens from then on.',
    params: endpointPath,
    body: jsonBody('WebhookEndpointChange', endpointChange, { status: 'disabled' }),
    answer: json(200, endpointSchema, 'The endpoint'),
    refuses: {
      ...noEndpoint,
      422: 'The address is not of the public internet, or a member is impossible',
    },
    handle: async ({ params, body, by }, { coordinator }) =>
      endpointAnswer(await coordinator.changeEndpoint(params.id, body, by)),
  }),

  endpoint({
    id: 'removeWebhookEndpoint',
    route: 'DELETE /api/v3/webhooks/endpoints/{id}',
    access: allJobs('admin'),
    summary: 'Remove an endpoint and its deliveries',
    description: 'Removes an endpoint with the log of its deliveries. What waits for it is not sent.',
    params: endpointPath,
    answer: nothing('It is gone'),
    refuses: noEndpoint,
    handle: ({ params, by }, { coordinator }) => coordinator.removeEndpoint(params.id, by),
  }),

  endpoint({
    id: 'readWebhookSecret',
    route: 'GET /api/v3/webhooks/endpoints/{id}/secret',
    access: allJobs('admin'),
    summary: 'What the messages to an endpoint are signed with',
    description:
      'The secret that messages to this endpoint are signed with, and those before it that still count.',
    params: endpointPath,
    answer: json(200, secretSchema, 'The secret'),
    refuses: noEndpoint,
    handle: async ({ params }, { coordinator }) => secretAnswer(await coordinator.webhookSecrets(params.id)),
  }),

  endpoint({
    id: 'rotateWebhookSecret',
    route: 'POST /api/v3/webhooks/endpoints/{id}/rotate',
    access: allJobs('admin'),
    summary: 'Give an endpoint another secret; messages are signed with both for 24 hours',
    description: 'Makes a new secret. For 24 hours messages carry a signature by each of the two.',
    params: endpointPath,
    answer: json(200, secretSchema, 'The new secret'),
    refuses: { ...noEndpoint, 422: 'The endpoint is the `webhook_url` of a job: those share one secret' },
    handle: async ({ c, params, by }, { coordinator }) => {
      const secrets = await coordinator.rotateWebhookSecret(params.id, by)
      holdsSecret(c)
      return secretAnswer(secrets)
    },
  }),

  endpoint({
    id: 'readSharedWebhookSecret',
    route: 'GET /api/v3/webhooks/secret',
    access: allJobs('admin'),
    summary: 'What the messages to the webhook_url of jobs are signed with',
    description: 'One secret signs the messages to the `webhook_url` of all jobs.',
    answer: json(200, secretSchema, 'The secret'),
    handle: async (_, { coordinator }) => secretAnswer(await coordinator.webhookSecrets(null)),
  }),

  endpoint({
    id: 'rotateSharedWebhookSecret',
    route: 'POST /api/v3/webhooks/secret/rotate',
    access: allJobs('admin'),
    summary: 'Another secret for the webhook_url of jobs; messages are signed with both for 24 hours',
    description:
      'Makes a new secret for the `webhook_url` of jobs. For 24 hours messages carry a signature by each of the two.',
    answer: json(200, secretSchema, 'The new secret'),
    handle: async ({ c, by }, { coordinator }) => {
      const secrets = await coordinator.rotateWebhookSecret(null, by)
      holdsSecret(c)
      return secretAnswer(secrets)
    },
  }),

  endpoint({
    id: 'testWebhookEndpoint',
    route: 'POST /api/v3/webhooks/endpoints/{id}/test',
    access: allJobs('admin'),
    summary: 'Send a message of the type ping',
    description: 'Sends a message of the type `ping`, to try the address and the signature.',
    params: endpointPath,
    answer: json(202, deliverySchema, 'The delivery, which is under way'),
    refuses: { ...noEndpoint, 422: 'The endpoint is disabled' },
    handle: async ({ params, by }, { coordinator }) =>
      deliveryAnswer(await coordinator.testEndpoint(params.id, by)),
  }),

  endpoint({
    id: 'listWebhookDeliveries',
    route: 'GET /api/v3/webhooks/endpoints/{id}/deliveries',
    access: allJobs('admin'),
    summary: 'Messages to an endpoint, newest first; kept for 30 days after they end',
    description:
      'Messages to an endpoint with their state and their number of tries. To continue, send `next_cursor` as `cursor`.',
    params: endpointPath,
    query: deliveriesQuery,
    answer: json(200, deliveriesSchema, 'A page of deliveries'),
    refuses: noEndpoint,
    handle: async ({ params, query: { status, limit, cursor } }, { coordinator }) => {
      const before = readEntryCursor(cursor)
      const { deliveries, next } = await coordinator.deliveries(params.id, { status, limit, before })
      return { deliveries: deliveries.map(deliveryAnswer), next_cursor: writeEntryCursor(next) }
    },
  }),

  endpoint({
    id: 'readWebhookDelivery',
    route: 'GET /api/v3/webhooks/deliveries/{id}',
    access: allJobs('admin'),
    summary: 'A delivery, what it says, and each try to send it',
    description: 'A message as it is sent, and what each try was answered.',
    params: deliveryPath,
    answer: json(200, deliveryDetailSchema, 'The delivery'),
    refuses: { 404: 'There is no such delivery' },
    handle: async ({ params }, { coordinator }) =>
      deliveryDetailAnswer(await coordinator.delivery(params.id)),
  }),

  endpoint({
    id: 'redeliverWebhook',
    route: 'POST /api/v3/webhooks/deliveries/{id}/redeliver',
    access: allJobs('admin'),
    summary: 'Send a delivery again, now, with the same webhook-id',
    description:
      'Sends a message again, as often as a new one if it has to be. Its `webhook-id` stays, so that a receiver recognises it.',
    params: deliveryPath,
    answer: json(202, deliverySchema, 'The delivery, which is under way'),
    refuses: { 404: 'There is no such delivery', 422: 'Its endpoint is disabled, or it is being sent' },
    handle: async ({ params, by }, { coordinator }) =>
      deliveryAnswer(await coordinator.redeliver(params.id, by)),
  }),
])
