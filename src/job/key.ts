/** A key lets a program or a person in: what it may do, and since when and until when. */
import { z } from 'zod'
import { checked } from './checked.ts'
import { momentSchema } from './members.ts'
import { type Scope, scopes } from './scope.ts'

export interface Key {
  /** 12 hex digits, no secret: the part of the key that is shown again. */
  readonly id: string
  /** One that was taken once is never given again: events and bills tell by it who did what. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** The only client whose jobs it sees; null: it is not bound to one. */
  readonly clientId: string | null
  /** Times: ms since the epoch. */
  readonly insertedAt: number
  readonly rotatedAt: number | null
  /** Exact to a minute. */
  readonly lastUsedAt: number | null
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  /** Until when the secret before the last rotation is taken too. */
  readonly previousUntil: number | null
}

/** What a key is seen by when it isn't seen as a whole. */
export const prefixOf = (id: string): string => `wck_${id}`

/** Who sends requests where no key is needed. */
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
        `must not be "${nameWithoutKey}": so are those called who need no key`,
      ),
    scopes: z
      .array(z.enum(scopes, `must be one of ${scopes.join(', ')}`), `must be a list of ${scopes.join(', ')}`)
      .min(1, `must hold at least one of ${scopes.join(', ')}`)
      .max(scopes.length, 'must hold each scope once')
      .transform((given) => scopes.filter((scope) => given.includes(scope))),
    client_id: z
      .string('must be a text of 1 to 200 characters')
      .regex(/^[^\p{Cc}\p{Cs}]{1,200}$/u, 'must be a text of 1 to 200 characters, without control characters')
      .nullish()
      .describe('The only client whose jobs it sees and makes; if not given, it is not bound to one'),
    expires_at: momentSchema.nullish().describe('When it ends by itself; if not given, never'),
  })
  .refine(({ scopes: given, client_id }) => client_id == null || !given.includes('admin'), {
    path: ['scopes'],
    error: 'must not hold admin with client_id: admin is over all clients',
  })
  .describe('A key to be made; admin may do everything')

export const rotationRequest = z
  .strictObject({
    grace_seconds: z
      .int(graceReason)
      .min(0, graceReason)
      .max(longestGraceSeconds, graceReason)
      .default(standardGraceSeconds)
      .describe('How long the secret before is taken too'),
  })
  .describe('A new secret in place of the one before')

/** @throws {RefusedError} `invalid` */
export const parseKeyRequest = (input: unknown): z.output<typeof keyRequest> => checked(keyRequest, input)

/** @throws {RefusedError} `invalid` */
export const parseRotation = (input: unknown): z.output<typeof rotationRequest> =>
  checked(rotationRequest, input)
