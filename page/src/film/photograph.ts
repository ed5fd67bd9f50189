/** The photographs of the film that is being put together. */

export type UploadState = 'waiting' | 'sending' | 'ready' | 'failed' | 'lost'

export interface Photograph {
  readonly id: string
  /** Of its file. */
  readonly name: string
  readonly room: string
  readonly bytes: number
  /** `lost`: the page was left before it had arrived. */
  readonly state: UploadState
  /** Bytes that the server has. */
  readonly sent: number
  /** Its id on the server, once it is there. */
  readonly asset: string | undefined
  /** For showing it before the server can. */
  readonly url: string | undefined
  readonly error: unknown
}

export const isReady = ({ state }: Photograph): boolean => state === 'ready'
export const isUnderWay = ({ state }: Photograph): boolean => state === 'waiting' || state === 'sending'
export const isLeft = ({ state }: Photograph): boolean => state === 'failed' || state === 'lost'

const pictureNames = /\.(?:jpe?g|png|webp|avif|hei[cf])$/i

/** By its name or type: its bytes decide on the server. */
export const looksLikePicture = ({ name, type }: Pick<File, 'name' | 'type'>): boolean =>
  type.startsWith('image/') || pictureNames.test(name)

/** The photographs in the order of the planned scenes; those without a scene come last. */
export function arranged(
  photographs: readonly Photograph[],
  planned: readonly string[],
): readonly Photograph[] {
  const left = [...photographs]
  const inOrder = planned.flatMap((asset) => {
    const index = left.findIndex((one) => one.asset === asset)
    return index < 0 ? [] : left.splice(index, 1)
  })
  const isSame = [...inOrder, ...left].every((one, index) => one === photographs[index])
  return isSame ? photographs : [...inOrder, ...left]
}

/** The first photograph with the same bytes, and its number from 1. */
export function sameBefore(photographs: readonly Photograph[], index: number): number | undefined {
  const { asset } = photographs[index]!
  const first = photographs.findIndex((one) => one.asset === asset)
  return asset === undefined || first === index ? undefined : first + 1
}
