/** Whose render a provider names, beyond the marks that its attempt was sent with. Pure. */
import type { Attempt } from '../../job/attempt.ts'
import type { ProviderRender } from '../../renderer/provider.ts'

/** The mark of some attempt, of this installation or another one. */
const anyMark = /wc-[0-9a-f]{12}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/

/** The mark in a render's request: one that carries another attempt's is not this one's. */
export const namesAnother = (inputText: string | null): string | undefined =>
  anyMark.exec(inputText ?? '')?.[0]

/** Providers cut long texts, and so do we. */
const comparedCharacters = 1000

const plain = (text: string): string => text.trim().replaceAll(/\s+/g, ' ').slice(0, comparedCharacters)

/** Whether a render is of the model and the words that an attempt asked for. */
export const resembles = (
  { model, prompt }: Pick<Attempt, 'model' | 'prompt'>,
  render: Pick<ProviderRender, 'model' | 'prompt'>,
): boolean =>
  prompt !== null &&
  render.prompt !== null &&
  render.model === model &&
  plain(render.prompt) === plain(prompt)
