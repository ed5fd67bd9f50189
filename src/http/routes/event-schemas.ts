/**
 * Every event type with the members of its `data`, for the API's description: a discriminated union by
 * `type`.
 */
import { z } from '@hono/zod-openapi'
import { type EventType, eventTypes, topicOf } from '../../job/event.ts'
import { testType } from '../../job/webhook.ts'
import { timeSchema } from '../edge/path.ts'

const micros = z.int().nullable().describe('Millionths of a US dollar; null: an unknown price')
const why = { code: z.string(), reason: z.string().describe('In the last words of what failed') }
const progress = { percentage: z.int().describe('0 to 100'), stage: z.string() }
const values = z.record(z.string(), z.any()).optional()
const changed = {
  changed: z
    .union([z.array(z.string()), z.record(z.string(), z.any())])
    .optional()
    .describe('The members that were changed: their names, or with their values'),
  old: values.describe('Those of them that a person reads, as they were'),
  new: values.describe('As they are'),
}

/** The meaning of an event type and the members of its `data`; later versions may add members. */
interface Told {
  readonly about: string
  readonly data: z.ZodRawShape
}

export const eventTexts: { readonly [type in EventType]: Told } = {
  job_created: {
    about: 'A job was created, and waits for approval',
    data: { type: z.string(), video_name: z.string() },
  },
  job_approved: {
    about: 'A job, or what its changed scenes cost more, was approved',
    data: {
      estimated_micros: micros,
      authorised_micros: micros.optional().describe('The sum that the job may spend in all; null: no limit'),
      price_book: z.string().nullish().describe('The prices that the estimate is by'),
    },
  },
  job_processing: { about: 'The first scenes of a job are begun', data: progress },
  job_progress: { about: 'A job has made progress', data: progress },
  job_completed: {
    about: 'The film of a job is finished',
    data: {
      film: z.string().optional().describe('SHA-256 of its bytes'),
      size: z.int().optional().describe('Bytes'),
      duration_ms: z.number().optional(),
      frames: z.int().optional(),
      version: z.int().optional().describe('Counts the films of the job, from 1'),
    },
  },
  job_failed: { about: 'A job has failed', data: { ...why, scene_id: z.string().optional() } },
  job_cancelled: {
    about: 'A job was cancelled',
    data: { code: z.string().optional(), reason: z.string().optional(), scene_id: z.string().optional() },
  },
  job_retried: {
    about: 'A job that had ended goes on: by a retry, or after a change that needs no approval',
    data: {
      was: z.string().describe('The state that it was in'),
      reopened: z.boolean().optional().describe('After a change that needs no approval'),
      estimated_micros: micros,
      authorised_micros: micros.describe('The sum that the job may spend in all; null: no limit'),
    },
  },
  job_updated: {
    about: 'Members of a job were changed, or a job that it waits for has ended',
    data: {
      ...changed,
      version: z.int().optional().describe('As which an earlier film is published once more'),
      dependency: z.int().optional().describe('The job that it waited for'),
      status: z.string().optional().describe('The state of that job'),
    },
  },
  job_paused: { about: 'A job was paused', data: {} },
  job_rejected: { about: 'A job was rejected: it is changed, and submitted again', data: {} },
  job_submitted: { about: 'A rejected job was submitted again', data: {} },
  job_shared: {
    about: 'Somebody made an address that shows the film without a key until it ends',
    data: {
      version: z.int().nullable().describe('The version that it shows; null: the film that the job shows'),
      expires_at: timeSchema,
    },
  },
  job_deleted: {
    about: 'A job that had ended was deleted; its cost stays in the ledger',
    data: {
      type: z.string(),
      video_name: z.string(),
      status: z.string().describe('The state that it was in'),
    },
  },
  job_resumed: { about: 'The pause of a job has ended', data: {} },
  scene_processing: {
    about: 'A scene is being rendered, or uses a kept clip',
    data: {
      attempt_id: z.string().optional(),
      renderer: z.string().optional(),
      model: z.string().optional(),
      kept: z.boolean().optional().describe('It uses the clip of an earlier render, at no cost'),
    },
  },
  scene_completed: {
    about: 'The clip of a scene is finished',
    data: { clip: z.string().describe('SHA-256 of its bytes') },
  },
  scene_failed: { about: 'A scene has failed for good', data: { ...why, tries: z.int() } },
  scene_retrying: {
    about: 'A scene is tried again, not before a time',
    data: { ...why, tries: z.int(), not_before: timeSchema },
  },
  scene_rendered: {
    about: 'A provider has rendered a scene, and charged it; its clip is being fetched',
    data: { attempt_id: z.string(), charged_micros: micros },
  },
  scene_held: {
    about: 'Nothing proves whether the provider accepted a scene: a person has to decide',
    data: { attempt_id: z.string(), reason: z.string(), reserved_micros: micros },
  },
  scene_updated: {
    about: 'A scene was changed, is to be rendered again, or its held attempt was decided',
    data: {
      ...changed,
      regenerate: z.boolean().optional(),
      resolution: z.enum(['adopt', 'absent']).optional(),
      prediction_id: z.string().optional().describe('The render that was adopted'),
    },
  },
  scene_short: {
    about: 'A clip that is much shorter than was paid for is accepted as it is',
    data: { attempt_id: z.string(), reason: z.string() },
  },
  scene_added: {
    about: 'A scene was added to a film',
    data: { position: z.int().describe('Its place, from 0') },
  },
  scene_deleted: {
    about: 'A scene was removed from its film',
    data: { position: z.int().describe('The place that it had, from 0') },
  },
  scene_cancelled: { about: 'A scene was cancelled with its job', data: {} },
}

/** `job_created` becomes `JobCreated`. */
export const pascal = (name: string): string =>
  name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Scene events always name their scene. */
const sceneIdOf = (type: EventType): z.ZodOptional<z.ZodString> => {
  const id = z.string()
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- programs read all events by one type
  return (type.startsWith('scene_') ? id : id.optional()) as z.ZodOptional<z.ZodString>
}

/** The scene's position and title at the time of the event. */
const sceneMembers = {
  position: z.int().optional().describe('The place of the scene then, from 0'),
  title: z.string().optional().describe('Its title then, where it had one'),
}

const eventOf = (type: EventType) =>
  z
    .object({
      id: z.int().describe('Rises with each event; the place to resume from'),
      topic: z.literal(topicOf[type]),
      type: z.literal(type),
      job_id: z.int(),
      scene_id: sceneIdOf(type),
      data: z.looseObject({
        ...(type.startsWith('scene_') && sceneMembers),
        ...eventTexts[type].data,
        ...(!('reason' in eventTexts[type].data) && {
          reason: z.string().optional().describe('The reason that the request gave'),
        }),
      }),
      by: z.string().optional().describe('Who requested it, such as the name of a key'),
      inserted_at: timeSchema,
    })
    .describe(eventTexts[type].about)
    .openapi(`${pascal(type)}Event`)

const [first, ...others] = eventTypes.map(eventOf)

export const eventSchema = z.discriminatedUnion('type', [first!, ...others]).openapi('Event')

/** Messages to webhook endpoints by name: each event type, and the `ping` of a test. */
export const webhookMessages: Readonly<
  Record<string, { readonly about: string; readonly data: Readonly<Record<string, unknown>> }>
> = {
  ...Object.fromEntries(
    eventTypes.map((type) => [
      type,
      { about: eventTexts[type].about, data: { $ref: `#/components/schemas/${pascal(type)}Event` } },
    ]),
  ),
  [testType]: {
    about: 'A test, which says nothing but that messages arrive',
    data: {
      type: 'object',
      properties: { endpoint_id: { type: 'string', format: 'uuid' } },
      required: ['endpoint_id'],
    },
  },
}
