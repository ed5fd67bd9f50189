/** Replaces the installation's secret, which no answer shows. */
import { z } from '@hono/zod-openapi'
import type { SecretRotation } from '../../coordinator/attempt/installation.ts'
import { allJobs } from '../access/access.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { endpoint, json, resource } from './endpoint.ts'
import { rotationBody } from './keys.ts'

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

export const secretEndpoints = resource('keys', [
  endpoint({
    id: 'rotateSecret',
    route: 'POST /api/v3/secret/rotate',
    access: allJobs('admin'),
    summary: 'Sign the addresses that providers get with a new secret; the old one counts for a while',
    description:
      'Replaces the secret that signs addresses for providers and links to films. Addresses by the old one are accepted for `grace_seconds`.',
    body: rotationBody,
    answer: json(200, rotationSchema, 'Since when, and until when the old one counts'),
    refuses: { 422: 'A member is impossible' },
    needs: 'installation',
    handle: async ({ body, by }, { installation }) =>
      rotationAnswer(await installation.rotateSecret(body, by)),
  }),
])
