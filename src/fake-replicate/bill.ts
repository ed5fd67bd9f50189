/** Replicate's bill, from a table separate from the product's price book, so that a wrong price there shows. */
import type { ModelInput } from './model.ts'

interface Tariff {
  readonly model: string
  /** Required values of input fields. */
  readonly when?: ModelInput
  readonly microsPerSecond?: number
  readonly microsPerClip?: number
}

/** The first matching entry applies. */
const tariffs: readonly Tariff[] = [
  { model: 'google/veo-3.1', when: { generate_audio: false }, microsPerSecond: 200_000 },
  { model: 'google/veo-3.1', microsPerSecond: 400_000 },
  { model: 'google/veo-3.1-fast', when: { generate_audio: false }, microsPerSecond: 100_000 },
  { model: 'google/veo-3.1-fast', microsPerSecond: 150_000 },
  { model: 'minimax/hailuo-02', when: { resolution: '512p' }, microsPerSecond: 25_000 },
  { model: 'minimax/hailuo-02', when: { resolution: '768p' }, microsPerSecond: 45_000 },
  { model: 'minimax/hailuo-02', when: { resolution: '1080p' }, microsPerSecond: 80_000 },
  { model: 'minimax/hailuo-2.3', when: { resolution: '768p', duration: 6 }, microsPerClip: 280_000 },
  { model: 'minimax/hailuo-2.3', when: { resolution: '768p', duration: 10 }, microsPerClip: 560_000 },
  { model: 'minimax/hailuo-2.3', when: { resolution: '1080p' }, microsPerClip: 490_000 },
  { model: 'kwaivgi/kling-v2.1', when: { mode: 'standard' }, microsPerSecond: 50_000 },
  { model: 'kwaivgi/kling-v2.1', when: { mode: 'pro' }, microsPerSecond: 90_000 },
]

const otherMicrosPerSecond = 50_000

/**
 * Millionths of a US dollar for a clip that was rendered, or cancelled during its render.
 * @param input with the model's defaults filled in
 * @param overrides micros a second, by model
 */
export function billMicros(
  model: string,
  input: ModelInput,
  seconds: number,
  overrides: Readonly<Record<string, number>> = {},
): number {
  const override = overrides[model]
  if (override !== undefined) return Math.ceil(override * seconds)
  const tariff = tariffs.find((each) => each.model === model && fits(each.when ?? {}, input))
  if (tariff?.microsPerClip !== undefined) return tariff.microsPerClip
  return Math.ceil((tariff?.microsPerSecond ?? otherMicrosPerSecond) * seconds)
}

function fits(when: ModelInput, input: ModelInput): boolean {
  return Object.entries(when).every(([field, value]) => input[field] === value)
}
