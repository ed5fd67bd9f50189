/** Uploads photographs, some at once, each with its own outcome. */
import { type AssetAnswer, client } from './client.ts'

export interface Photograph {
  readonly id: string
  readonly file: File
  /** For showing it before the server has it. */
  readonly url: string
  readonly asset: AssetAnswer | undefined
  readonly error: unknown
}

const atOnce = 3

export const photographOf = (file: File): Photograph => ({
  id: crypto.randomUUID(),
  file,
  url: URL.createObjectURL(file),
  asset: undefined,
  error: undefined,
})

export async function uploadAll(
  photographs: readonly Photograph[],
  onChange: (id: string, change: Partial<Photograph>) => void,
): Promise<void> {
  const left = [...photographs]
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift())
      try {
        const asset = await client.uploadAsset(new Uint8Array(await next.file.arrayBuffer()))
        onChange(next.id, { asset, error: undefined })
      } catch (error) {
        onChange(next.id, { error })
      }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/** The room in a file's name: `02-living_room.jpg` is `living room`, `IMG_2041.jpg` none. */
export function roomIn(name: string): string | undefined {
  const room = name
    .replace(/\.[^.]*$/, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .replace(/^\d+ | \d+$/g, '')
    .trim()
    .toLowerCase()
  return room === '' || /^(?:img|dsc|pxl|image|photo|foto|screenshot)\b/.test(room) ? undefined : room
}
