/** `adoptFor` by `adopt`: one call at a time. */
import { isDiskFull } from '../disk-full.ts'
import type { ArtifactStore, StoredArtifact } from './artifact.ts'

export interface Adopted {
  readonly stored: StoredArtifact
  readonly isNew: boolean
}

/** `takeBack` gets the files newly stored for a use that failed on a full disk. */
export function adoptingInTurn(
  adopt: (path: string) => Promise<Adopted>,
  takeBack: (id: string) => Promise<void>,
): ArtifactStore['adoptFor'] {
  let before: Promise<unknown> = Promise.resolve()

  const adoptFor: ArtifactStore['adoptFor'] = async (paths, use) => {
    const adopted: Adopted[] = []
    try {
      for (const path of paths) adopted.push(await adopt(path))
      return await use(adopted.map(({ stored }) => stored))
    } catch (error) {
      // After any other error, a row may reference them.
      if (isDiskFull(error)) for (const { stored, isNew } of adopted) if (isNew) await takeBack(stored.id)
      throw error
    }
  }

  return (paths, use) => {
    const turn = before.then(() => adoptFor(paths, use))
    before = turn.catch(() => undefined)
    return turn
  }
}
