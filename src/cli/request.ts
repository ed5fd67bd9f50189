/** Turns photographs on this machine into a request for a film. */
import { access, constants, readFile, stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { text } from 'node:stream/consumers'
import { roomRank } from '../job/room.ts'
import { type Client, type Wish, uploadFile } from './client.ts'
import { CommandError, usageError } from './command-error.ts'
import { type ValuesOf, given, membersOf, text as textOption } from './option.ts'
import { filmOptions } from './shared-options.ts'

export const requestOptions = {
  file: textOption('file', 'a whole request as JSON instead of photographs; - reads stdin'),
  ...filmOptions,
} as const

type FilmValues = ValuesOf<typeof filmOptions>

/** Runs before a server starts: a misspelt name should fail at once, not after a minute. */
export async function checkReadable(photos: readonly string[]): Promise<void> {
  for (const photo of photos) {
    await access(photo, constants.R_OK).catch((cause: unknown) => {
      const absent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
      throw new CommandError(`${photo}: ${absent ? 'there is no such file' : 'cannot be read'}`, 1, {
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
  /** File names by asset id, for display. */
  readonly fileOf: ReadonlyMap<string, string>
}

/** `onUpload`: called before each upload with the file's name and its number, from 1. */
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
  { type: wanted, ...values }: Partial<FilmValues>,
): Wish {
  const type = wanted ?? (areRooms(assets.map(({ file }) => file)) ? 'property_photos' : 'image_pairs')
  const pictures =
    type === 'property_photos'
      ? { photos: assets.map(({ id, file }) => ({ asset_id: id, ...roomOf(file) })) }
      : { images: assets.map(({ id }) => id) }
  const request = {
    type,
    parameters: { ...pictures, ...membersOf(parameterOptions, values) },
    ...given({ video_name: values.title }),
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server validates it
  return request as Wish
}

const { type: _, ...parameterOptions } = filmOptions

/** The request, from photographs and options or from a file. */
export async function readRequest(
  client: Client,
  command: string,
  values: FilmValues & { readonly file: string | undefined; readonly photos: readonly string[] },
): Promise<{ readonly request: Wish; readonly fileOf: ReadonlyMap<string, string> }> {
  const { file, photos } = values
  if ((file === undefined) === (photos.length === 0))
    throw usageError(`${command} needs photographs, or a request with --file`)
  if (file === undefined) {
    await checkReadable(photos)
    const { assets, fileOf } = await uploadPhotos(client, photos)
    return { request: filmRequest(assets, values), fileOf }
  }
  const [member] = Object.keys(membersOf(filmOptions, values))
  if (member !== undefined)
    throw usageError(`--${member.replaceAll('_', '-')} belongs in the parameters of ${file}`)
  const request = await readJson(file)
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw new CommandError(`${file}: is no JSON object`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server validates it
  return { request: request as Wish, fileOf: new Map() }
}

async function readJson(file: string): Promise<unknown> {
  const source = file === '-' ? text(process.stdin) : readFile(file, 'utf8')
  const read = await source.catch((cause: unknown) => {
    throw new CommandError(`${file}: cannot be read`, 1, { cause })
  })
  try {
    return JSON.parse(read)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : ''
    throw new CommandError(`${file}: is not JSON (${why})`, 1, { cause })
  }
}

const rankOfUnknown = roomRank(undefined)

/** Whether most file names tell a room. A single picture counts as a room: it has no other to pass into. */
const areRooms = (files: readonly string[]): boolean =>
  files.length === 1 || files.filter((file) => roomOf(file).room !== undefined).length > files.length / 2

/** `02-living_room.jpg` shows the living room; `IMG_2041.jpg` names no room. */
function roomOf(file: string): { readonly room?: string } {
  const room = basename(file, extname(file))
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .replace(/^\d+ | \d+$/g, '')
    .trim()
  return room !== '' && roomRank(room) !== rankOfUnknown ? { room } : {}
}
