import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ArtifactStore } from '../../artifact/artifact.ts'
import type { Coordinator } from '../../coordinator/coordinator.ts'
import type { Asset } from '../../job/asset.ts'
import type { BodyLimits } from '../edge/body.ts'
import { serveBytes } from '../edge/bytes.ts'
import { inlineNamed } from '../edge/disposition.ts'
import { addressOf, assetPath } from '../edge/path.ts'
import { callerOf, principalOf } from '../edge/principal.ts'
import { incomingUpload } from '../edge/upload.ts'

/** Keeps a photograph if it is one. @throws {RefusedError} `asset_refused` */
export type TakeAsset = (
  bytes: AsyncIterable<Uint8Array>,
  upload: { readonly uploader: string; readonly signal: AbortSignal },
) => Promise<Asset>

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

const binary = { schema: { type: 'string', format: 'binary' } } as const

const addAssetRoute = createRoute({
  method: 'post',
  path: '/assets',
  summary: 'Upload a photograph: as the one file of a form, or the image as the body',
  request: {
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            properties: { file: { type: 'string', format: 'binary' } },
            required: ['file'],
          },
        },
        'image/*': binary,
      },
    },
  },
  responses: {
    201: {
      content: { 'application/json': { schema: assetSchema } },
      description: 'The asset; the same bytes are the same asset',
    },
  },
})

const readAssetRoute = createRoute({
  method: 'get',
  path: '/assets/{id}',
  request: { params: assetPath },
  responses: { 200: { content: { 'application/json': { schema: assetSchema } }, description: 'The asset' } },
})

const assetDataRoute = createRoute({
  method: 'get',
  path: '/assets/{id}/data',
  request: { params: assetPath },
  responses: {
    200: { content: { 'image/*': binary }, description: 'The bytes as they were uploaded' },
  },
})

const extensions: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/avif': 'avif',
  'image/heic': 'heic',
}

export function assetRoutes({
  coordinator,
  artifacts,
  takeAsset,
  limits,
}: {
  readonly coordinator: Coordinator
  readonly artifacts: ArtifactStore
  readonly takeAsset: TakeAsset
  readonly limits: BodyLimits
}): OpenAPIHono {
  const routes = new OpenAPIHono()

  routes.openapi(addAssetRoute, async (c) => {
    const upload = incomingUpload(c, limits.assetBytes)
    const asset = await takeAsset(upload.bytes, { uploader: callerOf(c), signal: c.req.raw.signal }).catch(
      async (error: unknown) => {
        await upload.discard()
        throw error
      },
    )
    const clientId = principalOf(c).actor?.clientId
    if (clientId != null) await coordinator.letClientSee(clientId, asset.id)
    c.header('location', addressOf.asset(asset.id))
    return c.json(assetAnswer(asset), 201)
  })

  const existing = async (c: Context, id: string): Promise<Asset> => {
    const clientId = principalOf(c).actor?.clientId
    if (clientId != null) return coordinator.asset(id, clientId)
    try {
      return await coordinator.asset(id)
    } catch (error) {
      await coordinator.refuseRemoved({ what: 'asset', assetId: id })
      throw error
    }
  }

  routes.openapi(readAssetRoute, async (c) =>
    c.json(assetAnswer(await existing(c, c.req.valid('param').id)), 200),
  )

  routes.openapi(assetDataRoute, async (c) => {
    const asset = await existing(c, c.req.valid('param').id)
    return serveBytes(c, artifacts, {
      id: asset.id,
      contentType: asset.contentType,
      modifiedAt: asset.insertedAt,
      disposition: inlineNamed(asset.id, asset.id, extensions[asset.contentType] ?? 'bin'),
      immutable: true,
    })
  })

  return routes
}
