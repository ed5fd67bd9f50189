/** Access keys. Only the answer that creates a key shows its secret. */
import { z } from '@hono/zod-openapi'
import type { NewKey } from '../../access/keys.ts'
import { type Key, keyRequest, prefixOf, rotationRequest } from '../../job/key.ts'
import { scopes } from '../../job/scope.ts'
import { allJobs } from '../access/access.ts'
import { holdsSecret } from '../access/idempotency.ts'
import { keyPath, timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { endpoint, json, jsonBody, optionalJsonBody, resource } from './endpoint.ts'

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().describe('What the key begins with'),
    scopes: z.array(z.enum(scopes)),
    client_id: z.string().nullable().describe('The only client whose jobs it sees; null: it is not bound'),
    inserted_at: timeSchema,
    created_by: z
      .string()
      .nullable()
      .describe('The name of the key that created it; null: the command line, or not known'),
    rotated_at: timeSchema.nullable(),
    last_used_at: timeSchema.nullable().describe('Exact to a minute'),
    expires_at: timeSchema.nullable(),
    revoked_at: timeSchema.nullable(),
    previous_valid_until: timeSchema
      .nullable()
      .describe('Until when the secret before the last rotation is accepted, too'),
  })
  .openapi('Key')

export type KeyAnswer = z.infer<typeof keySchema>

const newKeySchema = keySchema
  .extend({ key: z.string().describe('The value for Authorization: Bearer; shown only once') })
  .openapi('NewKey')

export type NewKeyAnswer = z.infer<typeof newKeySchema>

const keysSchema = z.object({ keys: z.array(keySchema) })

export type KeysAnswer = z.infer<typeof keysSchema>

export const keyAnswer = (key: Key): KeyAnswer => ({
  id: key.id,
  name: key.name,
  prefix: prefixOf(key.id),
  scopes: [...key.scopes],
  client_id: key.clientId,
  inserted_at: timeOf(key.insertedAt),
  created_by: key.createdBy,
  rotated_at: timeOrNull(key.rotatedAt),
  last_used_at: timeOrNull(key.lastUsedAt),
  expires_at: timeOrNull(key.expiresAt),
  revoked_at: timeOrNull(key.revokedAt),
  previous_valid_until: timeOrNull(key.previousUntil),
})

export const newKeyAnswer = ({ key, secret }: NewKey): NewKeyAnswer => ({ ...keyAnswer(key), key: secret })

export const rotationBody = optionalJsonBody('KeyRotation', rotationRequest, {})

export const keyEndpoints = resource('keys', [
  endpoint({
    id: 'createKey',
    route: 'POST /api/v3/keys',
    access: allJobs('admin'),
    summary: 'Create a key; it is shown once',
    description:
      'Creates a key with the scopes given. The member `key` of the answer is what a client sends; it is shown this once.',
    body: jsonBody('KeyRequest', keyRequest, { name: 'web shop', scopes: ['read', 'submit'] }),
    answer: json(201, newKeySchema, 'The key'),
    refuses: { 422: 'A member is impossible, or there are as many keys as are allowed' },
    handle: async ({ c, body, by }, { coordinator }) => {
      const made = await coordinator.createKey(body, by)
      holdsSecret(c)
      return newKeyAnswer(made)
    },
  }),

  endpoint({
    id: 'listKeys',
    route: 'GET /api/v3/keys',
    access: allJobs('admin'),
    summary: 'All keys, also revoked and expired ones; oldest first',
    description:
      'All keys with their scopes and their last use. Their secrets are not stored, so they cannot be shown.',
    answer: json(200, keysSchema, 'The keys, without their secrets'),
    handle: async (_, { coordinator }) => ({ keys: (await coordinator.keys()).map(keyAnswer) }),
  }),

  endpoint({
    id: 'rotateKey',
    route: 'POST /api/v3/keys/{id}/rotate',
    access: allJobs('admin'),
    summary: 'Give a key a new secret, which is shown once; the old one is accepted for a while',
    description: 'Makes a new secret for a key. The old one is accepted for `grace_seconds`.',
    params: keyPath,
    body: rotationBody,
    answer: json(200, newKeySchema, 'The key with its new secret'),
    refuses: {
      404: 'There is no such key',
      422: 'A member is impossible, or the key is revoked or has expired',
    },
    handle: async ({ c, params, body, by }, { coordinator, recheckStreams }) => {
      const made = await coordinator.rotateKey(params.id, body, by)
      recheckStreams()
      holdsSecret(c)
      return newKeyAnswer(made)
    },
  }),

  endpoint({
    id: 'revokeKey',
    route: 'POST /api/v3/keys/{id}/revoke',
    access: allJobs('admin'),
    summary: 'Revoke a key at once',
    description: 'Ends a key at once. Streams that it has opened are closed.',
    params: keyPath,
    answer: json(200, keySchema, 'The key, revoked'),
    refuses: { 404: 'There is no such key' },
    handle: async ({ params, by }, { coordinator, recheckStreams }) => {
      const revoked = await coordinator.revokeKey(params.id, by)
      recheckStreams()
      return keyAnswer(revoked)
    },
  }),
])
