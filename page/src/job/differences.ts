/** What differs between two films of one job, scene by scene. */

/** A scene as it is in a film. */
interface Chapter {
  readonly scene_id: string
  readonly title: string | null
  readonly start: number
  readonly duration: number
  readonly clip: string | null
}

interface Film {
  readonly scenes: readonly Chapter[] | null
}

export interface Placed {
  readonly number: number
  readonly chapter: Chapter
}

export interface Difference {
  readonly sceneId: string
  /** In the newer film; undefined where it has no such scene. */
  readonly one: Placed | undefined
  readonly other: Placed | undefined
  readonly isAnew: boolean
  readonly isLonger: boolean
  readonly isMoved: boolean
}

/** A cross-fade to another neighbour moves a scene's end by fractions of a frame. */
const leastSeconds = 0.05

const placesOf = (chapters: readonly Chapter[]): ReadonlyMap<string, Placed> =>
  new Map(chapters.map((chapter, index) => [chapter.scene_id, { number: index + 1, chapter }]))

const orderIn = (chapters: readonly Chapter[], also: ReadonlyMap<string, Placed>): readonly string[] =>
  chapters.map(({ scene_id: id }) => id).filter((id) => also.has(id))

/** Undefined where a film does not say what scenes it is of. The scenes that are the same are left out. */
export function differencesOf(
  one: Film,
  other: Film,
): { readonly differences: readonly Difference[]; readonly sames: number } | undefined {
  if (!one.scenes || !other.scenes) return undefined
  const [here, there] = [placesOf(one.scenes), placesOf(other.scenes)]
  // Only scenes that are in both count: one that was added does not move all behind it.
  const [orderHere, orderThere] = [orderIn(one.scenes, there), orderIn(other.scenes, here)]
  const all = [...new Set([...here.keys(), ...there.keys()])].map((sceneId): Difference => {
    const [a, b] = [here.get(sceneId), there.get(sceneId)]
    const isBoth = a !== undefined && b !== undefined
    return {
      sceneId,
      one: a,
      other: b,
      isAnew: isBoth && a.chapter.clip !== b.chapter.clip,
      isLonger: isBoth && Math.abs(a.chapter.duration - b.chapter.duration) >= leastSeconds,
      isMoved: isBoth && orderHere.indexOf(sceneId) !== orderThere.indexOf(sceneId),
    }
  })
  const differences = all.filter(
    ({ one: a, other: b, isAnew, isLonger, isMoved }) => !a || !b || isAnew || isLonger || isMoved,
  )
  return { differences, sames: all.length - differences.length }
}
