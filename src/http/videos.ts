import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { filmOf } from '../coordinator/read/films.ts'
import { RefusedError } from '../job/errors.ts'
import { type FileKind, fileKindOf, headBytes } from '../job/file-kind.ts'
import type { Job } from '../job/job.ts'
import { serveBytes } from './bytes.ts'
import { jsonAnswer } from './describe.ts'
import { attachmentNamed, inlineNamed } from './disposition.ts'
import { addressOf, jobIdOf, jobPath, scenePath, timeOf, timeOrNull, timeSchema } from './path.ts'
import { askedBy } from './principal.ts'

const bytes = (contentType: string, description: string) => ({
  200: { content: { [contentType]: { schema: z.string().openapi({ format: 'binary' }) } }, description },
})

const filmRoute = createRoute({
  method: 'get',
  path: '/videos/{id}/combined',
  request: { params: jobPath },
  responses: bytes('video/mp4', 'The film'),
})

const thumbnailRoute = createRoute({
  method: 'get',
  path: '/videos/{id}/thumbnail',
  request: { params: jobPath },
  responses: bytes('image/jpeg', 'A picture of the film'),
})

const clipRoute = createRoute({
  method: 'get',
  path: '/videos/{id}/clips/{scene_id}',
  request: { params: scenePath },
  summary: "A scene's clip; one that was paid for and can't be used, as it came",
  responses: bytes(
    'video/mp4',
    "One scene's clip. Bytes that were paid for and are no MP4 come as what they are, such as `video/webm` or `application/octet-stream`",
  ),
})

const versionPath = jobPath.extend({
  version: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be a whole number from 1')
    .openapi({ param: { name: 'version', in: 'path' }, type: 'integer' }),
})

const versionsRoute = createRoute({
  method: 'get',
  path: '/videos/{id}/versions',
  summary: 'Every film the job has had, newest first',
  request: { params: jobPath },
  responses: {
    200: {
      content: {
        'application/json': {
          schema: z.object({
            job_id: z.int(),
            versions: z.array(
              z.object({
                version: z.int(),
                current: z.boolean().describe('Whether it is the film that the job shows'),
                url: z.string(),
                duration: z.number().describe('Seconds'),
                size: z.int().describe('Bytes'),
                inserted_at: timeSchema,
                removed_at: timeSchema.nullable().describe('Since when its bytes are not kept any more'),
              }),
            ),
          }),
        },
      },
      description: 'The versions',
    },
  },
})

const versionRoute = createRoute({
  method: 'get',
  path: '/videos/{id}/versions/{version}/combined',
  request: { params: versionPath },
  responses: bytes('video/mp4', 'An earlier film'),
})

const shownSchema = z.object({
  message: z.literal('Film shown successfully'),
  job_id: z.int(),
  version: z.int().describe('As which it is published once more: the newest is the one that is shown'),
})

export type ShownFilmAnswer = z.infer<typeof shownSchema>

const showFilmRoute = createRoute({
  method: 'post',
  path: '/videos/{id}/versions/{version}/current',
  summary: "Make an earlier film the job's film again; nothing is rendered",
  request: { params: versionPath },
  responses: { 200: jsonAnswer(shownSchema, 'It is shown; the other versions stay') },
})

const fileName = (job: Job, suffix: string, extension: string, named = inlineNamed): string =>
  named(`${job.videoName || `job ${job.id}`}${suffix}`, `job ${job.id}${suffix}`, extension)

/** What every clip of a film is made to be. */
const canonical: FileKind = { name: 'MP4', contentType: 'video/mp4', extension: 'mp4' }

/** What stored bytes are by how they begin; undefined where that is not known, or they are gone. */
async function kindOf(artifacts: ArtifactStore, id: string): Promise<FileKind | undefined> {
  const { size = 0 } = (await artifacts.stat(id)) ?? {}
  if (size === 0) return undefined
  const head: Uint8Array[] = []
  for await (const chunk of await artifacts.read(id, { start: 0, end: Math.min(size, headBytes) }))
    head.push(chunk)
  return fileKindOf(Buffer.concat(head))
}

/** Clips and pictures are shown; a page that was sent instead of one must not run as ours. */
const isShown = ({ contentType }: FileKind): boolean => /^(?:video|image|audio)\//.test(contentType)

export function videoRoutes({
  coordinator,
  artifacts,
}: {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  const serveFilm = async (c: Context, id: string, part: 'film' | 'thumbnail', extension: string) => {
    const job = await coordinator.job(jobIdOf(id))
    const artifact = filmOf(job)[part]
    return serveBytes(c, artifacts, {
      id: artifact.id,
      contentType: artifact.contentType,
      modifiedAt: job.updatedAt,
      disposition: fileName(job, '', extension),
      immutable: false,
      refuseMissing: () => coordinator.refuseRemoved({ what: 'film', jobId: job.id, artifact: artifact.id }),
    })
  }

  routes.openapi(filmRoute, (c) => serveFilm(c, c.req.valid('param').id, 'film', 'mp4'))
  routes.openapi(thumbnailRoute, (c) => serveFilm(c, c.req.valid('param').id, 'thumbnail', 'jpg'))

  routes.openapi(versionsRoute, async (c) => {
    const jobId = jobIdOf(c.req.valid('param').id)
    const films = await coordinator.films(jobId)
    const versions = films.map(({ version, manifest, insertedAt, removedAt }, index) => ({
      version,
      current: index === 0,
      url: addressOf.filmVersion(jobId, version),
      duration: manifest.durationMs / 1000,
      size: manifest.film.size,
      inserted_at: timeOf(insertedAt),
      removed_at: timeOrNull(removedAt),
    }))
    return c.json({ job_id: jobId, versions }, 200)
  })

  routes.openapi(versionRoute, async (c) => {
    const { id, version } = c.req.valid('param')
    const job = await coordinator.job(jobIdOf(id))
    const { manifest, insertedAt } = await coordinator.filmVersion(job.id, Number(version))
    return serveBytes(c, artifacts, {
      id: manifest.film.id,
      contentType: manifest.film.contentType,
      modifiedAt: insertedAt,
      disposition: fileName(job, ` - version ${version}`, 'mp4'),
      immutable: true,
      refuseMissing: () =>
        coordinator.refuseRemoved({ what: 'film', jobId: job.id, artifact: manifest.film.id }),
    })
  })

  routes.openapi(showFilmRoute, async (c) => {
    const { id, version } = c.req.valid('param')
    const jobId = jobIdOf(id)
    const shown = await coordinator.showFilm(jobId, Number(version), askedBy(c))
    return c.json({ message: 'Film shown successfully' as const, job_id: jobId, version: shown }, 200)
  })

  routes.openapi(clipRoute, async (c) => {
    const { id, scene_id } = c.req.valid('param')
    const jobId = jobIdOf(id)
    const [job, scene] = await Promise.all([
      coordinator.job(jobId),
      coordinator.scene(jobId, scene_id.toLowerCase()),
    ])
    const clip = scene.clip ?? (await coordinator.paidClip(scene))
    if (clip === null)
      throw new RefusedError('Clip is not ready', {
        code: 'not_ready',
        jobId,
        currentStatus: scene.status,
        reason: 'The scene must be completed before its clip can be fetched',
      })
    const kind = scene.clip === null ? await kindOf(artifacts, clip) : canonical
    const suffix = ` - scene ${scene.position + 1}`
    return serveBytes(c, artifacts, {
      id: clip,
      contentType: kind && isShown(kind) ? kind.contentType : 'application/octet-stream',
      modifiedAt: scene.completedAt ?? scene.updatedAt,
      disposition:
        kind && isShown(kind)
          ? fileName(job, suffix, kind.extension)
          : fileName(job, suffix, kind?.extension ?? 'bin', attachmentNamed),
      immutable: false,
      refuseMissing: () => coordinator.refuseRemoved({ what: 'clip', jobId }),
    })
  })

  return routes
}
