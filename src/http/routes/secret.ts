/** The installation's secret, for those who may replace it. It is in no answer: nobody else needs it. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Installation, SecretRotation } from '../../coordinator/installation.ts'
import { type BodyLimits, readOptionalJson } from '../edge/body.ts'
import { jsonAnswer, jsonBody } from './describe.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { askedBy } from '../edge/principal.ts'

const rotationSchema = z
  .object({
    rotated_at: timeSchema,
    previous_valid_until: timeSchema
      .nullable()
      .describe('Until when addresses that were signed before are valid; null: they ended at once'),
  })
  .openapi('SecretRotation')

export type SecretRotationAnswer = z.infer<typeof rotationSchema>

export const rotationAnswer = ({ rotatedAt, previousUntil }: SecretRotation): SecretRotationAnswer => ({
  rotated_at: timeOf(rotatedAt),
  previous_valid_until: timeOrNull(previousUntil),
})

const rotateSecretRoute = createRoute({
  method: 'post',
  path: '/secret/rotate',
  summary: 'Sign the addresses that providers get with a new secret; the one before counts for a while',
  request: { body: jsonBody('KeyRotation', false) },
  responses: { 200: jsonAnswer(rotationSchema, 'Since when, and until when the one before counts') },
})

export function secretRoutes({
  installation,
  limits,
}: {
  readonly installation: Pick<Installation, 'rotateSecret'>
  readonly limits: BodyLimits
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(rotateSecretRoute, async (c) =>
    c.json(
      rotationAnswer(await installation.rotateSecret(await readOptionalJson(c, limits), askedBy(c))),
      200,
    ),
  )

  return routes
}
