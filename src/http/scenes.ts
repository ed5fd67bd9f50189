import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { sceneStatuses } from '../job/lifecycle.ts'
import { type Scene, transitions } from '../job/scene.ts'
import { failureSchema } from './jobs.ts'
import { addressOf, jobIdOf, jobPath, scenePath, timeOf, timeOrNull, timeSchema } from './path.ts'

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
    renderer: z.string(),
    progress_percentage: z.int(),
    tries: z.int(),
    not_before: timeSchema.nullable().describe('It waits until then before it is tried again'),
    error: failureSchema.nullable(),
    clip_url: z.string().nullable(),
    started_at: timeSchema.nullable(),
    completed_at: timeSchema.nullable(),
    inserted_at: timeSchema,
    updated_at: timeSchema,
  })
  .openapi('Scene')

export type SceneAnswer = z.infer<typeof sceneSchema>

const sceneAnswer = (scene: Scene): SceneAnswer => ({
  id: scene.id,
  job_id: scene.jobId,
  position: scene.position,
  status: scene.status,
  title: scene.title,
  prompt: scene.prompt,
  duration: scene.duration,
  asset_ids: scene.asset_ids,
  transition: scene.transition,
  model: scene.model,
  renderer: scene.renderer,
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

export function sceneRoutes({ coordinator }: { readonly coordinator: Coordinator }): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(listScenesRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    const [job, scenes] = await Promise.all([coordinator.job(jobId), coordinator.scenes(jobId)])
    return c.json(
      {
        job_id: jobId,
        total_scenes: scenes.length,
        completed_scenes: scenes.filter((scene) => scene.status === 'completed').length,
        progress_percentage: job.progress.percentage,
        scenes: scenes.map(sceneAnswer),
      },
      200,
    )
  })

  routes.openapi(readSceneRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    return c.json(sceneAnswer(await coordinator.scene(jobIdOf(id), scene_id.toLowerCase())), 200)
  })

  return routes
}
