import { z } from '@hono/zod-openapi'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { Asset } from '../../job/asset.ts'
import type { Rights } from '../../job/reach.ts'
import { ownJobs } from '../access/access.ts'
import { serveBytes } from '../edge/bytes.ts'
import { inlineNamed } from '../edge/disposition.ts'
import { addressOf, assetPath } from '../edge/path.ts'
import { callerOf } from '../edge/principal.ts'
import { incomingUpload } from '../edge/upload.ts'
import { binary, bytes, endpoint, json, resource } from './endpoint.ts'

const assetSchema = z
  .object({
    id: z.string().describe("SHA-256 of the image's bytes"),
    width: z.int(),
    height: z.int(),
    content_type: z.string(),
    size: z.int().describe('Bytes'),
  })
  .openapi('Asset')

export type AssetAnswer = z.infer<typeof assetSchema>

const assetAnswer = (asset: Asset): AssetAnswer => ({
  id: asset.id,
  width: asset.width,
  height: asset.height,
  content_type: asset.contentType,
  size: asset.size,
})

const extensions: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/avif': 'avif',
  'image/heic': 'heic',
}

async function existing(coordinator: Coordinator, id: string, rights: Rights | undefined): Promise<Asset> {
  if (rights?.clientId != null) return coordinator.asset(id, rights.clientId)
  try {
    return await coordinator.asset(id)
  } catch (error) {
    await coordinator.refuseRemoved({ what: 'asset', assetId: id })
    throw error
  }
}

const isMissing = {
  404: 'There is no such photograph',
  410: 'The photograph was removed: `removed_at` says when',
} as const

export const assetEndpoints = resource('assets', [
  endpoint({
    id: 'uploadAsset',
    route: 'POST /api/v3/assets',
    access: ownJobs('submit'),
    summary: 'Upload a photograph: as the one file of a form, or the image as the body',
    description:
      'Keeps a photograph (JPEG, PNG, WebP, AVIF or HEIC) and answers the id that jobs name it by. The same bytes have the same id, so that an upload may be repeated.',
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: { type: 'object', properties: { file: binary }, required: ['file'] },
        },
        'image/*': { schema: binary },
      },
    },
    answer: json(201, assetSchema, 'The asset; the same bytes are the same asset'),
    refuses: {
      415: 'The format is not accepted, or the body is neither an image nor a form',
      422: 'The image is empty, damaged or too costly to decode: `kind` says which',
    },
    // The bytes determine the result, and may be too large to buffer for an Idempotency-Key.
    repeatsFreely: true,
    handle: async ({ c, rights }, { coordinator, takeAsset, limits }) => {
      const upload = incomingUpload(c, limits.assetBytes)
      const asset = await takeAsset(upload.bytes, {
        uploader: callerOf(c),
        signal: c.req.raw.signal,
      }).catch(async (error: unknown) => {
        await upload.discard()
        throw error
      })
      if (rights?.clientId != null) await coordinator.letClientSee(rights.clientId, asset.id)
      c.header('location', addressOf.asset(asset.id))
      return assetAnswer(asset)
    },
  }),

  endpoint({
    id: 'readAsset',
    route: 'GET /api/v3/assets/{id}',
    access: ownJobs('read'),
    summary: 'A photograph: its size and type',
    description:
      'The size and the type of a photograph. A key that is bound to a client finds its own photographs alone.',
    params: assetPath,
    answer: json(200, assetSchema, 'The asset'),
    refuses: isMissing,
    handle: async ({ params, rights }, { coordinator }) =>
      assetAnswer(await existing(coordinator, params.id, rights)),
  }),

  endpoint({
    id: 'assetData',
    route: 'GET /api/v3/assets/{id}/data',
    access: ownJobs('read'),
    summary: "A photograph's bytes, as they were uploaded",
    description: 'The bytes of a photograph, as they were uploaded. They never change.',
    params: assetPath,
    answer: bytes('image/*', 'The bytes as they were uploaded'),
    refuses: isMissing,
    handle: async ({ c, params, rights }, { coordinator, artifacts }) => {
      const asset = await existing(coordinator, params.id, rights)
      return serveBytes(c, artifacts, {
        id: asset.id,
        contentType: asset.contentType,
        modifiedAt: asset.insertedAt,
        disposition: inlineNamed(asset.id, asset.id, extensions[asset.contentType] ?? 'bin'),
        immutable: true,
      })
    },
  }),
])
