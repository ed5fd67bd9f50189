import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import { wordsFor } from '../../coordinator/history.ts'
import type { Feed, FeedPage, FeedQuery } from '../../events/feed.ts'
import type { Host } from '../../host.ts'
import { type EventType, type JobEvent, eventTypes } from '../../job/event.ts'
import { seenBy } from '../../job/reach.ts'
import type { Log } from '../../log.ts'
import { jsonAnswer } from './describe.ts'
import { eventSchema } from './event-schemas.ts'
import { secretIn } from '../access/access.ts'
import {
  type StreamLimits,
  createEventStreams,
  defaultStreamLimits,
  wantsStream,
} from '../edge/event-stream.ts'
import { holdsSecret } from '../access/idempotency.ts'
import { jobIdOf, jobPath, once, timeOf, timeSchema } from '../edge/path.ts'
import { callerOf, principalOf } from '../edge/principal.ts'
import { malformedField } from '../edge/problem.ts'

const resetSchema = z
  .object({ oldest: z.int().describe('The oldest event that is kept'), latest: z.int() })
  .optional()
  .describe(
    'Given where events may be missing between the place asked for and the first event told: read anew',
  )

const pageSize = { standard: 100, most: 500 }
const idReason = 'must be the id of an event, or 0 for the beginning'
const eventId = /^(?:0|[1-9]\d{0,15})$/

const after = once('after').regex(eventId, idReason).optional().openapi({ type: 'integer' })
const limit = once('limit')
  .regex(/^(?:[1-9]\d?|[1-4]\d\d|500)$/, `must be a whole number from 1 to ${pageSize.most}`)
  .transform(Number)
  .default(pageSize.standard)
  .openapi({ type: 'integer', minimum: 1, maximum: pageSize.most })

const eventsQuery = z.object({
  after: after.describe(
    'The id of the last event you know. Without it: from now on, or as JSON from the beginning',
  ),
  limit: limit.describe('As JSON alone: how many events in a page'),
  type: once('type').optional().describe('Only events of these types, such as job_completed,scene_failed'),
  token: once('token')
    .optional()
    .describe('Of POST /events/token, in place of a key: as a stream alone, for browsers'),
})

const eventsSchema = z.object({
  events: z.array(eventSchema),
  next_after: z.int().describe('What to give as after to go on'),
  more: z.boolean().describe('Whether there may be more now; else come back later'),
  reset: resetSchema,
})

export type EventsAnswer = z.infer<typeof eventsSchema>

const lastEventId = z.object({
  'last-event-id': z
    .string()
    .optional()
    .describe('What a browser sends when it comes back; goes before after'),
})

const eventsAnswers = {
  200: {
    content: {
      'text/event-stream': {
        schema: z
          .string()
          .describe(
            'Without an end: id is the id of the event, event its type, data the Event as JSON. A comment after 15 s of silence',
          ),
      },
      'application/json': { schema: eventsSchema },
    },
    description: 'A stream if the client accepts text/event-stream, else a page; oldest first',
  },
}

const allEventsRoute = createRoute({
  method: 'get',
  path: '/events',
  summary: 'What happens to all jobs: live, or from the log, resumed without a gap',
  request: { query: eventsQuery, headers: lastEventId },
  responses: eventsAnswers,
})

const jobEventsRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}/events',
  summary: 'What happens to a job: live, or from the log, resumed without a gap',
  request: { params: jobPath, query: eventsQuery, headers: lastEventId },
  responses: eventsAnswers,
})

const tokenSchema = z
  .object({
    token: z
      .string()
      .nullable()
      .describe('A secret: what EventSource sends as ?token=; null where no key is needed, nor a token'),
    expires_at: timeSchema.nullable().describe('When it ends, and its streams with it'),
  })
  .openapi('EventsToken')

export type EventsTokenAnswer = z.infer<typeof tokenSchema>

const tokenRoute = createRoute({
  method: 'post',
  path: '/events/token',
  summary: 'A token for EventSource in browsers: for 15 minutes it follows the events that the key sees',
  responses: { 201: jsonAnswer(tokenSchema, 'The token; it ends with its key') },
})

const historySchema = z.object({
  job_id: z.int(),
  entries: z.array(
    z.object({
      event_id: z.int(),
      at: timeSchema,
      type: z.enum(eventTypes),
      what: z.string().describe('For people, such as: approved, up to $0.80'),
      by: z.string().describe('Who asked for it; coordinator where nobody did'),
      reason: z.string().optional(),
      scene_id: z.string().optional(),
      data: z.record(z.string(), z.any()),
    }),
  ),
  next_after: z.int().nullable().describe('What to give as after for the next page; null on the last'),
})

export type HistoryAnswer = z.infer<typeof historySchema>

const historyRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}/history',
  summary: 'What happened to a job, when, who asked for it and why; oldest first',
  request: {
    params: jobPath,
    query: z.object({
      after: after.describe('next_after of the page before'),
      limit,
      progress: z
        .enum(['true', 'false'], { error: 'must be true or false' })
        .default('false')
        .describe('Whether reports of progress are told, too'),
    }),
  },
  responses: { 200: jsonAnswer(historySchema, 'A page of the history') },
})

export interface EventRoutesOptions {
  readonly coordinator: Coordinator
  readonly feed: Feed
  readonly host: Host
  readonly log: Log
  readonly limits?: Partial<StreamLimits> | undefined
}

export function eventRoutes({ coordinator, feed, host, log, limits }: EventRoutesOptions): OpenAPIHono {
  const routes = new OpenAPIHono()
  const streams = createEventStreams({ feed, host, log, limits: { ...defaultStreamLimits, ...limits } })

  const tell = async (c: Context, query: FeedQuery, pageLimit: number): Promise<Response> => {
    c.header('vary', 'accept')
    if (!wantsStream(c)) {
      const page = await feed.page({ ...query, after: query.after ?? 0, limit: pageLimit })
      return c.json(pageAnswer(page), 200)
    }
    c.header('content-type', 'text/event-stream')
    // nginx would hold events back until it has a buffer full of them.
    c.header('x-accel-buffering', 'no')
    // Hono drops the body of what it answers to HEAD, and nobody would end the stream.
    return c.req.method === 'HEAD'
      ? c.body(null, 200)
      : c.body(await streams.open(query, callerOf(c), principalOf(c).isLetIn), 200)
  }

  routes.openapi(allEventsRoute, (c) => {
    const query = c.req.valid('query')
    const reach = seenBy(principalOf(c).actor)
    const types = typesOf(query.type)
    return tell(c, { after: placeOf(c, query.after), types, reach }, query.limit)
  })

  routes.openapi(jobEventsRoute, async (c) => {
    const query = c.req.valid('query')
    const { id: jobId } = await coordinator.job(jobIdOf(c.req.valid('param').id))
    return tell(c, { after: placeOf(c, query.after), types: typesOf(query.type), jobId }, query.limit)
  })

  routes.openapi(tokenRoute, async (c) => {
    const secret = secretIn(c.req.header('authorization'))
    if (!principalOf(c).actor || secret === undefined) return c.json({ token: null, expires_at: null }, 201)
    const { token, expiresAt } = await coordinator.createEventsToken(secret)
    holdsSecret(c)
    return c.json({ token, expires_at: timeOf(expiresAt) }, 201)
  })

  routes.openapi(historyRoute, async (c) => {
    const query = c.req.valid('query')
    const { id: jobId } = await coordinator.job(jobIdOf(c.req.valid('param').id))
    const page = await feed.page({
      jobId,
      after: idOf('after', query.after ?? '0'),
      limit: query.limit,
      ...(query.progress === 'false' && { types: eventTypes.filter((type) => type !== 'job_progress') }),
    })
    const next_after = page.isMore ? page.after : null
    return c.json({ job_id: jobId, entries: page.events.map(entryOf), next_after }, 200)
  })

  return routes
}

const entryOf = (event: JobEvent): HistoryAnswer['entries'][number] => {
  const { reason } = event.data
  return {
    event_id: event.id,
    at: event.inserted_at,
    type: event.type,
    what: wordsFor(event),
    by: event.by ?? 'coordinator',
    ...(typeof reason === 'string' && { reason }),
    ...(event.scene_id !== undefined && { scene_id: event.scene_id }),
    data: event.data,
  }
}

const pageAnswer = ({ events, after: next_after, isMore: more, reset }: FeedPage): EventsAnswer => ({
  events: [...events],
  next_after,
  more,
  ...(reset && { reset }),
})

/** Where to begin; undefined where that is not said. */
function placeOf(c: Context, given: string | undefined): number | undefined {
  const resumed = c.req.header('last-event-id')
  if (resumed !== undefined) return idOf('Last-Event-ID', resumed)
  return given === undefined ? undefined : idOf('after', given)
}

function idOf(field: string, text: string): number {
  const id = Number(text)
  if (!eventId.test(text) || !Number.isSafeInteger(id)) throw malformedField(field, idReason)
  return id
}

function typesOf(list: string | undefined): readonly EventType[] | undefined {
  return list?.split(',').map((name) => {
    const type = eventTypes.find((known) => known === name)
    if (!type) throw malformedField('type', `must name types of events: ${eventTypes.join(', ')}`)
    return type
  })
}
