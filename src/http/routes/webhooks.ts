/** Whom to tell of events, what they are signed with, and what became of each message. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { DeliveryDetail, WebhookVerbs } from '../../coordinator/webhook-verbs.ts'
import {
  type Delivery,
  type Endpoint,
  type Secret,
  deliveryStatuses,
  endpointStatuses,
  messageId,
} from '../../job/webhook.ts'
import { type BodyLimits, readJson } from '../edge/body.ts'
import { jsonAnswer, jsonBody } from './describe.ts'
import { holdsSecret } from '../access/idempotency.ts'
import { jobIdOf, once, readCursor, timeOf, timeOrNull, timeSchema, writeCursor } from '../edge/path.ts'
import { askedBy } from '../edge/principal.ts'
import { malformedField } from '../edge/problem.ts'

const endpointSchema = z
  .object({
    endpoint_id: z.string(),
    job_id: z.int().nullable().describe('The job whose webhook_url it is; null where it was added'),
    url: z.string(),
    event_types: z.array(z.string()).describe('All where there is none'),
    description: z.string(),
    status: z.enum(endpointStatuses),
    reason: z.string().nullable().describe('Why it is disabled'),
    failing_since: timeSchema.nullable().describe('Null where the last try succeeded'),
    inserted_at: timeSchema,
    updated_at: timeSchema,
  })
  .openapi('WebhookEndpoint')

export type EndpointAnswer = z.infer<typeof endpointSchema>

const endpointAnswer = (endpoint: Endpoint): EndpointAnswer => ({
  endpoint_id: endpoint.id,
  job_id: endpoint.jobId,
  url: endpoint.url,
  event_types: [...endpoint.eventTypes],
  description: endpoint.description,
  status: endpoint.status,
  reason: endpoint.reason,
  failing_since: timeOrNull(endpoint.failingSince),
  inserted_at: timeOf(endpoint.insertedAt),
  updated_at: timeOf(endpoint.updatedAt),
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
  last_status: z.int().nullable().describe('What the last try was answered; null where it was not'),
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
        status: z.int().nullable().describe('What was answered; null where nothing was'),
        error: z.string().nullable().describe('Null where it was taken'),
      }),
    ),
  })
  .openapi('WebhookDeliveryDetail')

export type DeliveryDetailAnswer = z.infer<typeof deliveryDetailSchema>

const deliveryDetailAnswer = ({ delivery, endpoint, tries }: DeliveryDetail): DeliveryDetailAnswer => ({
  ...deliveryAnswer(delivery),
  url: endpoint.url,
  payload: JSON.parse(delivery.body),
  log: tries.map(({ number, at, durationMs, status, error }) => ({
    number,
    at: timeOf(at),
    duration_ms: durationMs,
    status,
    error,
  })),
})

const idPath = z.object({
  id: z
    .string()
    .regex(
      /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
      'must be a UUID, such as 3f2b0c9e-8d1a-4c57-9f3e-2a6b7c8d9e0f',
    )
    .transform((id) => id.toLowerCase())
    .openapi({ param: { name: 'id', in: 'path' }, type: 'string', format: 'uuid' }),
})

const listEndpointsRoute = createRoute({
  method: 'get',
  path: '/webhooks/endpoints',
  summary: 'The endpoints that were added, or the webhook_url of a job; oldest first',
  request: {
    query: z.strictObject({
      job_id: once('job_id')
        .regex(/^(?:0|[1-9]\d*)$/, 'must be an integer, such as 123')
        .optional(),
    }),
  },
  responses: { 200: jsonAnswer(z.object({ endpoints: z.array(endpointSchema) }), 'The endpoints') },
})

const addEndpointRoute = createRoute({
  method: 'post',
  path: '/webhooks/endpoints',
  summary: 'Be told of events from now on, at an address of the public internet',
  request: { body: jsonBody('WebhookEndpointRequest') },
  responses: {
    201: jsonAnswer(
      endpointSchema.extend({ secret: z.string() }),
      'The endpoint, and what it is signed with',
    ),
  },
})

const readEndpointRoute = createRoute({
  method: 'get',
  path: '/webhooks/endpoints/{id}',
  summary: 'An endpoint',
  request: { params: idPath },
  responses: { 200: jsonAnswer(endpointSchema, 'The endpoint') },
})

const changeEndpointRoute = createRoute({
  method: 'patch',
  path: '/webhooks/endpoints/{id}',
  summary: 'Change an endpoint, disable or enable it; what is left out stays',
  request: { params: idPath, body: jsonBody('WebhookEndpointChange') },
  responses: { 200: jsonAnswer(endpointSchema, 'The endpoint') },
})

const removeEndpointRoute = createRoute({
  method: 'delete',
  path: '/webhooks/endpoints/{id}',
  summary: 'Remove an endpoint and its deliveries',
  request: { params: idPath },
  responses: { 204: { description: 'It is gone' } },
})

const readSecretRoute = createRoute({
  method: 'get',
  path: '/webhooks/endpoints/{id}/secret',
  summary: 'What the messages to an endpoint are signed with',
  request: { params: idPath },
  responses: { 200: jsonAnswer(secretSchema, 'The secret') },
})

const rotateSecretRoute = createRoute({
  method: 'post',
  path: '/webhooks/endpoints/{id}/rotate',
  summary: 'Give an endpoint another secret; messages are signed with both for 24 hours',
  request: { params: idPath },
  responses: { 200: jsonAnswer(secretSchema, 'The new secret') },
})

const readSharedSecretRoute = createRoute({
  method: 'get',
  path: '/webhooks/secret',
  summary: 'What the messages to the webhook_url of jobs are signed with',
  responses: { 200: jsonAnswer(secretSchema, 'The secret') },
})

const rotateSharedSecretRoute = createRoute({
  method: 'post',
  path: '/webhooks/secret/rotate',
  summary: 'Another secret for the webhook_url of jobs; messages are signed with both for 24 hours',
  responses: { 200: jsonAnswer(secretSchema, 'The new secret') },
})

const testEndpointRoute = createRoute({
  method: 'post',
  path: '/webhooks/endpoints/{id}/test',
  summary: 'Send a message of the type ping',
  request: { params: idPath },
  responses: { 202: jsonAnswer(deliverySchema, 'The delivery, which is under way') },
})

const pageSize = { standard: 100, most: 500 }

const listDeliveriesRoute = createRoute({
  method: 'get',
  path: '/webhooks/endpoints/{id}/deliveries',
  summary: 'What was told to an endpoint, newest first; kept for 30 days after its end',
  request: {
    params: idPath,
    query: z.strictObject({
      status: z.enum(deliveryStatuses, { error: `must be one of ${deliveryStatuses.join(', ')}` }).optional(),
      limit: once('limit')
        .regex(/^(?:[1-9]\d?|[1-4]\d\d|500)$/, `must be a whole number from 1 to ${pageSize.most}`)
        .transform(Number)
        .optional()
        .openapi({ type: 'integer', minimum: 1, maximum: pageSize.most }),
      cursor: once('cursor').optional().describe('next_cursor of the page before'),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({ deliveries: z.array(deliverySchema), next_cursor: z.string().nullable() }),
      'A page of deliveries',
    ),
  },
})

const readDeliveryRoute = createRoute({
  method: 'get',
  path: '/webhooks/deliveries/{id}',
  summary: 'A delivery, what it says, and each try to send it',
  request: { params: idPath },
  responses: { 200: jsonAnswer(deliveryDetailSchema, 'The delivery') },
})

const redeliverRoute = createRoute({
  method: 'post',
  path: '/webhooks/deliveries/{id}/redeliver',
  summary: 'Send a delivery again, now, with the same webhook-id',
  request: { params: idPath },
  responses: { 202: jsonAnswer(deliverySchema, 'The delivery, which is under way') },
})

export function webhookRoutes({
  coordinator,
  limits,
}: {
  readonly coordinator: WebhookVerbs
  readonly limits: BodyLimits
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(listEndpointsRoute, async (c) => {
    const { job_id } = c.req.valid('query')
    const endpoints = await coordinator.endpoints(job_id === undefined ? undefined : jobIdOf(job_id))
    return c.json({ endpoints: endpoints.map(endpointAnswer) }, 200)
  })

  routes.openapi(addEndpointRoute, async (c) => {
    const endpoint = await coordinator.addEndpoint(await readJson(c, limits), askedBy(c))
    const { secret } = secretAnswer(await coordinator.webhookSecrets(endpoint.id))
    holdsSecret(c)
    return c.json({ ...endpointAnswer(endpoint), secret }, 201)
  })

  routes.openapi(readEndpointRoute, async (c) =>
    c.json(endpointAnswer(await coordinator.endpoint(c.req.valid('param').id)), 200),
  )

  routes.openapi(changeEndpointRoute, async (c) => {
    const change = await readJson(c, limits)
    const endpoint = await coordinator.changeEndpoint(c.req.valid('param').id, change, askedBy(c))
    return c.json(endpointAnswer(endpoint), 200)
  })

  routes.openapi(removeEndpointRoute, async (c) => {
    await coordinator.removeEndpoint(c.req.valid('param').id, askedBy(c))
    return c.body(null, 204)
  })

  routes.openapi(readSecretRoute, async (c) =>
    c.json(secretAnswer(await coordinator.webhookSecrets(c.req.valid('param').id)), 200),
  )

  routes.openapi(rotateSecretRoute, async (c) => {
    const secrets = await coordinator.rotateWebhookSecret(c.req.valid('param').id, askedBy(c))
    holdsSecret(c)
    return c.json(secretAnswer(secrets), 200)
  })

  routes.openapi(readSharedSecretRoute, async (c) =>
    c.json(secretAnswer(await coordinator.webhookSecrets(null)), 200),
  )

  routes.openapi(rotateSharedSecretRoute, async (c) => {
    const secrets = await coordinator.rotateWebhookSecret(null, askedBy(c))
    holdsSecret(c)
    return c.json(secretAnswer(secrets), 200)
  })

  routes.openapi(testEndpointRoute, async (c) =>
    c.json(deliveryAnswer(await coordinator.testEndpoint(c.req.valid('param').id, askedBy(c))), 202),
  )

  routes.openapi(listDeliveriesRoute, async (c) => {
    const { status, limit = pageSize.standard, cursor } = c.req.valid('query')
    const page = await coordinator.deliveries(c.req.valid('param').id, {
      status,
      limit,
      before: cursor === undefined ? undefined : placeOf(cursor),
    })
    return c.json(
      {
        deliveries: page.deliveries.map(deliveryAnswer),
        next_cursor: page.next ? writeCursor(`${page.next.insertedAt}:${page.next.id}`) : null,
      },
      200,
    )
  })

  routes.openapi(readDeliveryRoute, async (c) =>
    c.json(deliveryDetailAnswer(await coordinator.delivery(c.req.valid('param').id)), 200),
  )

  routes.openapi(redeliverRoute, async (c) =>
    c.json(deliveryAnswer(await coordinator.redeliver(c.req.valid('param').id, askedBy(c))), 202),
  )

  return routes
}

function placeOf(cursor: string): { readonly insertedAt: number; readonly id: string } {
  const [, insertedAt, id] = /^(\d{1,15}):([0-9a-f-]{36})$/.exec(readCursor(cursor)) ?? []
  if (insertedAt === undefined || id === undefined)
    throw malformedField('cursor', 'must be the next_cursor of an earlier answer')
  return { insertedAt: Number(insertedAt), id }
}
