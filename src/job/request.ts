/** The schema of a request for a job, validated here for both HTTP and the library. */
import { type JobType, jobTypes } from './job-type.ts'
import { z } from 'zod'
import { checked } from './checked.ts'
import { type FieldProblem, invalidField } from './errors.ts'
import { aspectRatios, frameRates, resolutions } from './format.ts'
import type { OnFailure } from './job.ts'
import {
  assetIdSchema,
  durationSchema,
  jobIdSchema,
  line,
  listOf,
  modelSchema,
  oneOf,
  prioritySchema,
  prose,
  timeSchema,
  wholeFrom,
} from './members.ts'
import { slipOf } from './nearest.ts'
import type { ErrorClass } from './retry-policy.ts'
import { fits, transitions } from './scene.ts'
import { jobWebhookEvents, webhookUrl } from './webhook.ts'

export const maxScenes = 500
const maxFreeDepth = 32
const maxFreeMembers = 256
const maxFreeBytes = 64 << 10

/** Members shared by all types of job. Unknown members are the caller's own fields and are stored unchanged. */
const sharedParameters = {
  clip_duration: durationSchema.optional().describe('Seconds of each scene. Default: 5'),
  aspect_ratio: oneOf(aspectRatios).optional().describe('Default: 16:9'),
  resolution: oneOf(resolutions).optional().describe('The short side of the film. Default: 720p'),
  fps: z
    .literal([...frameRates], { error: `must be one of ${frameRates.join(', ')}` })
    .optional()
    .describe('Frames per second. Default: 24'),
  model: modelSchema.optional().describe('The model that renders. Default: local'),
  transition: oneOf(transitions).optional().describe('Transition between photographs. Default: fade'),
  fit: oneOf(fits)
    .optional()
    .describe('How a picture or clip of another shape fills the frame. Default: crop'),
  title: line(120).optional().describe('Shown over the first scene'),
  audio: z
    .boolean('must be true or false')
    .optional()
    .describe('Whether a paid model should also render sound. Default: false'),
  prompt: prose.optional().describe('Prompt for generative models; each scene may have its own'),
}

const pairsPictures = {
  images: listOf(assetIdSchema, 2, maxScenes + 1, 'images').optional(),
  pairs: listOf(z.tuple([assetIdSchema, assetIdSchema]), 1, maxScenes, 'pairs').optional(),
}

const photoOrders = ['visit', 'given'] as const

const propertyPictures = {
  photos: listOf(
    z.strictObject({ asset_id: assetIdSchema, room: line(60).optional() }),
    1,
    maxScenes,
    'photos',
  ).optional(),
  photo_order: oneOf(photoOrders)
    .optional()
    .describe('The order of the scenes: that of a visit, by room, or that of photos. Default: visit'),
}

export const imagePairsParameters = z.looseObject({ ...sharedParameters, ...pairsPictures })
export const propertyPhotosParameters = z.looseObject({ ...sharedParameters, ...propertyPictures })

export const sceneRequest = z.strictObject({
  title: line(120).nullish(),
  prompt: prose.optional(),
  duration: durationSchema.optional(),
  asset_ids: listOf(assetIdSchema, 1, 2, 'images: one, or the first and the last'),
  transition: oneOf(transitions).optional(),
  model: modelSchema.optional(),
  audio: z.boolean('must be true or false').optional(),
})

export const storyboardRequest = z.strictObject({ scenes: listOf(sceneRequest, 1, maxScenes, 'scenes') })

const seconds = z.number('must be a number of seconds').min(0, 'must not be negative').max(86_400)

const retryWish = {
  max_tries: wholeFrom(1, 20).optional().describe('Renders per scene, including the first. Default: 3'),
  delay: seconds.optional().describe('Seconds before the second try; doubles with each try. Default: 2'),
  max_delay: seconds.optional().describe('Longest wait in seconds. Default: 600'),
}

const ofClass = z.strictObject(retryWish).optional()

export const retryPolicySchema = z.strictObject({
  ...retryWish,
  classes: z
    .strictObject({
      provider: ofClass.describe('The provider failed, or was unreachable'),
      machine: ofClass.describe('This machine was too busy, or ran out of memory or time'),
      clip: ofClass.describe('The rendered clip was invalid'),
      other: ofClass.describe('Anything else'),
    } satisfies Record<ErrorClass, unknown>)
    .optional()
    .describe('Different rules for some classes of error'),
})

const onFailures = ['fail', 'wait', 'ignore'] as const satisfies readonly OnFailure[]

const mostDependencies = 1000

export const dependsOnSchema = z
  .array(
    z.union(
      [
        jobIdSchema,
        z.strictObject({
          job_id: jobIdSchema,
          on_failure: oneOf(onFailures)
            .optional()
            .describe(
              'If it fails or is cancelled, this job also fails (fail, the default), waits until a retry completes it (wait), or continues (ignore)',
            ),
        }),
      ],
      { error: 'must be the id of a job, or an object with job_id and on_failure' },
    ),
  )
  .max(mostDependencies, `must name at most ${mostDependencies} jobs`)
  .describe('Jobs that must complete before this one starts')

const shared = {
  storyboard: storyboardRequest.optional().describe('Replaces the planned storyboard'),
  video_name: line(200).optional(),
  priority: prioritySchema.optional().describe('0 to 100, higher first. Default: 50'),
  depends_on: dependsOnSchema.optional(),
  run_at: timeSchema.optional().describe('The job does not start before this time'),
  deadline_at: timeSchema
    .optional()
    .describe('If the job has not ended by this time, it fails and stops spending'),
  retry: retryPolicySchema.optional().describe('How failed renders are retried'),
  webhook_url: webhookUrl.optional().describe('Address that receives events of the job'),
  webhook_events: jobWebhookEvents.optional().describe('Types of event or topics to send. Default: all'),
  force: z
    .boolean('must be true or false')
    .optional()
    .describe('Render every scene, even if an equal clip is stored'),
}

export const jobRequest = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('image_pairs'), parameters: imagePairsParameters, ...shared }),
    z.strictObject({ type: z.literal('property_photos'), parameters: propertyPhotosParameters, ...shared }),
  ],
  { error: `must be one of ${jobTypes.join(', ')}` },
)

export type JobRequest = z.infer<typeof jobRequest>
export type ImagePairsParameters = z.infer<typeof imagePairsParameters>
export type PropertyPhotosParameters = z.infer<typeof propertyPhotosParameters>
export type StoryboardRequest = z.infer<typeof storyboardRequest>

/** Whether arrays and objects are nested more than `levels` deep. */
const isDeeperThan = (value: unknown, levels: number): boolean =>
  value !== null &&
  typeof value === 'object' &&
  (levels === 0 || Object.values(value).some((member) => isDeeperThan(member, levels - 1)))

const shapes = {
  image_pairs: imagePairsParameters.shape,
  property_photos: propertyPhotosParameters.shape,
} as const satisfies Record<JobType, object>

const isJobType = (type: unknown): type is JobType => (jobTypes as readonly unknown[]).includes(type)

/** Of an unknown type, whose refusal comes later, the photos are not counted as the caller's own. */
const shapeOf = (type: unknown): object => shapes[isJobType(type) ? type : 'property_photos']

/**
 * Limits the caller's own fields in number, depth and size, before the costly check of each member.
 * @throws {RefusedError} `invalid`
 */
function refuseMuch(input: unknown): void {
  if (!isObject(input) || !isObject(input['parameters'])) return
  const shape = shapeOf(input['type'])
  const own = Object.entries(input['parameters']).filter(([name]) => !Object.hasOwn(shape, name))
  if (own.length > maxFreeMembers)
    throw invalidField(
      'parameters',
      `must have at most ${maxFreeMembers} fields of your own; it has ${own.length}`,
    )
  if (isDeeperThan(own, maxFreeDepth + 1))
    throw invalidField('parameters', `must not be nested deeper than ${maxFreeDepth} levels`)
  const bytes = Buffer.byteLength(JSON.stringify(Object.fromEntries(own)))
  if (bytes > maxFreeBytes)
    throw invalidField(
      'parameters',
      `must have at most ${maxFreeBytes} bytes in fields of your own, as JSON; it has ${bytes}`,
    )
}

/** Names the client that owns the job. */
const clientMember = 'client_id'

/** Reports unknown members that look like misspelt known ones, which would otherwise be stored and ignored. */
function slips(input: unknown): readonly FieldProblem[] {
  if (!isObject(input) || !isObject(input['parameters'])) return []
  const names = [...Object.keys(shapeOf(input['type'])), clientMember, 'metadata']
  return Object.keys(input['parameters'])
    .filter((name) => !knownParameters.has(name))
    .flatMap((name) => {
      const meant = slipOf(name, names)
      return meant === undefined
        ? []
        : [
            {
              field: `parameters.${name}`,
              reason: `is unknown. Did you mean ${meant}? If it is a field of your own, put it in parameters.metadata`,
            },
          ]
    })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** zod drops a member named `__proto__`; the caller may use that name like any other. */
function keepProto(input: unknown, parameters: object): void {
  if (!isObject(input)) return
  const given = Object.getOwnPropertyDescriptor(input['parameters'], '__proto__')
  if (given) Object.defineProperty(parameters, '__proto__', given)
}

/**
 * Validates a request for a job.
 * @throws {RefusedError} `invalid`, with every problem found.
 */
export function parseJobRequest(input: unknown): JobRequest {
  refuseMuch(input)
  const hint = ': put fields of your own in parameters'
  const request = checked(jobRequest, input, { hint, found: slips(input) })
  keepProto(input, request.parameters)
  return request
}

/** Members of `parameters` that the coordinator uses. */
export const knownParameters: ReadonlySet<string> = new Set(
  Object.values(shapes).flatMap((shape) => Object.keys(shape)),
)
const maxLabels = 32
const maxLabelLength = 200

/** Neither database stores other texts unchanged. */
const isSearchable = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

const metadataPrefix = 'metadata.'

/** The label of a member of `metadata`. `client_id` is prefixed, because `metadata` must not name the job's owner. */
const labelOf = (name: string): string => (name === clientMember ? `${metadataPrefix}${name}` : name)

/** The label that a list filter `name` refers to. The prefix `metadata.` allows names that are filters themselves. */
export const labelAsked = (name: string): string =>
  name.startsWith(metadataPrefix) ? labelOf(name.slice(metadataPrefix.length)) : name

/** Labels for filtering lists: plain values among the caller's fields in `parameters` and `metadata`, as text. */
export function freeMembers({ parameters }: JobRequest): Readonly<Record<string, string>> {
  const { metadata } = parameters
  const beneath = isObject(metadata) && !Array.isArray(metadata) ? metadata : {}
  const own = Object.entries(parameters).filter(([name]) => !knownParameters.has(name))
  const owned = new Set(own.map(([name]) => name))
  const free = [
    ...own,
    ...Object.entries(beneath)
      .map(([name, value]) => [labelOf(name), value] as const)
      .filter(([name]) => !owned.has(name)),
  ]
    .filter(
      ([name, value]) =>
        name.length <= maxLabelLength && ['string', 'number', 'boolean'].includes(typeof value),
    )
    .map(([name, value]) => [name, String(value)] as const)
    .filter(([name, value]) => value.length <= maxLabelLength && isSearchable(name) && isSearchable(value))
  return Object.fromEntries(free.slice(0, maxLabels))
}
