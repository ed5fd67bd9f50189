/** What a caller may ask for: the one description of a job's request, checked here for HTTP and for the library alike. */
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

/** Members every type of job shares; further ones are the caller's own and kept as they are. */
const sharedParameters = {
  clip_duration: durationSchema.optional().describe('Seconds of each scene; 5 if not given'),
  aspect_ratio: oneOf(aspectRatios).optional().describe('16:9 if not given'),
  resolution: oneOf(resolutions).optional().describe('The short side; 720p if not given'),
  fps: z
    .literal([...frameRates], { error: `must be one of ${frameRates.join(', ')}` })
    .optional()
    .describe('Frames a second; 24 if not given'),
  model: modelSchema.optional().describe('Who renders; local if not given'),
  transition: oneOf(transitions)
    .optional()
    .describe('How a photograph passes into the next; fade if not given'),
  fit: oneOf(fits)
    .optional()
    .describe('How a picture or clip of another shape fills the frame; crop if not given'),
  title: line(120).optional().describe('Shown over the first scene'),
  audio: z
    .boolean('must be true or false')
    .optional()
    .describe('Whether a paid model is to make sound too; false if not given'),
  prompt: prose.optional().describe('For models that generate; each scene may have its own'),
}

const pairsPictures = {
  images: listOf(assetIdSchema, 2, maxScenes + 1, 'images').optional(),
  pairs: listOf(z.tuple([assetIdSchema, assetIdSchema]), 1, maxScenes, 'pairs').optional(),
}

const propertyPictures = {
  photos: listOf(
    z.strictObject({ asset_id: assetIdSchema, room: line(60).optional() }),
    1,
    maxScenes,
    'photos',
  ).optional(),
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
  max_tries: wholeFrom(1, 20)
    .optional()
    .describe('Renders of a scene in all, the first included; 3 if not given'),
  delay: seconds.optional().describe('Seconds before the second try, doubled with each; 2 if not given'),
  max_delay: seconds.optional().describe('No wait is longer, in seconds; 600 if not given'),
}

const ofClass = z.strictObject(retryWish).optional()

export const retryPolicySchema = z.strictObject({
  ...retryWish,
  classes: z
    .strictObject({
      provider: ofClass.describe('It failed at a provider, or on the way there'),
      machine: ofClass.describe('This machine was too busy, or ran out of memory or time'),
      clip: ofClass.describe('What was rendered turned out bad'),
      other: ofClass.describe('Anything else'),
    } satisfies Record<ErrorClass, unknown>)
    .optional()
    .describe('Other rules for some classes of error'),
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
              'When it fails or is cancelled: this job fails too (fail, if not given), waits until it is retried and completes (wait), or goes on (ignore)',
            ),
        }),
      ],
      { error: 'must be the id of a job, or an object with job_id and on_failure' },
    ),
  )
  .max(mostDependencies, `must name at most ${mostDependencies} jobs`)
  .describe('Jobs that must be completed before this one begins')

const shared = {
  storyboard: storyboardRequest.optional().describe('Taken instead of the planned one'),
  video_name: line(200).optional(),
  priority: prioritySchema.optional().describe('0 to 100, higher first; 50 if not given'),
  depends_on: dependsOnSchema.optional(),
  run_at: timeSchema.optional().describe('Not begun before then'),
  deadline_at: timeSchema.optional().describe('If it has not ended by then it fails, and stops spending'),
  retry: retryPolicySchema.optional().describe('How failed renders are tried again'),
  webhook_url: webhookUrl.optional().describe('Is told of what happens to the job'),
  webhook_events: jobWebhookEvents
    .optional()
    .describe('Only of these types of event, or topics; of all if not given'),
  force: z
    .boolean('must be true or false')
    .optional()
    .describe('Render every scene, also those of which an equal clip is kept'),
}

export const jobRequest = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('image_pairs'), parameters: imagePairsParameters, ...shared }),
    z.strictObject({ type: z.literal('property_photos'), parameters: propertyPhotosParameters, ...shared }),
  ],
  { error: 'must be one of image_pairs, property_photos' },
)

export type JobRequest = z.infer<typeof jobRequest>
export type ImagePairsParameters = z.infer<typeof imagePairsParameters>
export type PropertyPhotosParameters = z.infer<typeof propertyPhotosParameters>
export type StoryboardRequest = z.infer<typeof storyboardRequest>

/** Whether arrays and objects lie in each other more than `levels` deep. */
const isDeeperThan = (value: unknown, levels: number): boolean =>
  value !== null &&
  typeof value === 'object' &&
  (levels === 0 || Object.values(value).some((member) => isDeeperThan(member, levels - 1)))

const shapes = {
  image_pairs: imagePairsParameters.shape,
  property_photos: propertyPhotosParameters.shape,
} as const satisfies Record<JobRequest['type'], object>

const shapeOf = (type: unknown): object =>
  type === 'image_pairs' ? shapes.image_pairs : shapes.property_photos

/**
 * Before each member is checked, which costs: refuses more of a caller's own than is kept with a job.
 * @throws {RefusedError} `invalid`
 */
function refuseMuch(input: unknown): void {
  if (!isObject(input) || !isObject(input['parameters'])) return
  const shape = shapeOf(input['type'])
  const own = Object.entries(input['parameters']).filter(([name]) => !Object.hasOwn(shape, name))
  if (own.length > maxFreeMembers)
    throw invalidField(
      'parameters',
      `must have at most ${maxFreeMembers} members of your own, and has ${own.length}`,
    )
  if (isDeeperThan(own, maxFreeDepth + 1))
    throw invalidField('parameters', `must not be nested deeper than ${maxFreeDepth} levels`)
  const bytes = Buffer.byteLength(JSON.stringify(Object.fromEntries(own)))
  if (bytes > maxFreeBytes)
    throw invalidField(
      'parameters',
      `must have at most ${maxFreeBytes} bytes in members of your own, as JSON, and has ${bytes}`,
    )
}

/** Whose job it is. */
const clientMember = 'client_id'

/** Members of the caller's own that are written almost like known ones: kept, they would be wishes that nobody grants. */
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
              reason: `is not known. Did you mean ${meant}? Put your own member of that name in parameters.metadata`,
            },
          ]
    })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** zod leaves a member of this name out of `parameters`; it is the caller's own like any other. */
function keepProto(input: unknown, parameters: object): void {
  if (!isObject(input)) return
  const given = Object.getOwnPropertyDescriptor(input['parameters'], '__proto__')
  if (given) Object.defineProperty(parameters, '__proto__', given)
}

/**
 * Checks a request as it came.
 * @throws {RefusedError} `invalid`, with every problem found.
 */
export function parseJobRequest(input: unknown): JobRequest {
  refuseMuch(input)
  const hint = ': only parameters takes members of your own'
  const request = checked(jobRequest, input, { hint, found: slips(input) })
  keepProto(input, request.parameters)
  return request
}

/** Members of `parameters` that mean something to us. */
export const knownParameters: ReadonlySet<string> = new Set(
  Object.keys({ ...sharedParameters, ...pairsPictures, ...propertyPictures }),
)
const maxLabels = 32
const maxLabelLength = 200

/** Neither database keeps others as they are. */
const isSearchable = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

const metadataPrefix = 'metadata.'

/** Under this name lists find a member of `metadata`. Whose job it is, is not for `metadata` to say. */
const labelOf = (name: string): string => (name === clientMember ? `${metadataPrefix}${name}` : name)

/** What a list is filtered by that is asked for `name`; `metadata.` before it allows names that mean something else. */
export const labelAsked = (name: string): string =>
  name.startsWith(metadataPrefix) ? labelOf(name.slice(metadataPrefix.length)) : name

/** The caller's own members of `parameters` and its `metadata` that are plain values, as text: what lists can be filtered by. */
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
