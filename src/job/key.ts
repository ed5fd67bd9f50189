/** API keys: what a key allows, and how long it is valid. */
import { z } from 'zod'
import { checked } from './checked.ts'
import { momentSchema } from './members.ts'
import { type Scope, scopes } from './scope.ts'

export interface Key {
  /** 12 hex digits: the public part of the key. */
  readonly id: string
  /** Unique and never reused, because events and the ledger name the actor by it. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** The only client whose jobs it can access; null: all clients. */
  readonly clientId: string | null
  /** ms since the epoch, like all times here. */
  readonly insertedAt: number
  /** The key by which it was created; null on the command line, or before this was recorded. */
  readonly createdBy: string | null
  readonly rotatedAt: number | null
  /** Accurate to a minute. */
  readonly lastUsedAt: number | null
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  /** Until when the secret before the last rotation stays valid. */
  readonly previousUntil: number | null
}

/** How a key is shown without its secret. */
export const prefixOf = (id: string): string => `wck_${id}`

/** The actor's name for requests without a key. */
export const nameWithoutKey = 'local'

const standardGraceSeconds = 24 * 60 * 60
const longestGraceSeconds = 30 * standardGraceSeconds
const graceReason = `must be a whole number of seconds from 0 to ${longestGraceSeconds}`

export const keyRequest = z
  .strictObject({
    name: z
      .string('must be a text of 1 to 100 characters')
      .regex(/^[^\p{Cc}\p{Cs}]{1,100}$/u, 'must be a text of 1 to 100 characters, without control characters')
      .refine((name) => name.trim() === name, 'must not begin or end with a space')
      .refine(
        (name) => name !== nameWithoutKey,
        `must not be "${nameWithoutKey}": that is the name for requests without a key`,
      ),
    scopes: z
      .array(z.enum(scopes, `must be one of ${scopes.join(', ')}`), `must be a list of ${scopes.join(', ')}`)
      .min(1, `must contain at least one of ${scopes.join(', ')}`)
      .max(scopes.length, 'must contain each scope once')
      .transform((given) => scopes.filter((scope) => given.includes(scope))),
    client_id: z
      .string('must be a text of 1 to 200 characters')
      .regex(/^[^\p{Cc}\p{Cs}]{1,200}$/u, 'must be a text of 1 to 200 characters, without control characters')
      .nullish()
      .describe('The only client whose jobs it can read and create. Default: all clients'),
    expires_at: momentSchema.nullish().describe('When the key expires. Default: never'),
  })
  .refine(({ scopes: given, client_id }) => client_id == null || !given.includes('admin'), {
    path: ['scopes'],
    error: 'must not contain admin if client_id is set: admin covers all clients',
  })
  .describe('A new key; the scope admin allows everything')

export const rotationRequest = z
  .strictObject({
    grace_seconds: z
      .int(graceReason)
      .min(0, graceReason)
      .max(longestGraceSeconds, graceReason)
      .default(standardGraceSeconds)
      .describe('How long the previous secret stays valid'),
  })
  .describe('Replaces the secret of a key')

/** @throws {RefusedError} `invalid` */
export const parseKeyRequest = (input: unknown): z.output<typeof keyRequest> => checked(keyRequest, input)

/** @throws {RefusedError} `invalid` */
export const parseRotation = (input: unknown): z.output<typeof rotationRequest> =>
  checked(rotationRequest, input)
