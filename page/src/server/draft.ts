/** The film that is being put together, kept in this browser so that a reload loses nothing: ids and words, no pictures. */
import { keep, kept } from '../kept.ts'

const stored = 'new-film'

export const readDraft = (): unknown => {
  try {
    const text = kept(stored)
    return text === null ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

export const keepDraft = (draft: unknown): void => keep(stored, JSON.stringify(draft))

export const forgetDraft = (): void => keep(stored, undefined)
