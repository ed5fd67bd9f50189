/** Requests from providers: they fetch input pictures, and report that a render has ended. */
import type { Context } from 'hono'
import { z } from 'zod'
import { createJsonReader } from '../../json-reader.ts'
import { incomingBody } from '../edge/body.ts'
import { serveBytes } from '../edge/bytes.ts'
import { inlineNamed } from '../edge/disposition.ts'
import { addressOf, signedText } from '../edge/path.ts'
import { HttpProblem, malformedField } from '../edge/problem.ts'
import { type Endpoint, unlisted } from './endpoint.ts'

/**
 * Room for a render with its logs. Providers that can reach us get pictures by address, so the message holds
 * none.
 */
const webhookBytes = 4 << 20

/** Only an id is read from the message. */
const messageBounds = { values: 50_000, textBytes: 100 }

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const message = z.object({ id: z.string().regex(/^[a-z0-9]{5,64}$/) })

export const providerEndpoints: readonly Endpoint[] = [
  unlisted({
    route: `GET ${addressOf.inputPattern}`,
    access: 'uncounted',
    needs: 'gate',
    handle: async (c, { coordinator, artifacts, gate }) => {
      const { mark = '', picture = '' } = c.req.param()
      const number = Number(/^(\d)\.jpg$/.exec(picture)?.[1] ?? Number.NaN)
      if (!(await gate.isOurs(signedText.input(mark, number), proofIn(c)))) throw notSigned()
      const attempt = await coordinator.attempt(mark.slice(-36))
      const id = attempt?.inputs[number]
      if (id === undefined) throw new HttpProblem(404, { error: 'Not found', path: c.req.path })
      if (attempt!.picturesFetchedAt === null) await coordinator.picturesFetched(attempt!.id)
      return serveBytes(c, artifacts, {
        id,
        contentType: 'image/jpeg',
        modifiedAt: attempt!.insertedAt,
        disposition: inlineNamed(`picture ${number + 1}`, `picture ${number + 1}`, 'jpg'),
        immutable: true,
      })
    },
  }),

  unlisted({
    route: `POST ${addressOf.webhookPattern}`,
    access: 'uncounted',
    needs: 'gate',
    handle: async (c, { coordinator, gate }) => {
      const { attempt: attemptId = '' } = c.req.param()
      if (!uuid.test(attemptId)) throw malformedField('attempt', 'must be a UUID')
      if (!(await gate.isOurs(signedText.webhook(attemptId), proofIn(c)))) throw notSigned()
      const rawBody = Buffer.concat(await Array.fromAsync(incomingBody(c, webhookBytes).bytes))
      const header = (name: string): string | undefined => c.req.header(`webhook-${name}`)
      const headers = { id: header('id'), timestamp: header('timestamp'), signature: header('signature') }
      if (!(await gate.isProviders({ headers, rawBody })).ok) throw notSigned()
      const renderId = renderIdIn(rawBody)
      const outcome = await coordinator.webhookReceived({ id: headers.id!, attemptId, renderId })
      if (outcome === 'no such attempt')
        throw new HttpProblem(404, { error: 'Attempt not found', attempt_id: attemptId })
      return c.json({ status: 'received' })
    },
  }),
]

const proofIn = ({ req }: Context) => ({ expires: req.query('expires'), signature: req.query('signature') })

/** The same answer for every invalid proof: a guesser learns nothing. */
const notSigned = (): HttpProblem =>
  new HttpProblem(403, { error: 'Signature refused', reason: 'The signature is missing, old or not ours' })

function renderIdIn(rawBody: Uint8Array): string {
  try {
    const reader = createJsonReader(messageBounds)
    reader.write(rawBody)
    return message.parse(JSON.parse(reader.bytes().toString())).id
  } catch (cause) {
    throw malformedField('id', 'The body must be a prediction in JSON', { cause })
  }
}
