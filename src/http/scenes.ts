import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { WaitingSince } from '../coordinator/admission/rules.ts'
import type { Edited } from '../coordinator/scene/scene-editing.ts'
import { jobStatuses, sceneStatuses } from '../job/lifecycle.ts'
import { type Scene, transitions } from '../job/scene.ts'
import { readJson } from './body.ts'
import { usdOrNull } from './cost.ts'
import { type VerbRoutes, jsonAnswer, jsonBody, orNull } from './describe.ts'
import { failureSchema } from './jobs.ts'
import { addressOf, jobIdOf, jobPath, scenePath, timeOf, timeOrNull, timeSchema } from './path.ts'
import { askedBy, principalOf } from './principal.ts'
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

const sceneAnswer = (c: Context, scene: Scene, wait: WaitingSince | undefined): SceneAnswer => ({
  id: scene.id,
  job_id: scene.jobId,
  position: scene.position,
  status: scene.status,
  ...scenePlanAnswer(scene),
  renderer: scene.renderer,
  waiting: waitingAnswer(wait, principalOf(c).actor),
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

const listScenesRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}/scenes',
  request: { params: jobPath },
  responses: {
    200: { content: { 'application/json': { schema: scenesSchema } }, description: "In the film's order" },
  },
})

const readSceneRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}/scenes/{scene_id}',
  request: { params: scenePath },
  responses: { 200: { content: { 'application/json': { schema: sceneSchema } }, description: 'The scene' } },
})

const editedSchema = z.object({
  message: z.string(),
  scene: sceneSchema,
  job_id: z.int(),
  job_status: z.enum(jobStatuses),
  revision: z.int().describe('Of the changed storyboard: what an approval of it names'),
  to_approve: z
    .number()
    .nullable()
    .describe(
      'US dollars to approve before it is rendered (POST /jobs/:id/approve); 0: nothing; null: an unknown price',
    ),
})

export type EditedAnswer = z.infer<typeof editedSchema>

const addSceneRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/scenes',
  summary: "Add a scene, at its position or the film's end; what is not named is as the job's parameters say",
  request: { params: jobPath, body: jsonBody('NewScene') },
  responses: {
    201: jsonAnswer(editedSchema, 'The scene; those behind it moved down, and a finished film is made anew'),
  },
})

const updateSceneRoute = createRoute({
  method: 'put',
  path: '/jobs/{id}/scenes/{scene_id}',
  summary:
    'Change a scene: title, prompt, duration, pictures, model, transition, position; what is not named stays',
  request: { params: scenePath, body: jsonBody('SceneChange') },
  responses: { 200: jsonAnswer(editedSchema, 'The scene; what its change makes old is rendered again') },
})

const regenerateSceneRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/scenes/{scene_id}/regenerate',
  summary: 'Render a completed or failed scene again; the film stays until there is a new one',
  request: { params: scenePath },
  responses: { 200: jsonAnswer(editedSchema, 'The scene is to be rendered again') },
})

const deleteSceneRoute = createRoute({
  method: 'delete',
  path: '/jobs/{id}/scenes/{scene_id}',
  summary: 'Take a scene out of the film',
  request: { params: scenePath },
  responses: {
    200: jsonAnswer(
      z.object({
        message: z.string(),
        scene_id: z.string(),
        job_id: z.int(),
        job_status: z.enum(jobStatuses),
      }),
      'The scene is gone; those behind it moved up, and a finished film is joined anew',
    ),
  },
})

const resolveSceneRoute = createRoute({
  method: 'post',
  path: '/jobs/{id}/scenes/{scene_id}/resolve',
  summary: 'Decide a held or unknown attempt, of which nobody knows whether the provider accepted it',
  request: { params: scenePath, body: jsonBody('Resolution') },
  responses: {
    200: jsonAnswer(
      z.object({ message: z.string(), scene: sceneSchema, job_id: z.int() }),
      'The decision is on disk',
    ),
  },
})

export function sceneRoutes({ coordinator, limits }: VerbRoutes): OpenAPIHono {
  const routes = new OpenAPIHono()

  const waitOf = async ({ id, jobId, status }: Scene): Promise<WaitingSince | undefined> =>
    status === 'completed' ? undefined : (await coordinator.waiting(jobId)).scenes.get(id)

  const editedAnswer = async (c: Context, message: string, { job, scene, toApproveMicros }: Edited) => ({
    message,
    scene: sceneAnswer(c, scene!, await waitOf(scene!)),
    job_id: job.id,
    job_status: job.status,
    revision: job.revision,
    to_approve: usdOrNull(toApproveMicros),
  })

  routes.openapi(listScenesRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    const { job, scenes, waiting } = await coordinator.view(jobId)
    return c.json(
      {
        job_id: jobId,
        total_scenes: scenes.length,
        completed_scenes: scenes.filter((scene) => scene.status === 'completed').length,
        progress_percentage: job.progress.percentage,
        scenes: scenes.map((scene) => sceneAnswer(c, scene, waiting.scenes.get(scene.id))),
      },
      200,
    )
  })

  routes.openapi(readSceneRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    const { scene, waiting } = await coordinator.sceneView(jobIdOf(id), scene_id.toLowerCase())
    return c.json(sceneAnswer(c, scene, waiting), 200)
  })

  routes.openapi(addSceneRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    const edited = await coordinator.addScene(jobId, await readJson(c, limits), askedBy(c))
    c.header('location', addressOf.scene(jobId, edited.scene!.id))
    return c.json(await editedAnswer(c, 'Scene added successfully', edited), 201)
  })

  routes.openapi(updateSceneRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    const change = await readJson(c, limits)
    const edited = await coordinator.updateScene(jobIdOf(id), scene_id.toLowerCase(), change, askedBy(c))
    return c.json(await editedAnswer(c, 'Scene updated successfully', edited), 200)
  })

  routes.openapi(regenerateSceneRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    const edited = await coordinator.regenerateScene(jobIdOf(id), scene_id.toLowerCase(), askedBy(c))
    return c.json(await editedAnswer(c, 'Scene marked for regeneration', edited), 200)
  })

  routes.openapi(deleteSceneRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    const sceneId = scene_id.toLowerCase()
    const { job } = await coordinator.deleteScene(jobIdOf(id), sceneId, askedBy(c))
    return c.json(
      { message: 'Scene deleted successfully', scene_id: sceneId, job_id: job.id, job_status: job.status },
      200,
    )
  })

  routes.openapi(resolveSceneRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    const jobId = jobIdOf(id)
    const scene = await coordinator.resolveScene(
      jobId,
      scene_id.toLowerCase(),
      await readJson(c, limits),
      askedBy(c),
    )
    const answer = sceneAnswer(c, scene, await waitOf(scene))
    return c.json({ message: 'Scene resolved successfully', scene: answer, job_id: jobId }, 200)
  })

  return routes
}
