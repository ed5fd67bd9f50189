/** Requests that create or change webhook endpoints. */
import { z } from 'zod'
import { checked } from './checked.ts'
import { endpointStatuses, webhookEvents, webhookUrl } from './webhook.ts'

const description = z
  .string('must be text')
  .max(200, 'must have at most 200 characters')
  // oxlint-disable-next-line no-control-regex
  .refine((text) => !/[\u0000-\u001f\u007f-\u009f]/.test(text), 'must not contain control characters')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

export const endpointRequest = z.strictObject({
  url: webhookUrl,
  event_types: webhookEvents.optional(),
  description: description.optional(),
})
export type EndpointRequest = z.infer<typeof endpointRequest>

export const endpointChange = z.strictObject({
  url: webhookUrl.optional(),
  event_types: webhookEvents.optional(),
  description: description.optional(),
  status: z
    .enum(endpointStatuses, { error: `must be one of ${endpointStatuses.join(', ')}` })
    .optional()
    .describe('Disabling an endpoint gives up its waiting deliveries'),
})
export type EndpointChange = z.infer<typeof endpointChange>

/** @throws {RefusedError} `invalid` */
export const parseEndpoint = (input: unknown): EndpointRequest => checked(endpointRequest, input)
/** @throws {RefusedError} `invalid` */
export const parseEndpointChange = (input: unknown): EndpointChange => checked(endpointChange, input)
