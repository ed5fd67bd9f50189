/** Takes an uploaded photograph in: checked to its last byte, kept as it came and as FFmpeg gets it. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { ArtifactError, type ArtifactStore } from '../artifact/artifact.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Asset } from '../job/asset.ts'
import { RefusedError } from '../job/errors.ts'
import { inspectImage, masterImage } from '../media/image.ts'
import { ownerFile } from '../owner-only.ts'
import type { Studio } from './studio.ts'

export interface TakeAssetOptions {
  readonly coordinator: Pick<Coordinator, 'asset' | 'addAsset'>
  readonly artifacts: ArtifactStore
  readonly studio: Pick<Studio, 'inWorkspace'>
}

/** @throws {RefusedError} `asset_refused`: nothing of it is kept. */
export type TakeAsset = (bytes: AsyncIterable<Uint8Array>) => Promise<Asset>

export const createTakeAsset =
  ({ coordinator, artifacts, studio }: TakeAssetOptions): TakeAsset =>
  (bytes) =>
    studio.inWorkspace(async (directory) => {
      const path = `${directory}/upload`
      const id = await write(path, bytes)
      const known = await coordinator.asset(id).catch(() => undefined)
      if (known && (await isThere(artifacts, known))) return known

      const found = await inspectImage(path)
      if (found.kind === 'refused')
        throw new RefusedError(found.message, { code: 'asset_refused', kind: found.reason })
      const masterPath = `${directory}/master`
      await masterImage(path, masterPath)
      const { contentType, width, height } = found
      return artifacts.adoptFor([path, masterPath], ([original, master]) =>
        coordinator.addAsset({
          id,
          contentType,
          width,
          height,
          size: original!.size,
          master: master!.id,
        }),
      )
    })

/** That it was uploaded again is a use: it is not removed for being old. */
const isThere = (artifacts: ArtifactStore, { id, master }: Asset): Promise<boolean> =>
  Promise.all([id, master].map((artifact) => artifacts.localPath(artifact))).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ArtifactError && error.code === 'missing') return false
      throw error
    },
  )

/** Resolves to the SHA-256 of what was written. */
async function write(path: string, bytes: AsyncIterable<Uint8Array>): Promise<string> {
  await using file = await open(path, 'wx', ownerFile)
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of bytes) {
    hash.update(chunk)
    size += chunk.length
    await file.writeFile(chunk)
  }
  if (size === 0) throw new RefusedError('The upload is empty', { code: 'asset_refused', kind: 'empty' })
  return hash.digest('hex')
}
