/** Everything that needs a person, in one answer. */
import { z } from '@hono/zod-openapi'
import type { Attention, HeldRender } from '../../coordinator/read/attention.ts'
import type { LimitsStanding } from '../../coordinator/admission/limits.ts'
import { dollars } from '../../job/price.ts'
import { type Rights, isEverything, seenBy } from '../../job/reach.ts'
import { ownJobs } from '../access/access.ts'
import { addressOf, clientIdQuery, pageLimit, timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { usdOrNull } from './cost.ts'
import { endpoint, json, resource } from './endpoint.ts'
import { listedAnswer, listedSchema } from './jobs.ts'
import { candidateAnswer, candidateSchema } from './money.ts'
import { endpointAnswer, endpointSchema } from './webhooks.ts'

const counted = {
  count: z.int().describe('How many there are; where `more` is true, at least so many'),
  more: z.boolean().describe('Whether there are more than are listed'),
}

const heldSchema = z.object({
  attempt_id: z.string(),
  job_id: z.int(),
  video_name: z.string(),
  client_id: z.string().nullable(),
  scene_id: z.string(),
  position: z.int(),
  title: z.string().nullable(),
  model: z.string(),
  cost: z.number().nullable().describe('US dollars that are reserved for it; null: an unknown price'),
  reason: z.string().nullable().describe('Why nobody knows whether the provider accepted it'),
  candidates: z.array(candidateSchema).describe('Renders at the provider that may be it'),
  posted_at: timeSchema.nullable(),
  held_since: timeSchema,
})

const attentionSchema = z
  .object({
    approvals: z.object({
      ...counted,
      jobs: z.array(
        listedSchema.extend({
          frame_url: z.string().nullable().describe('A picture of its first scene'),
        }),
      ),
    }),
    held: z.object({ ...counted, renders: z.array(heldSchema) }),
    budgets: z.object({
      ...counted,
      jobs: z.array(
        listedSchema.extend({
          budget: z
            .object({
              name: z.string(),
              missing: z
                .number()
                .nullable()
                .describe('US dollars by which it must rise; null for a key that does not see all jobs'),
            })
            .nullable()
            .describe('The budget that is used up'),
        }),
      ),
    }),
    webhooks: z
      .object({ ...counted, endpoints: z.array(endpointSchema) })
      .describe('Endpoints whose last try failed; none for a key without the scope `admin`'),
    pauses: z
      .array(
        z.object({
          renderer: z.string().nullable().describe('null: everything'),
          set_by: z.enum(['person', 'provider']),
          by: z.string().nullable().describe('Who paused it'),
          reason: z.string().nullable(),
          since: timeSchema.nullable(),
          until: timeSchema.nullable().describe('When it ends by itself; null: by `POST /resume`'),
        }),
      )
      .describe('Renderers that start nothing; none for a key that does not read all jobs'),
  })
  .openapi('Attention')

export type AttentionAnswer = z.infer<typeof attentionSchema>

const heldAnswer = (render: HeldRender): z.infer<typeof heldSchema> => ({
  attempt_id: render.attemptId,
  job_id: render.jobId,
  video_name: render.videoName,
  client_id: render.clientId || null,
  scene_id: render.sceneId,
  position: render.position,
  title: render.title,
  model: render.model,
  cost: usdOrNull(render.costMicros),
  reason: render.failure?.reason ?? null,
  candidates: render.candidates.map(candidateAnswer),
  posted_at: timeOrNull(render.postedAt),
  held_since: timeOf(render.heldSince),
})

function pausesAnswer({ manualPause, renderers }: LimitsStanding): AttentionAnswer['pauses'] {
  const manual = [
    ...(manualPause ? [{ renderer: null, pause: manualPause }] : []),
    ...renderers.flatMap(({ limit, manualPause: pause }) => (pause ? [{ renderer: limit.name, pause }] : [])),
  ].map(({ renderer, pause: { by, reason, since } }) => ({
    renderer,
    set_by: 'person' as const,
    by,
    reason,
    since: timeOf(since),
    until: null,
  }))
  const cooldowns = renderers.flatMap(({ limit, cooldown }) =>
    cooldown
      ? [
          {
            renderer: limit.name,
            set_by: 'provider' as const,
            by: null,
            reason: cooldown.reason,
            since: null,
            until: timeOf(cooldown.until),
          },
        ]
      : [],
  )
  return [...manual, ...cooldowns]
}

function attentionAnswer(attention: Attention, rights: Rights | undefined): AttentionAnswer {
  const { approvals, held, budgets, endpoints, limits } = attention
  const seesAll = isEverything(seenBy(rights))
  const frameOf = (jobId: number): string | null => {
    const sceneId = attention.firstScenes.get(jobId)
    return sceneId === undefined ? null : `${addressOf.scene(jobId, sceneId)}/frame`
  }
  return {
    approvals: {
      count: approvals.count,
      more: approvals.isMore,
      jobs: approvals.jobs.map((job) => ({
        ...listedAnswer(job, approvals.standings.get(job.id)!, rights),
        frame_url: frameOf(job.id),
      })),
    },
    held: { count: held.count, more: held.isMore, renders: held.renders.map(heldAnswer) },
    budgets: {
      count: budgets.count,
      more: budgets.isMore,
      jobs: budgets.jobs.map((job) => {
        const standing = budgets.standings.get(job.id)!
        const budget = standing.waiting?.budget
        const isOwn = seesAll || budget?.name === 'job' || budget?.name.startsWith('client')
        return {
          ...listedAnswer(job, standing, rights),
          budget: budget
            ? { name: budget.name, missing: isOwn ? dollars(budget.missingMicros) : null }
            : null,
        }
      }),
    },
    webhooks: {
      count: endpoints.count,
      more: endpoints.isMore,
      endpoints: endpoints.endpoints.map(endpointAnswer),
    },
    pauses: limits ? pausesAnswer(limits) : [],
  }
}

const has = (rights: Rights | undefined, ...scopes: readonly string[]): boolean =>
  !rights || rights.scopes.some((scope) => scopes.includes(scope))

export const attentionEndpoints = resource('jobs', [
  endpoint({
    id: 'readAttention',
    route: 'GET /api/v3/attention',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'Everything that needs a person',
    description:
      'Jobs that wait for an approval, renders to be decided, jobs that a budget holds back, webhook endpoints that fail and renderers that are paused: of each kind the number, and the first by `limit`. The lists of each kind hold the others.',
    query: z.strictObject({
      client_id: clientIdQuery,
      limit: pageLimit({ standard: 50, most: 200 }).describe('Of each kind, at most'),
    }),
    answer: json(200, attentionSchema, 'What needs a person now'),
    isShared: 'while_unchanged',
    handle: async ({ query, rights }, { coordinator }) =>
      attentionAnswer(
        await coordinator.attention({
          clientId: query.client_id,
          reach: seenBy(rights),
          limit: query.limit,
          withEndpoints: has(rights, 'admin'),
          withLimits: has(rights, 'read', 'admin'),
        }),
        rights,
      ),
  }),
])
