/** Links that show a film without a key until they end. The address itself is the proof. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { filmOf } from '../../coordinator/read/films.ts'
import { linkRequest } from '../../job/control-request.ts'
import { ownJobs } from '../access/access.ts'
import { holdsSecret } from '../access/idempotency.ts'
import { serveBytes } from '../edge/bytes.ts'
import { inlineNamed } from '../edge/disposition.ts'
import { addressOf, jobPath, signedText, timeOf, timeSchema } from '../edge/path.ts'
import { HttpProblem } from '../edge/problem.ts'
import { type Endpoint, endpoint, json, optionalJsonBody, resource, unlisted } from './endpoint.ts'
import type { SignedAddresses } from './parts.ts'

const linkSchema = z
  .object({
    url: z
      .string()
      .describe('Shows the film to everybody who has it: below PUBLIC_BASE_URL, or without it a path here'),
    version: z.int().nullable().describe('The version that it shows; null: the film that the job shows'),
    expires_at: timeSchema,
  })
  .openapi('FilmLink')

export type FilmLinkAnswer = z.infer<typeof linkSchema>

export const linkEndpoints: readonly Endpoint[] = [
  ...resource('films', [
    endpoint({
      id: 'createFilmLink',
      route: 'POST /api/v3/videos/{id}/links',
      access: ownJobs('submit', 'approve'),
      summary: 'A link that shows the film without a key until it ends',
      description:
        'Answers an address that serves the film as MP4 to everybody who has it, for 7 days or `expires_in_seconds`, 30 days at most. The history records it without the address. Replacing the secret (`POST /secret/rotate`) ends all links before their time.',
      params: jobPath,
      body: optionalJsonBody('FilmLinkRequest', linkRequest, { expires_in_seconds: 86_400, version: 1 }),
      answer: json(201, linkSchema, 'The link'),
      refuses: {
        404: 'There is no such job, or it has no such film: `current_status` names its state',
        410: 'The film was removed: `removed_at` says when',
        422: 'A member is impossible',
      },
      needs: 'addresses',
      handle: async ({ c, params: { id }, body, by }, { coordinator, addresses }) => {
        const { version, expiresAt } = await coordinator.shareFilm(id, body, by)
        holdsSecret(c)
        const path = addressOf.sharedFilm(id, version, (text) => addresses.sign(text, expiresAt))
        return { url: `${addresses.base}${path}`, version, expires_at: timeOf(expiresAt) }
      },
    }),
  ]),

  unlisted({
    route: `GET ${addressOf.sharedFilmPattern}`,
    access: 'open',
    needs: 'addresses',
    async handle(c, { coordinator, artifacts, addresses }) {
      const { job = '', file = '' } = c.req.param()
      const [, given] = /^(?:film|version-(\d{1,9}))\.mp4$/.exec(file) ?? [file, '']
      const version = given === undefined ? null : Number(given)
      await requireLink(c, addresses, signedText.film(Number(job), version))
      const shared = await coordinator.job(Number(job))
      const { manifest, insertedAt } =
        version === null
          ? { manifest: filmOf(shared), insertedAt: shared.updatedAt }
          : await coordinator.filmVersion(shared.id, version)
      const { id: artifact, contentType } = manifest.film
      return serveBytes(c, artifacts, {
        id: artifact,
        contentType,
        modifiedAt: insertedAt,
        disposition: inlineNamed(shared.videoName, 'film', 'mp4'),
        // A browser asks again each time, as the link may have ended.
        immutable: false,
        refuseMissing: () => coordinator.refuseRemoved({ what: 'film', jobId: shared.id, artifact }),
      })
    },
  }),
]

/** @throws {HttpProblem} 404 where the address was not signed here, 410 where its time is over */
async function requireLink({ req }: Context, addresses: SignedAddresses, text: string): Promise<void> {
  const expires = req.query('expires')
  const verdict = await addresses.check(text, { expires, signature: req.query('signature') })
  if (verdict === 'valid') return
  if (verdict === 'ended')
    throw new HttpProblem(410, {
      error: 'Link has ended',
      reason: 'It showed a film until `ended_at`. Ask for a new one where it came from',
      ended_at: timeOf(Number(expires) * 1000),
    })
  throw new HttpProblem(404, {
    error: 'Link is not valid',
    reason: 'It was changed, or ended before its time. Ask for a new one where it came from',
  })
}
