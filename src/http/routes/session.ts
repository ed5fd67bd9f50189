/** Signing in: a browser exchanges a key for a session, which it keeps where no script reads it. */
import { z } from '@hono/zod-openapi'
import type { Session } from '../../access/keys.ts'
import { type Scope, scopes } from '../../job/scope.ts'
import { noteWrongKey } from '../access/access.ts'
import { endSession, keepSession, sessionIn } from '../access/session.ts'
import { timeOf, timeSchema } from '../edge/path.ts'
import { HttpProblem } from '../edge/problem.ts'
import { endpoint, json, jsonBody, nothing, orNull, resource } from './endpoint.ts'

const sessionSchema = z
  .object({
    keys_required: z.boolean().describe('Whether requests need a key or a session'),
    session: orNull(
      z.object({
        name: z.string().describe("The key's name, which is kept with every change"),
        scopes: z.array(z.enum(scopes)),
        client_id: z
          .string()
          .nullable()
          .describe('The only client whose jobs it sees; null: it is not bound'),
        expires_at: timeSchema.describe('When it ends, if it is not used before'),
      }),
    ).describe('Null: not signed in'),
  })
  .openapi('Session')

export type SessionAnswer = z.infer<typeof sessionSchema>

const signIn = z.strictObject({ key: z.string().min(1).max(200) })

const answerOf = (keysRequired: boolean, session: Session | undefined): SessionAnswer => ({
  keys_required: keysRequired,
  session: session
    ? {
        name: session.key.name,
        scopes: [...session.key.scopes] satisfies Scope[],
        client_id: session.key.clientId,
        expires_at: timeOf(session.expiresAt),
      }
    : null,
})

export const sessionEndpoints = resource('keys', [
  endpoint({
    id: 'readSession',
    route: 'GET /api/v3/session',
    access: 'open',
    summary: 'Who is signed in',
    description:
      'For a page: whether a key is needed, and what the one that this browser signed in with allows.',
    answer: json(200, sessionSchema, 'The session, if there is one'),
    handle: async ({ c }, { coordinator, keysRequired }) => {
      const token = sessionIn(c)
      const session = token === undefined ? undefined : await coordinator.identifySession(token)
      if (session?.renewed) keepSession(c, session.renewed)
      // What has ended would be sent with every request.
      if (token !== undefined && !session) endSession(c)
      return answerOf(keysRequired, session)
    },
  }),

  endpoint({
    id: 'signIn',
    route: 'POST /api/v3/session',
    access: 'open',
    summary: 'Sign a browser in with a key',
    description:
      'Sets a cookie that stands for the key for 12 hours, and longer while it is used. It ends with the key. Programs send the key instead.',
    body: jsonBody('SignIn', signIn, { key: 'wck_…' }),
    answer: json(200, sessionSchema, 'The session'),
    refuses: { 422: 'The key is not valid' },
    repeatsFreely: true,
    handle: async ({ c, body }, { coordinator, keysRequired }) => {
      const parsed = signIn.safeParse(body)
      const session = parsed.success ? await coordinator.createSession(parsed.data.key) : undefined
      if (!session) {
        noteWrongKey(c)
        throw new HttpProblem(422, { error: 'Not signed in', reason: 'The key is not valid, or has ended' })
      }
      keepSession(c, session)
      return answerOf(keysRequired, session)
    },
  }),

  endpoint({
    id: 'signOut',
    route: 'DELETE /api/v3/session',
    access: 'open',
    summary: 'Sign the browser out',
    description: 'Removes the cookie. To end every session of a key, rotate or revoke it.',
    answer: nothing('Signed out'),
    repeatsFreely: true,
    handle: ({ c }) => endSession(c),
  }),
])
