/** The rules of an unsaved change of a scene. */
import type { SceneAnswer, SceneChange } from '../../../src/client/client.ts'

export const editable = ['title', 'prompt', 'duration', 'model', 'asset_ids', 'transition'] as const
export type Editable = Pick<SceneAnswer, (typeof editable)[number]>

export interface Draft {
  /** The scene as it was when its editing began. */
  readonly base: Editable
  readonly change: Partial<Editable>
  /** The job's revision with this change, once it is saved. */
  readonly savedAs?: number
}

export const editableOf = ({
  title,
  prompt,
  duration,
  model,
  asset_ids,
  transition,
}: Editable): Editable => ({
  title,
  prompt,
  duration,
  model,
  asset_ids,
  transition,
})

const isSame = (one: unknown, other: unknown): boolean =>
  Array.isArray(one) && Array.isArray(other)
    ? one.length === other.length && one.every((value, index) => value === other[index])
    : one === other

export const isEmpty = ({ change }: Draft): boolean => Object.keys(change).length === 0

/** The draft with another value; one that is as before is no change. */
export function drafted(scene: Editable, draft: Draft | undefined, change: Partial<Editable>): Draft {
  const base = draft?.base ?? editableOf(scene)
  const all = { ...draft?.change, ...change }
  const changed = editable.filter((name) => name in all && !isSame(all[name], base[name]))
  return { base, change: Object.fromEntries(changed.map((name) => [name, all[name]])) }
}

/** A scene as its editor sees it. */
export const withDraft = <Scene extends Editable>(scene: Scene, draft: Draft | undefined): Scene =>
  draft ? { ...scene, ...draft.change } : scene

/** What somebody else has changed in the scene since its editing began. */
export const changedBeneath = (scene: Editable, { base }: Draft): readonly (keyof Editable)[] =>
  editable.filter((name) => !isSame(scene[name], base[name]))

/** The body of the request that saves it, if its editor saw this revision. */
export const savingOf = ({ change: { asset_ids, ...change } }: Draft, revision: number): SceneChange => ({
  ...change,
  ...(asset_ids && { asset_ids: [...asset_ids] }),
  revision,
})
