/** From photographs on this machine to a request for a film. */
import { access, constants, stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { roomRank } from '../job/room.ts'
import { type Client, type Wish, uploadFile } from './client.ts'
import { CommandError } from './command-error.ts'
import { type FilmOptions, filmParameters } from './option.ts'

/** Before a server is started or asked: a slip of the pen should not take a minute to be told. */
export async function checkReadable(photos: readonly string[]): Promise<void> {
  for (const photo of photos) {
    await access(photo, constants.R_OK).catch((cause: unknown) => {
      const absent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
      throw new CommandError(`${photo}: ${absent ? 'there is no such file' : 'may not be read'}`, 1, {
        cause,
      })
    })
    if ((await stat(photo)).isDirectory())
      throw new CommandError(
        `${photo}: is a folder. Name its photographs: ${photo.replace(/\/*$/, '')}/*.jpg`,
      )
  }
}

export interface Uploaded {
  readonly assets: readonly { readonly id: string; readonly file: string }[]
  /** An asset's file name, for people. */
  readonly fileOf: ReadonlyMap<string, string>
}

/** `onUpload`: called before each, with its file's name and which it is, from 1. */
export async function uploadPhotos(
  client: Client,
  photos: readonly string[],
  onUpload: (file: string, number: number) => void = () => {},
): Promise<Uploaded> {
  const assets = []
  for (const [index, photo] of photos.entries()) {
    const file = basename(photo)
    onUpload(file, index + 1)
    assets.push({ id: (await uploadFile(client, photo)).id, file })
  }
  return { assets, fileOf: new Map(assets.map(({ id, file }) => [id, file])) }
}

export function filmRequest(
  assets: Uploaded['assets'],
  options: FilmOptions & { readonly name?: string | undefined },
): Wish {
  const type = options.type ?? (areRooms(assets.map(({ file }) => file)) ? 'property_photos' : 'image_pairs')
  const pictures =
    type === 'property_photos'
      ? { photos: assets.map(({ id, file }) => ({ asset_id: id, ...roomOf(file) })) }
      : { images: assets.map(({ id }) => id) }
  const name = options.name ?? options.title
  const request = {
    type,
    parameters: { ...pictures, ...filmParameters(options) },
    ...(name !== undefined && { video_name: name }),
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is in it is the server's to check
  return request as Wish
}

const rankOfUnknown = roomRank(undefined)

/** Whether the names of most tell a room; one picture can't pass into another, whatever it shows. */
const areRooms = (files: readonly string[]): boolean =>
  files.length === 1 || files.filter((file) => roomOf(file).room !== undefined).length > files.length / 2

/** `02-living_room.jpg` shows the living room; `IMG_2041.jpg` shows nobody knows what. */
function roomOf(file: string): { readonly room?: string } {
  const room = basename(file, extname(file))
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .replace(/^\d+ | \d+$/g, '')
    .trim()
  return room !== '' && roomRank(room) !== rankOfUnknown ? { room } : {}
}
