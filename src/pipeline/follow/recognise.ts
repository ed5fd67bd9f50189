/** Decides which attempt a provider's render belongs to, beyond the marks that the attempt was sent with. Pure. */
import type { Attempt } from '../../job/attempt.ts'
import type { ProviderRender } from '../../renderer/provider.ts'

/** The mark of any attempt, of this installation or another one. */
const anyMark = /wc-[0-9a-f]{12}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/

/** The mark in a render's request. A render with another attempt's mark does not belong to this attempt. */
export const namesAnother = (inputText: string | null): string | undefined =>
  anyMark.exec(inputText ?? '')?.[0]

/** Providers truncate long texts, so only this much is compared. */
const comparedCharacters = 1000

const plain = (text: string): string => text.trim().replaceAll(/\s+/g, ' ').slice(0, comparedCharacters)

/** Whether a render has the model and the prompt that an attempt requested. */
export const resembles = (
  { model, prompt }: Pick<Attempt, 'model' | 'prompt'>,
  render: Pick<ProviderRender, 'model' | 'prompt'>,
): boolean =>
  prompt !== null &&
  render.prompt !== null &&
  render.model === model &&
  plain(render.prompt) === plain(prompt)
