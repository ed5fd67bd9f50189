/** Accepts an uploaded photograph: decodes it to the last byte, and stores it unchanged and as the master for FFmpeg. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { ArtifactStore } from '../artifact/artifact.ts'
import type { DiskRoom } from '../disk-full.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Asset } from '../job/asset.ts'
import { RefusedError } from '../job/errors.ts'
import { MediaError } from '../media/ffmpeg.ts'
import type { RefusedImage } from '../media/image.ts'
import { ownerFile } from '../owner-only.ts'
import { type Studio, headerBytes, imageLimits } from './studio.ts'

export interface TakeAssetOptions {
  readonly coordinator: Pick<Coordinator, 'asset' | 'addAsset'>
  readonly artifacts: ArtifactStore
  readonly studio: Pick<Studio, 'inWorkspace' | 'inImageTurn' | 'media'>
  readonly room: Pick<DiskRoom, 'require'>
}

export interface Upload {
  /** The sender, for fairness: one sender's pictures do not delay another's. */
  readonly uploader?: string
  /** Aborted when the client no longer waits for the answer. */
  readonly signal?: AbortSignal
}

/**
 * `bytes`: the file's content. On an error, nothing is stored.
 * @throws {RefusedError} `asset_refused`: not an acceptable picture.
 * @throws {ReserveError} the disk's free space is below the reserve.
 */
export type TakeAsset = (bytes: AsyncIterable<Uint8Array>, upload?: Upload) => Promise<Asset>

export const createTakeAsset =
  ({ coordinator, artifacts, studio, room }: TakeAssetOptions): TakeAsset =>
  (bytes, { uploader = '', signal } = {}) =>
    studio.inWorkspace(async ({ directory }) => {
      const path = `${directory}/upload`
      const id = await write(path, bytes, room)
      const known = await coordinator.asset(id).catch(() => undefined)
      if (known && (await isThere(artifacts, known))) return known

      const decode = <Found extends { readonly kind: string }>(
        memoryBytes: number,
        use: () => Promise<Found | RefusedImage>,
      ) => decoded(() => studio.inImageTurn(uploader, memoryBytes, use, signal))
      const options = signal ? { signal } : {}
      const { contentType, width, height, memoryBytes } = await decode(headerBytes, () =>
        studio.media.readImage({ path, limits: imageLimits }, options),
      )
      const masterPath = `${directory}/master`
      const request = { path, targetPath: masterPath, limits: imageLimits }
      await decode(memoryBytes, () => studio.media.masterImage(request, options))
      await room.require()
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

/** A failed decode counts as the picture's fault, even if the decoder crashed or reached a limit. */
async function decoded<Found extends { readonly kind: string }>(
  decode: () => Promise<Found | RefusedImage>,
): Promise<Exclude<Found, RefusedImage>> {
  // The system may have killed the process because memory was short: one retry before the picture is blamed.
  const again = (error: unknown): Promise<Found | RefusedImage> => {
    if (error instanceof MediaError && error.code === 'killed') return decode()
    throw error
  }
  const found = await decode()
    .catch(again)
    .catch((error: unknown): RefusedImage => {
      if (!(error instanceof MediaError) || !imageFaults.has(error.code)) throw error
      const message = `The picture cannot be decoded: ${error.message}`
      return { kind: 'refused', reason: 'too_costly', message }
    })
  if (isRefused(found)) throw new RefusedError(found.message, { code: 'asset_refused', kind: found.reason })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return found as Exclude<Found, RefusedImage>
}

const imageFaults: ReadonlySet<string> = new Set(['failed', 'killed', 'hung', 'too_long'])

const isRefused = (found: { readonly kind: string }): found is RefusedImage => found.kind === 'refused'

/** It counts as a use, so retention keeps a photograph that is uploaded again. */
const isThere = async (artifacts: ArtifactStore, { id, master }: Asset): Promise<boolean> =>
  (await Promise.all([id, master].map((artifact) => artifacts.use(artifact)))).every((found) => found)

/** Free space is checked again each time this many bytes of an upload were written. */
const askRoomBytes = 1 << 20

/** Resolves to the SHA-256 of the written bytes, in hex. */
async function write(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  room: Pick<DiskRoom, 'require'>,
): Promise<string> {
  await room.require()
  await using file = await open(path, 'wx', ownerFile)
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of bytes) {
    hash.update(chunk)
    if (Math.floor((size + chunk.length) / askRoomBytes) > Math.floor(size / askRoomBytes))
      await room.require()
    size += chunk.length
    await file.writeFile(chunk)
  }
  if (size === 0) throw new RefusedError('The upload is empty', { code: 'asset_refused', kind: 'empty' })
  return hash.digest('hex')
}
