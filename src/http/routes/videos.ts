import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ArtifactStore } from '../../artifact/artifact.ts'
import { filmOf } from '../../coordinator/read/films.ts'
import { RefusedError } from '../../job/errors.ts'
import { type FileKind, fileKindOf, headBytes } from '../../job/file-kind.ts'
import type { Job } from '../../job/job.ts'
import { ownJobs } from '../access/access.ts'
import { serveBytes } from '../edge/bytes.ts'
import { attachmentNamed, inlineNamed } from '../edge/disposition.ts'
import { addressOf, jobPath, scenePath, timeOf, timeOrNull, timeSchema, versionPath } from '../edge/path.ts'
import { bytes, endpoint, json, resource } from './endpoint.ts'
import type { Parts } from './parts.ts'

const versionsSchema = z.object({
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
      scenes: z
        .array(
          z.object({
            scene_id: z.string(),
            title: z.string().nullable(),
            start: z.number().describe('Seconds from the beginning of the film'),
            duration: z.number().describe('Seconds until the next one'),
            clip: z
              .string()
              .nullable()
              .describe('SHA-256 of its render: the same in two versions that show the same render'),
          }),
        )
        .nullable()
        .describe('As they were, in order; null of films that an earlier version of the server made'),
    }),
  ),
})

export type FilmVersionsAnswer = z.infer<typeof versionsSchema>

const shownSchema = z.object({
  message: z.literal('Film shown successfully'),
  job_id: z.int(),
  version: z.int().describe('As which it is published once more: the newest is the one that is shown'),
})

export type ShownFilmAnswer = z.infer<typeof shownSchema>

const fileName = (job: Job, suffix: string, extension: string, named = inlineNamed): string =>
  named(`${job.videoName || `job ${job.id}`}${suffix}`, `job ${job.id}${suffix}`, extension)

/** The file type of every clip in a film. */
const canonical: FileKind = { name: 'MP4', contentType: 'video/mp4', extension: 'mp4' }

/** The type of stored bytes, by their first bytes; undefined where unknown or missing. */
async function kindOf(artifacts: ArtifactStore, id: string): Promise<FileKind | undefined> {
  const { size = 0 } = (await artifacts.stat(id)) ?? {}
  if (size === 0) return undefined
  const head: Uint8Array[] = []
  for await (const chunk of await artifacts.read(id, { start: 0, end: Math.min(size, headBytes) }))
    head.push(chunk)
  return fileKindOf(Buffer.concat(head))
}

/** Clips and pictures are shown inline; a page in their place must not run as ours. */
const isShown = ({ contentType }: FileKind): boolean => /^(?:video|image|audio)\//.test(contentType)

async function serveFilm(
  c: Context,
  { coordinator, artifacts }: Pick<Parts, 'coordinator' | 'artifacts'>,
  { jobId, part, extension }: { jobId: number; part: 'film' | 'thumbnail'; extension: string },
): Promise<Response> {
  const job = await coordinator.job(jobId)
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

const wasRemoved = 'The film was removed: `removed_at` says when'

const noFilm = {
  404: 'There is no such job, or its film is not finished: `current_status` names its state',
  410: wasRemoved,
} as const

const noVersion = {
  404: 'There is no such job, or it has no film of this version',
  410: wasRemoved,
} as const

export const videoEndpoints = resource('films', [
  endpoint({
    id: 'film',
    route: 'GET /api/v3/videos/{id}/combined',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'The finished film',
    description:
      'The finished film as MP4. Its address stays the same when there is a new film; `ETag` tells them apart.',
    params: jobPath,
    answer: bytes('video/mp4', 'The film'),
    refuses: noFilm,
    handle: ({ c, params }, parts) =>
      serveFilm(c, parts, { jobId: params.id, part: 'film', extension: 'mp4' }),
  }),

  endpoint({
    id: 'thumbnail',
    route: 'GET /api/v3/videos/{id}/thumbnail',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'A picture of the film',
    description: 'A frame of the finished film as JPEG.',
    params: jobPath,
    answer: bytes('image/jpeg', 'A picture of the film'),
    refuses: noFilm,
    handle: ({ c, params }, parts) =>
      serveFilm(c, parts, { jobId: params.id, part: 'thumbnail', extension: 'jpg' }),
  }),

  endpoint({
    id: 'listFilmVersions',
    route: 'GET /api/v3/videos/{id}/versions',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'Every film the job has had, newest first',
    description:
      'Every film that the job has had, with its address, its length and its size; the latest first.',
    params: jobPath,
    answer: json(200, versionsSchema, 'The versions'),
    handle: async ({ params: { id } }, { coordinator }) => {
      const films = await coordinator.films(id)
      const versions = films.map(({ version, manifest, chapters, insertedAt, removedAt }, index) => ({
        version,
        current: index === 0,
        url: addressOf.filmVersion(id, version),
        duration: manifest.durationMs / 1000,
        size: manifest.film.size,
        inserted_at: timeOf(insertedAt),
        removed_at: timeOrNull(removedAt),
        scenes:
          chapters?.map(({ sceneId, title, startMs, durationMs, clip }) => ({
            scene_id: sceneId,
            title,
            start: startMs / 1000,
            duration: durationMs / 1000,
            clip,
          })) ?? null,
      }))
      return { job_id: id, versions }
    },
  }),

  endpoint({
    id: 'filmVersion',
    route: 'GET /api/v3/videos/{id}/versions/{version}/combined',
    access: ownJobs('read', 'submit', 'approve'),
    summary: 'An earlier film',
    description: 'One film of the job as it was finished. The bytes at this address never change.',
    params: versionPath,
    answer: bytes('video/mp4', 'An earlier film'),
    refuses: noVersion,
    handle: async ({ c, params: { id, version } }, { coordinator, artifacts }) => {
      const job = await coordinator.job(id)
      const { manifest, insertedAt } = await coordinator.filmVersion(job.id, version)
      return serveBytes(c, artifacts, {
        id: manifest.film.id,
        contentType: manifest.film.contentType,
        modifiedAt: insertedAt,
        disposition: fileName(job, ` - version ${version}`, 'mp4'),
        immutable: true,
        refuseMissing: () =>
          coordinator.refuseRemoved({ what: 'film', jobId: job.id, artifact: manifest.film.id }),
      })
    },
  }),

  endpoint({
    id: 'showFilm',
    route: 'POST /api/v3/videos/{id}/versions/{version}/current',
    access: ownJobs('submit', 'approve'),
    summary: "Make an earlier film the job's film again; nothing is rendered",
    description:
      "Publishes an earlier film once more, as the job's newest. Nothing is rendered, and no version is lost.",
    params: versionPath,
    answer: json(200, shownSchema, 'It is shown; the other versions stay'),
    refuses: {
      ...noVersion,
      422: 'Another film of the job is being made, or it has 200 versions: `reason` says which',
    },
    handle: async ({ params: { id, version }, by }, { coordinator }) => {
      const shown = await coordinator.showFilm(id, version, by)
      return { message: 'Film shown successfully', job_id: id, version: shown } as const
    },
  }),

  endpoint({
    id: 'clip',
    route: 'GET /api/v3/videos/{id}/clips/{scene_id}',
    access: ownJobs('read', 'submit', 'approve'),
    summary: "A scene's clip; one that was paid for and can't be used, as it was received",
    description:
      'The clip of a completed scene. Of a scene whose paid clip cannot be used it is the bytes as they were received.',
    params: scenePath,
    answer: bytes(
      'video/mp4',
      "One scene's clip. Bytes that were paid for and are no MP4 come as what they are, such as `video/webm` or `application/octet-stream`",
    ),
    refuses: {
      404: 'There is no such job or scene, or its clip is not finished: `current_status` names its state',
      410: 'The clip was removed: `removed_at` says when',
      422: "The scene is one of another job's",
    },
    handle: async ({ c, params: { id: jobId, scene_id } }, { coordinator, artifacts }) => {
      const [job, scene] = await Promise.all([coordinator.job(jobId), coordinator.scene(jobId, scene_id)])
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
    },
  }),
])
