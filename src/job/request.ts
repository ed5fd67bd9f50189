/** What a caller may ask for: the one description of a job's request, checked here for HTTP and for the library alike. */
import { z } from 'zod'
import { type FieldProblem, invalid } from './errors.ts'
import { aspectRatios, frameRates, resolutions } from './format.ts'
import type { OnFailure } from './job.ts'
import { type ErrorClass, errorClasses } from './retry-policy.ts'
import { fits, transitions } from './scene.ts'

export const maxScenes = 500
const clipSeconds = { min: 0.5, max: 60 }
const maxFreeDepth = 32

// Control characters and lone surrogates end up in headers, file names and pictures: refused rather than changed.
// oxlint-disable-next-line no-control-regex
const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
// oxlint-disable-next-line no-control-regex
const controlButLineBreak = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/

const line = (most: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(most, `must have at most ${most} characters`)
    .refine((text) => !controlCharacter.test(text), 'must not contain control characters')
    .refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

const prose = z
  .string()
  .max(4000, 'must have at most 4000 characters')
  .refine((text) => !controlButLineBreak.test(text), 'must not contain control characters')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

export const assetIdSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be the id that POST /api/v3/assets answered: 64 characters of 0-9 and a-f')

const durationSchema = z
  .number()
  .min(clipSeconds.min, `must be at least ${clipSeconds.min} seconds`)
  .max(clipSeconds.max, `must be at most ${clipSeconds.max} seconds`)

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` })

const modelSchema = line(200)

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
  fit: oneOf(fits).optional().describe('How a picture of another shape fills the frame; crop if not given'),
  title: line(120).optional().describe('Shown over the first scene'),
  audio: z
    .boolean('must be true or false')
    .optional()
    .describe('Whether a paid model is to make sound too; false if not given'),
  prompt: prose.optional().describe('For models that generate; each scene may have its own'),
}

const listOf = <Item extends z.ZodType>(item: Item, least: number, most: number, what: string) =>
  z
    .array(item)
    .min(least, `must have at least ${least} ${what}`)
    .max(most, `must have at most ${most} ${what}`)

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

export const storyboardRequest = z.strictObject({
  scenes: listOf(
    z.strictObject({
      title: line(120).nullish(),
      prompt: prose.optional(),
      duration: durationSchema.optional(),
      asset_ids: listOf(assetIdSchema, 1, 2, 'images: one, or the first and the last'),
      transition: oneOf(transitions).optional(),
      model: modelSchema.optional(),
      audio: z.boolean('must be true or false').optional(),
    }),
    1,
    maxScenes,
    'scenes',
  ),
})

const wholeFrom = (least: number, most: number) =>
  z.int('must be a whole number').min(least, `must be at least ${least}`).max(most, `must be at most ${most}`)

const prioritySchema = wholeFrom(0, 100)

const timeSchema = z.iso
  .datetime({ offset: true, error: 'must be a time in ISO 8601, such as 2026-11-25T18:00:00Z' })
  .describe('ISO 8601')

const seconds = z.number('must be a number of seconds').min(0, 'must not be negative').max(86_400)

const retryWish = {
  max_tries: wholeFrom(1, 20)
    .optional()
    .describe('Renders of a scene in all, the first included; 3 if not given'),
  delay: seconds.optional().describe('Seconds before the second try, doubled with each; 2 if not given'),
  max_delay: seconds.optional().describe('No wait is longer, in seconds; 600 if not given'),
}

export const retryPolicySchema = z.strictObject({
  ...retryWish,
  classes: z
    .strictObject(
      Object.fromEntries(errorClasses.map((name) => [name, z.strictObject(retryWish).optional()])) as Record<
        ErrorClass,
        z.ZodOptional<z.ZodObject<typeof retryWish, z.core.$strict>>
      >,
    )
    .optional()
    .describe('Other rules for some classes of error'),
})

const onFailures = ['fail', 'wait', 'ignore'] as const satisfies readonly OnFailure[]

const jobIdSchema = z.int('must be the id of a job').min(1, 'must be the id of a job')
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

/** `['scenes', 2, 'title']` as a reader writes it: `scenes[2].title`. */
const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, key) =>
      typeof key === 'number' ? `${name}[${key}]` : name === '' ? String(key) : `${name}.${String(key)}`,
    '',
  )

const problemsOf = (error: z.ZodError, hint: string): FieldProblem[] =>
  error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? {
          field: fieldName(issue.path),
          reason: `unknown ${issue.keys.length === 1 ? 'member' : 'members'} ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}${hint}`,
        }
      : { field: fieldName(issue.path), reason: plain(issue) },
  )

const plain = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return issue.input === undefined ? `is required (${issue.expected})` : `must be of type ${issue.expected}`
  return issue.message
}

/** Whether arrays and objects lie in each other more than `levels` deep. */
const isDeeperThan = (value: unknown, levels: number): boolean =>
  value !== null &&
  typeof value === 'object' &&
  (levels === 0 || Object.values(value).some((member) => isDeeperThan(member, levels - 1)))

/** zod leaves a member of this name out of `parameters`; it is the caller's own like any other. */
function keepProto(input: unknown, parameters: object): void {
  if (typeof input !== 'object' || input === null || !('parameters' in input)) return
  const given = Object.getOwnPropertyDescriptor(input.parameters, '__proto__')
  if (given) Object.defineProperty(parameters, '__proto__', given)
}

/** `hint`: where members of the caller's own belong. @throws {RefusedError} `invalid`, with every problem found. */
function checked<Schema extends z.ZodType>(schema: Schema, input: unknown, hint = ''): z.infer<Schema> {
  const parsed = schema.safeParse(input, { reportInput: true })
  if (!parsed.success) throw invalid(problemsOf(parsed.error, hint))
  return parsed.data
}

/**
 * Checks a request as it came.
 * @throws {RefusedError} `invalid`, with every problem found.
 */
export function parseJobRequest(input: unknown): JobRequest {
  const request = checked(jobRequest, input, ': only parameters takes members of your own')
  const { parameters } = request
  keepProto(input, parameters)
  if (isDeeperThan(parameters, maxFreeDepth))
    throw invalid([{ field: 'parameters', reason: `must not be nested deeper than ${maxFreeDepth} levels` }])
  return request
}

const usd = z
  .number('must be a number of US dollars')
  .min(0, 'must not be negative')
  .max(1_000_000_000, 'must be at most 1000000000')

export const approvalRequest = z.strictObject({
  max_cost: usd.optional().describe('US dollars; the job never spends more. The estimate if not given'),
  accept_unknown_cost: z
    .boolean('must be true or false')
    .optional()
    .describe('Whether scenes may be rendered whose price nobody knows'),
  revision: z
    .int('must be a whole number')
    .optional()
    .describe('Approves only this revision of the storyboard'),
})
export type ApprovalRequest = z.infer<typeof approvalRequest>

/** @throws {RefusedError} `invalid` */
export const parseApproval = (input: unknown): ApprovalRequest => checked(approvalRequest, input)

const whyText = line(500).optional().describe('Why, for the history of the job')

/** An approval that brings a failed or cancelled job back: what it may cost from now on, in all. */
export const retryRequest = approvalRequest.omit({ revision: true }).extend({
  deadline_at: timeSchema.nullable().optional().describe('Another deadline, or null for none'),
  reason: whyText,
})
export type RetryRequest = z.infer<typeof retryRequest>

/** @throws {RefusedError} `invalid` */
export const parseRetry = (input: unknown): RetryRequest => checked(retryRequest, input)

export const jobChange = z
  .strictObject({
    priority: prioritySchema,
    video_name: line(200),
    run_at: timeSchema.nullable(),
    deadline_at: timeSchema.nullable(),
  })
  .partial()
export type JobChange = z.infer<typeof jobChange>

/** @throws {RefusedError} `invalid` */
export const parseJobChange = (input: unknown): JobChange => checked(jobChange, input)

export const whyRequest = z.strictObject({ reason: whyText })

/** @throws {RefusedError} `invalid` */
export const parseWhy = (input: unknown): z.infer<typeof whyRequest> => checked(whyRequest, input)

/** What is to be stopped or to go on: all, or one renderer. */
export const pauseRequest = z.strictObject({
  renderer: line(200).optional().describe('Only this renderer; all if not given'),
  reason: whyText,
})

/** @throws {RefusedError} `invalid` */
export const parsePause = (input: unknown): z.infer<typeof pauseRequest> => checked(pauseRequest, input)

const rendererLimits = z
  .strictObject({
    max_concurrency: wholeFrom(1, 100_000).nullable().describe('Renders at once'),
    start_delay_ms: wholeFrom(0, 3_600_000).nullable().describe('The least time between two starts'),
    starts_per_minute: wholeFrom(1, 100_000).nullable().describe('Renders begun within any minute'),
  })
  .partial()

export const limitsChange = z
  .strictObject({
    jobs: wholeFrom(0, 1_000_000).nullable().describe('Jobs that are worked on at once'),
    renderers: z.record(line(200), rendererLimits),
  })
  .partial()
  .describe('null: as configured')

/** @throws {RefusedError} `invalid` */
export const parseLimits = (input: unknown): z.infer<typeof limitsChange> => checked(limitsChange, input)

const batchIds = listOf(jobIdSchema, 1, 200, 'jobs').refine(
  (ids) => new Set(ids).size === ids.length,
  'must name each job once',
)

export const approvalBatch = approvalRequest
  .omit({ revision: true })
  .extend({ job_ids: batchIds, max_cost: usd.optional().describe('US dollars, for each of them') })

/** @throws {RefusedError} `invalid` */
export const parseApprovalBatch = (input: unknown): z.infer<typeof approvalBatch> =>
  checked(approvalBatch, input)

export const cancelBatch = z.strictObject({ job_ids: batchIds, reason: whyText })

/** @throws {RefusedError} `invalid` */
export const parseCancelBatch = (input: unknown): z.infer<typeof cancelBatch> => checked(cancelBatch, input)

export const sceneChange = z
  .strictObject({
    title: line(120).nullable(),
    prompt: prose,
    duration: durationSchema,
    asset_ids: listOf(assetIdSchema, 1, 2, 'images: one, or the first and the last'),
    transition: oneOf(transitions),
    model: modelSchema,
    audio: z.boolean('must be true or false'),
  })
  .partial()
export type SceneChange = z.infer<typeof sceneChange>

/** @throws {RefusedError} `invalid` */
export const parseSceneChange = (input: unknown): SceneChange => checked(sceneChange, input)

export const resolution = z.discriminatedUnion(
  'resolution',
  [
    z
      .strictObject({ resolution: z.literal('adopt'), prediction_id: line(100) })
      .describe('The provider has it: this is its id there'),
    z
      .strictObject({ resolution: z.literal('absent') })
      .describe('The provider never accepted it: it may be rendered again'),
  ],
  { error: 'must be one of adopt, absent' },
)
export type Resolution = z.infer<typeof resolution>

/** @throws {RefusedError} `invalid` */
export const parseResolution = (input: unknown): Resolution => checked(resolution, input)

const budgetName = /^(?:job|client|day|total|client:.{1,200})$/

export const budgetChange = z
  .record(
    z.string().regex(budgetName, 'must be job, client, day, total or client:<client_id>'),
    usd.nullable(),
  )
  .describe(
    'US dollars by budget: job (each job), client (each client_id), client:<client_id>, day (UTC), total; null for no limit',
  )

/** @throws {RefusedError} `invalid` */
export const parseBudgets = (input: unknown): Readonly<Record<string, number | null>> =>
  checked(budgetChange, input)

const known = new Set(Object.keys({ ...sharedParameters, ...pairsPictures, ...propertyPictures }))
const maxLabels = 32
const maxLabelLength = 200

/** Neither database keeps others as they are. */
const isSearchable = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

/** The caller's own members of `parameters` that are plain values, as text: what lists can be filtered by. */
export function freeMembers({ parameters }: JobRequest): Readonly<Record<string, string>> {
  const free = Object.entries(parameters)
    .filter(
      ([name, value]) =>
        !known.has(name) &&
        name.length <= maxLabelLength &&
        ['string', 'number', 'boolean'].includes(typeof value),
    )
    .map(([name, value]) => [name, String(value)] as const)
    .filter(([name, value]) => value.length <= maxLabelLength && isSearchable(name) && isSearchable(value))
  return Object.fromEntries(free.slice(0, maxLabels))
}
