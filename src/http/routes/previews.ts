/** How scenes will look, and photographs small: for pages on which a person decides. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { ownJobs } from '../access/access.ts'
import { serveBytes } from '../edge/bytes.ts'
import { inlineNamed } from '../edge/disposition.ts'
import { assetPath, once, scenePath } from '../edge/path.ts'
import { bytes, endpoint, resource } from './endpoint.ts'
import type { Parts } from './parts.ts'

const kinds = {
  clip: { contentType: 'video/mp4', extension: 'mp4' },
  frame: { contentType: 'image/jpeg', extension: 'jpg' },
} as const

async function serve(
  c: Context,
  { artifacts }: Pick<Parts, 'artifacts'>,
  { id, kind, name }: { readonly id: string; readonly kind: keyof typeof kinds; readonly name: string },
): Promise<Response> {
  const { contentType, extension } = kinds[kind]
  const { usedAt = 0 } = (await artifacts.stat(id)) ?? {}
  return serveBytes(c, artifacts, {
    id,
    contentType,
    modifiedAt: usedAt,
    disposition: inlineNamed(name, name, extension),
    immutable: false,
  })
}

const look = z.object({
  look: once('look')
    .max(100, 'must have at most 100 characters')
    .optional()
    .describe(
      'Ignored: an address that changes with the scene keeps a browser from showing what it had before',
    ),
})

const access = ownJobs('read', 'submit', 'approve')
const noScene = { 404: 'There is no such job or scene, or a photograph of it is missing' } as const

export const previewEndpoints = [
  ...resource('scenes', [
    endpoint({
      id: 'scenePreview',
      route: 'GET /api/v3/jobs/{id}/scenes/{scene_id}/preview',
      access,
      summary: 'How the scene will look, as a small film',
      description:
        "The scene's photographs in the film's crop, with its title and its true duration, moved by the renderer of this machine. It costs nothing. A paid model moves them otherwise.",
      params: scenePath,
      query: look,
      answer: bytes('video/mp4', 'A small clip without sound'),
      refuses: noScene,
      needs: 'previews',
      handle: async ({ c, params: { id, scene_id } }, parts) => {
        const { clip } = await parts.previews.scene(id, scene_id, c.req.raw.signal)
        return serve(c, parts, { id: clip, kind: 'clip', name: `preview ${scene_id}` })
      },
    }),

    endpoint({
      id: 'sceneFrame',
      route: 'GET /api/v3/jobs/{id}/scenes/{scene_id}/frame',
      access,
      summary: 'How the scene will look, as a picture',
      description: "A frame of the scene's preview in which its title is seen, as JPEG.",
      params: scenePath,
      query: look,
      answer: bytes('image/jpeg', 'A frame'),
      refuses: noScene,
      needs: 'previews',
      handle: async ({ c, params: { id, scene_id } }, parts) => {
        const { frame } = await parts.previews.scene(id, scene_id, c.req.raw.signal)
        return serve(c, parts, { id: frame, kind: 'frame', name: `frame ${scene_id}` })
      },
    }),
  ]),
  ...resource('assets', [
    endpoint({
      id: 'assetPicture',
      route: 'GET /api/v3/assets/{id}/picture',
      access: ownJobs('read', 'submit', 'approve'),
      summary: 'A photograph, small',
      description: 'The photograph upright and at most 480 pixels wide, as JPEG in sRGB.',
      params: assetPath,
      answer: bytes('image/jpeg', 'A small picture'),
      refuses: { 404: 'There is no such photograph' },
      needs: 'previews',
      handle: async ({ c, params: { id }, rights }, parts) => {
        if (rights?.clientId != null) await parts.coordinator.asset(id, rights.clientId)
        const picture = await parts.previews.photograph(id)
        return serve(c, parts, { id: picture, kind: 'frame', name: `photograph ${id}` })
      },
    }),
  ]),
]
