/** Keys, for those who may give them out. The text that lets in is in the answer that makes it, and nowhere else. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { KeyVerbs, NewKey } from '../../coordinator/key-verbs.ts'
import { type Key, prefixOf } from '../../job/key.ts'
import { scopes } from '../../job/scope.ts'
import { type BodyLimits, readJson, readOptionalJson } from '../edge/body.ts'
import { jsonAnswer, jsonBody } from './describe.ts'
import { holdsSecret } from '../access/idempotency.ts'
import { timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { askedBy } from '../edge/principal.ts'

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().describe('What the key begins with'),
    scopes: z.array(z.enum(scopes)),
    client_id: z.string().nullable().describe('The only client whose jobs it sees; null: it is not bound'),
    inserted_at: timeSchema,
    rotated_at: timeSchema.nullable(),
    last_used_at: timeSchema.nullable().describe('Exact to a minute'),
    expires_at: timeSchema.nullable(),
    revoked_at: timeSchema.nullable(),
    previous_valid_until: timeSchema
      .nullable()
      .describe('Until when the secret before the last rotation is taken too'),
  })
  .openapi('Key')

export type KeyAnswer = z.infer<typeof keySchema>

const newKeySchema = keySchema
  .extend({ key: z.string().describe('What is sent as Authorization: Bearer; shown this once') })
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
  rotated_at: timeOrNull(key.rotatedAt),
  last_used_at: timeOrNull(key.lastUsedAt),
  expires_at: timeOrNull(key.expiresAt),
  revoked_at: timeOrNull(key.revokedAt),
  previous_valid_until: timeOrNull(key.previousUntil),
})

export const newKeyAnswer = ({ key, secret }: NewKey): NewKeyAnswer => ({ ...keyAnswer(key), key: secret })

const keyPath = z.object({
  id: z
    .string()
    .regex(/^[0-9a-f]{12}$/, 'must be the id of a key: 12 characters of 0-9 and a-f')
    .openapi({ param: { name: 'id', in: 'path' } }),
})

const createKeyRoute = createRoute({
  method: 'post',
  path: '/keys',
  summary: 'Make a key; it is shown once',
  request: { body: jsonBody('KeyRequest') },
  responses: { 201: jsonAnswer(newKeySchema, 'The key') },
})

const listKeysRoute = createRoute({
  method: 'get',
  path: '/keys',
  summary: 'All keys, also those that let nobody in any more; oldest first',
  responses: { 200: jsonAnswer(keysSchema, 'The keys, without their secrets') },
})

const rotateKeyRoute = createRoute({
  method: 'post',
  path: '/keys/{id}/rotate',
  summary: 'Give a key a new secret, which is shown once; the old one is taken for a while',
  request: { params: keyPath, body: jsonBody('KeyRotation', false) },
  responses: { 200: jsonAnswer(newKeySchema, 'The key with its new secret') },
})

const revokeKeyRoute = createRoute({
  method: 'post',
  path: '/keys/{id}/revoke',
  summary: 'Let nobody in with this key from now on',
  request: { params: keyPath },
  responses: { 200: jsonAnswer(keySchema, 'The key, revoked') },
})

export function keyRoutes({
  coordinator,
  limits,
}: {
  readonly coordinator: KeyVerbs
  readonly limits: BodyLimits
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(createKeyRoute, async (c) => {
    const made = await coordinator.createKey(await readJson(c, limits), askedBy(c))
    holdsSecret(c)
    return c.json(newKeyAnswer(made), 201)
  })

  routes.openapi(listKeysRoute, async (c) => c.json({ keys: (await coordinator.keys()).map(keyAnswer) }, 200))

  routes.openapi(rotateKeyRoute, async (c) => {
    const request = await readOptionalJson(c, limits)
    const made = await coordinator.rotateKey(c.req.valid('param').id, request, askedBy(c))
    holdsSecret(c)
    return c.json(newKeyAnswer(made), 200)
  })

  routes.openapi(revokeKeyRoute, async (c) =>
    c.json(keyAnswer(await coordinator.revokeKey(c.req.valid('param').id, askedBy(c))), 200),
  )

  return routes
}
