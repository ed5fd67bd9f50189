import { z } from '@hono/zod-openapi'
import type { WaitingSince } from '../../coordinator/admission/rules.ts'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { Edited } from '../../coordinator/scene/edited.ts'
import { newScene, resolution, sceneChange, seenRequest } from '../../job/control-request.ts'
import { jobStatuses, sceneStatuses } from '../../job/lifecycle.ts'
import type { Rights } from '../../job/reach.ts'
import { type Scene, transitions } from '../../job/scene.ts'
import { ownJobs } from '../access/access.ts'
import { addressOf, jobPath, once, scenePath, timeOf, timeOrNull, timeSchema } from '../edge/path.ts'
import { usdOrNull } from './cost.ts'
import { endpoint, json, jsonBody, optionalJsonBody, orNull, resource } from './endpoint.ts'
import { failureSchema } from './jobs.ts'
import { scenePlanAnswer, scenePlanSchema } from './storyboard.ts'
import { waitingAnswer, waitingSchema } from './waiting.ts'

const sceneSchema = z
  .object({
    id: z.string(),
    job_id: z.int(),
    position: z.int().describe('Place in the film, from 0'),
    status: z.enum(sceneStatuses),
    title: z.string().nullable(),
    prompt: z.string(),
    duration: z.number().describe('Seconds'),
    asset_ids: z.array(z.string()).readonly(),
    transition: z.enum(transitions),
    model: z.string(),
    render: scenePlanSchema.shape.render,
    price: scenePlanSchema.shape.price,
    notes: scenePlanSchema.shape.notes,
    renderer: z.string(),
    progress_percentage: z.int(),
    tries: z.int(),
    not_before: timeSchema.nullable().describe('It waits until then before it is tried again'),
    waiting: waitingSchema,
    error: orNull(failureSchema),
    clip_url: z.string().nullable(),
    started_at: timeSchema.nullable(),
    completed_at: timeSchema.nullable(),
    inserted_at: timeSchema,
    updated_at: timeSchema,
  })
  .openapi('Scene')

export type SceneAnswer = z.infer<typeof sceneSchema>

const sceneAnswer = (
  scene: Scene,
  wait: WaitingSince | undefined,
  rights: Rights | undefined,
): SceneAnswer => ({
  id: scene.id,
  job_id: scene.jobId,
  position: scene.position,
  status: scene.status,
  ...scenePlanAnswer(scene),
  renderer: scene.renderer,
  waiting: waitingAnswer(wait, rights),
  progress_percentage: scene.status === 'completed' ? 100 : Math.min(99, Math.floor(scene.progress * 100)),
  tries: scene.tries,
  not_before: timeOrNull(scene.notBefore),
  error: scene.error,
  clip_url: scene.clip === null ? null : addressOf.clip(scene.jobId, scene.id),
  started_at: timeOrNull(scene.startedAt),
  completed_at: timeOrNull(scene.completedAt),
  inserted_at: timeOf(scene.insertedAt),
  updated_at: timeOf(scene.updatedAt),
})

const scenesSchema = z.object({
  job_id: z.int(),
  total_scenes: z.int(),
  completed_scenes: z.int(),
  progress_percentage: z.int(),
  scenes: z.array(sceneSchema),
})

export type ScenesAnswer = z.infer<typeof scenesSchema>

const changedJob = {
  job_id: z.int(),
  job_status: z.enum(jobStatuses),
  revision: z.int().describe('Of the changed storyboard: what an approval of it names'),
  to_approve: z
    .number()
    .nullable()
    .describe(
      'US dollars to approve before it is rendered (POST /jobs/:id/approve); 0: nothing; null: an unknown price',
    ),
}

const editedSchema = z.object({ message: z.string(), scene: sceneSchema, ...changedJob })

export type EditedAnswer = z.infer<typeof editedSchema>

const deletedSchema = z.object({ message: z.string(), scene_id: z.string(), ...changedJob })

export type DeletedSceneAnswer = z.infer<typeof deletedSchema>

const resolvedSchema = z.object({ message: z.string(), scene: sceneSchema, job_id: z.int() })

export type ResolvedSceneAnswer = z.infer<typeof resolvedSchema>

/** A changed scene, with what it now waits for. */
const oneAnswer = async (
  coordinator: Coordinator,
  scene: Scene,
  rights: Rights | undefined,
): Promise<SceneAnswer> => {
  const { id, jobId, status } = scene
  const wait = status === 'completed' ? undefined : (await coordinator.waiting(jobId)).scenes.get(id)
  return sceneAnswer(scene, wait, rights)
}

const editedAnswer = async (
  message: string,
  { job, scene, toApproveMicros }: Edited,
  coordinator: Coordinator,
  rights: Rights | undefined,
): Promise<EditedAnswer> => ({
  message,
  scene: await oneAnswer(coordinator, scene!, rights),
  job_id: job.id,
  job_status: job.status,
  revision: job.revision,
  to_approve: usdOrNull(toApproveMicros),
})

const seenQuery = z.object({
  revision: once('revision')
    .regex(/^[1-9]\d{0,14}$/, 'must be a whole number from 1')
    .transform(Number)
    .optional()
    .openapi({ type: 'integer' })
    .describe("The job's revision as its editor has read it: if it has changed since, nothing is done"),
})

const ofAnotherJob = "The scene is one of another job's"

export const sceneEndpoints = resource('scenes', [
  endpoint({
    id: 'listScenes',
    route: 'GET /api/v3/jobs/{id}/scenes',
    access: ownJobs('read', 'submit', 'approve'),
    summary: "A job's scenes, in the film's order",
    description: 'Every scene of a job with its state, its plan, its price and the address of its clip.',
    params: jobPath,
    answer: json(200, scenesSchema, "In the film's order"),
    isShared: true,
    handle: async ({ params: { id }, rights }, { coordinator }) => {
      const { job, scenes, waiting } = await coordinator.view(id)
      return {
        job_id: id,
        total_scenes: scenes.length,
        completed_scenes: scenes.filter((scene) => scene.status === 'completed').length,
        progress_percentage: job.progress.percentage,
        scenes: scenes.map((scene) => sceneAnswer(scene, waiting.scenes.get(scene.id), rights)),
      }
    },
  }),

  endpoint({
    id: 'readScene',
    route: 'GET /api/v3/jobs/{id}/scenes/{scene_id}',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'A scene',
    description: 'One scene with its state, its plan, its price and the address of its clip.',
    params: scenePath,
    answer: json(200, sceneSchema, 'The scene'),
    refuses: { 422: ofAnotherJob },
    handle: async ({ params: { id, scene_id }, rights }, { coordinator }) => {
      const { scene, waiting } = await coordinator.sceneView(id, scene_id)
      return sceneAnswer(scene, waiting, rights)
    },
  }),

  endpoint({
    id: 'addScene',
    route: 'POST /api/v3/jobs/{id}/scenes',
    access: ownJobs('submit'),
    summary: "Add a scene, at its position or the film's end; members left out follow the job's parameters",
    description:
      'Adds a scene at `position`, or at the end of the film. What it costs beyond the approved sum has to be approved.',
    params: jobPath,
    body: jsonBody('NewScene', newScene, { asset_ids: ['c'.repeat(64)], duration: 4, position: 1 }),
    answer: json(
      201,
      editedSchema,
      'The scene; those behind it moved down, and a finished film is made anew',
    ),
    refuses: {
      422: 'The body is impossible, the job is being processed, or it has as many scenes as are allowed',
    },
    handle: async ({ c, params: { id }, body, by, rights }, { coordinator }) => {
      const edited = await coordinator.addScene(id, body, by)
      c.header('location', addressOf.scene(id, edited.scene!.id))
      return editedAnswer('Scene added successfully', edited, coordinator, rights)
    },
  }),

  endpoint({
    id: 'updateScene',
    route: 'PUT /api/v3/jobs/{id}/scenes/{scene_id}',
    access: ownJobs('submit'),
    summary:
      'Change a scene: title, prompt, duration, pictures, model, transition, position; members left out stay',
    description:
      'Changes the members that the body names. What makes the clip old is rendered again once its cost is approved; the film stays until there is a new one.',
    params: scenePath,
    body: jsonBody('SceneChange', sceneChange, {
      prompt: 'A slow pan across the kitchen',
      duration: 6,
    }),
    answer: json(200, editedSchema, 'The scene; what its change makes old is rendered again'),
    refuses: { 422: `${ofAnotherJob}, or the body is impossible, or the scene is being rendered` },
    handle: async ({ params: { id, scene_id }, body, by, rights }, { coordinator }) => {
      const edited = await coordinator.updateScene(id, scene_id, body, by)
      return editedAnswer('Scene updated successfully', edited, coordinator, rights)
    },
  }),

  endpoint({
    id: 'regenerateScene',
    route: 'POST /api/v3/jobs/{id}/scenes/{scene_id}/regenerate',
    access: ownJobs('approve'),
    summary: 'Render a completed or failed scene again; the film stays until there is a new one',
    description:
      'Renders a completed or failed scene again. It costs what a render costs; where that is more than was approved, it waits for approval.',
    params: scenePath,
    body: optionalJsonBody('SeenRevision', seenRequest, { revision: 2 }),
    answer: json(200, editedSchema, 'The scene is to be rendered again'),
    refuses: { 422: `${ofAnotherJob}, or it is in a state that cannot be rendered again` },
    handle: async ({ params: { id, scene_id }, body, by, rights }, { coordinator }) => {
      const edited = await coordinator.regenerateScene(id, scene_id, body, by)
      return editedAnswer('Scene marked for regeneration', edited, coordinator, rights)
    },
  }),

  endpoint({
    id: 'deleteScene',
    route: 'DELETE /api/v3/jobs/{id}/scenes/{scene_id}',
    access: ownJobs('submit'),
    summary: 'Remove a scene from the film',
    description: 'Removes a scene. Scenes behind it move up, and a finished film is joined again without it.',
    params: scenePath,
    query: seenQuery,
    answer: json(
      200,
      deletedSchema,
      'The scene is gone; those behind it moved up, and a finished film is joined anew',
    ),
    refuses: { 422: `${ofAnotherJob}, or the job is being processed, or it is its only scene` },
    handle: async ({ params: { id, scene_id }, query, by }, { coordinator }) => {
      const { job, toApproveMicros } = await coordinator.deleteScene(id, scene_id, query, by)
      return {
        message: 'Scene deleted successfully',
        scene_id,
        job_id: job.id,
        job_status: job.status,
        revision: job.revision,
        to_approve: usdOrNull(toApproveMicros),
      }
    },
  }),

  endpoint({
    id: 'resolveScene',
    route: 'POST /api/v3/jobs/{id}/scenes/{scene_id}/resolve',
    access: ownJobs('approve'),
    summary: 'Decide a held attempt: did the provider accept it or not',
    description:
      'Settles an attempt that is held because nothing proves whether the provider accepted it: `adopt` names its render, `absent` allows another.',
    params: scenePath,
    body: jsonBody('Resolution', resolution, { resolution: 'absent' }),
    answer: json(200, resolvedSchema, 'The decision is on disk'),
    refuses: { 422: `${ofAnotherJob}, or the body is impossible, or no attempt of the scene is held` },
    handle: async ({ params: { id, scene_id }, body, by, rights }, { coordinator }) => {
      const scene = await coordinator.resolveScene(id, scene_id, body, by)
      return {
        message: 'Scene resolved successfully',
        scene: await oneAnswer(coordinator, scene, rights),
        job_id: id,
      }
    },
  }),
])
