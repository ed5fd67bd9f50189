import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { wordsFor } from '../../coordinator/read/history.ts'
import type { FeedPage, FeedQuery } from '../../events/feed.ts'
import { type EventType, type JobEvent, eventTypes } from '../../job/event.ts'
import { seenBy } from '../../job/reach.ts'
import { ownJobs, secretIn } from '../access/access.ts'
import { holdsSecret } from '../access/idempotency.ts'
import { wantsStream } from '../edge/event-stream.ts'
import { jobPath, once, pageLimit, timeOf, timeSchema } from '../edge/path.ts'
import { callerOf, principalOf } from '../edge/principal.ts'
import { malformedField } from '../edge/problem.ts'
import { endpoint, json, resource } from './endpoint.ts'
import { eventSchema } from './event-schemas.ts'
import type { Parts } from './parts.ts'

const resetSchema = z
  .object({ oldest: z.int().describe('The oldest event that is kept'), latest: z.int() })
  .optional()
  .describe('Present where events may be missing before the first event: read the jobs again')

const idReason = 'must be the id of an event, or 0 for the beginning'
const eventId = /^(?:0|[1-9]\d{0,15})$/

const after = once('after').regex(eventId, idReason).optional().openapi({ type: 'integer' })
const limit = pageLimit({ standard: 100, most: 500 })

const eventsQuery = z.object({
  after: after.describe(
    'The id of the last event you have. Without it: from now on, or as JSON from the beginning',
  ),
  limit: limit.describe('As JSON alone: how many events in a page'),
  type: once('type').optional().describe('Only events of these types, such as job_completed,scene_failed'),
  token: once('token')
    .optional()
    .describe('Of POST /events/token, in place of a key: as a stream alone, for browsers'),
})

const eventsSchema = z.object({
  events: z.array(eventSchema),
  next_after: z.int().describe('The value of after for the next page'),
  more: z.boolean().describe('Whether there may be more now'),
  reset: resetSchema,
})

export type EventsAnswer = z.infer<typeof eventsSchema>

const lastEventId = z.object({
  'last-event-id': z.string().optional().describe('Sent by browsers when they reconnect; overrides after'),
})

const eventsAnswer = json(
  200,
  eventsSchema,
  'A stream if the client accepts text/event-stream, else a page; oldest first',
  {
    'text/event-stream': {
      schema: z
        .string()
        .describe(
          'Without an end: id is the id of the event, event its type, data the Event as JSON. A comment after 15 s of silence',
        ),
    },
  },
)

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

const historySchema = z.object({
  job_id: z.int(),
  entries: z.array(
    z.object({
      event_id: z.int(),
      at: timeSchema,
      type: z.enum(eventTypes),
      what: z.string().describe('For people, such as: approved, up to $0.80'),
      by: z.string().describe('The key that requested it; coordinator for changes of its own'),
      reason: z.string().optional(),
      scene_id: z.string().optional(),
      data: z.record(z.string(), z.any()),
    }),
  ),
  next_after: z.int().nullable().describe('The value of after for the next page; null on the last'),
})

export type HistoryAnswer = z.infer<typeof historySchema>

const historyQuery = z.object({
  after: after.describe('next_after of the page before'),
  limit: limit.describe('Entries in a page, at most'),
  progress: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .default('false')
    .describe('Whether reports of progress are included'),
})

async function answerEvents(
  c: Context,
  { feed, streams }: NonNullable<Parts['events']>,
  query: FeedQuery & { readonly limit: number },
): Promise<Response | EventsAnswer> {
  c.header('vary', 'accept')
  if (!wantsStream(c)) return pageAnswer(await feed.page({ ...query, after: query.after ?? 0 }))
  c.header('content-type', 'text/event-stream')
  // nginx would hold events back until its buffer is full.
  c.header('x-accel-buffering', 'no')
  // Hono drops the body of an answer to HEAD, so nothing would end the stream.
  return c.req.method === 'HEAD'
    ? c.body(null, 200)
    : c.body(await streams.open(query, callerOf(c), principalOf(c).isLetIn), 200)
}

export const eventEndpoints = resource('events', [
  endpoint({
    id: 'events',
    route: 'GET /api/v3/events',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'What happens to all jobs: live, or from the log, resumed without a gap',
    description:
      'Sends server-sent events if the client accepts `text/event-stream`, otherwise a page as JSON. A stream resumes after `Last-Event-ID`, which browsers send by themselves, or after `after`.',
    query: eventsQuery,
    headers: lastEventId,
    answer: eventsAnswer,
    needs: 'events',
    handle: ({ c, query, rights }, { events }) =>
      answerEvents(c, events, {
        after: placeOf(c, query.after),
        types: typesOf(query.type),
        reach: seenBy(rights),
        limit: query.limit,
      }),
  }),

  endpoint({
    id: 'watchJob',
    route: 'GET /api/v3/jobs/{id}/events',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'What happens to a job: live, or from the log, resumed without a gap',
    description:
      "The same as `GET /events` for one job. The stream stays open after the job's end: it may be retried.",
    params: jobPath,
    query: eventsQuery,
    headers: lastEventId,
    answer: eventsAnswer,
    needs: 'events',
    handle: async ({ c, params, query }, { coordinator, events }) => {
      const { id: jobId } = await coordinator.job(params.id)
      return answerEvents(c, events, {
        after: placeOf(c, query.after),
        types: typesOf(query.type),
        jobId,
        limit: query.limit,
      })
    },
  }),

  endpoint({
    id: 'createEventsToken',
    route: 'POST /api/v3/events/token',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'A token for EventSource in browsers: for 15 minutes it follows the events that the key sees',
    description:
      'Answers a token for event streams alone, as `?token=`: `EventSource` in a browser sends no key. It sees what the key sees, and ends with it or after 15 minutes.',
    answer: json(201, tokenSchema, 'The token; it ends with its key'),
    needs: 'events',
    handle: async ({ c, rights }, { coordinator }) => {
      const secret = secretIn(c.req.header('authorization'))
      if (!rights || secret === undefined) return { token: null, expires_at: null }
      const { token, expiresAt } = await coordinator.createEventsToken(secret)
      holdsSecret(c)
      return { token, expires_at: timeOf(expiresAt) }
    },
  }),

  endpoint({
    id: 'readHistory',
    route: 'GET /api/v3/jobs/{id}/history',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'What happened to a job, when, by whom and why; oldest first',
    description:
      'The events of a job in words, each with its requester and reason. To continue, send `next_after` as `after`.',
    params: jobPath,
    query: historyQuery,
    answer: json(200, historySchema, 'A page of the history'),
    needs: 'events',
    handle: async ({ params, query }, { coordinator, events }) => {
      const { id: jobId } = await coordinator.job(params.id)
      const page = await events.feed.page({
        jobId,
        after: idOf('after', query.after ?? '0'),
        limit: query.limit,
        ...(query.progress === 'false' && { types: eventTypes.filter((type) => type !== 'job_progress') }),
      })
      return {
        job_id: jobId,
        entries: page.events.map(entryOf),
        next_after: page.isMore ? page.after : null,
      }
    },
  }),
])

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

/** The event to start after; undefined where the request names none. */
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
