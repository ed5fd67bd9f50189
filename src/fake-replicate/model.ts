/** The video models and their input, from their pages at Replicate. Other models accept any input. */

export type ModelInput = Readonly<Record<string, unknown>>

interface Model {
  readonly required: readonly string[]
  readonly defaults: ModelInput
  /** The only values a field may have. */
  readonly allowed: Readonly<Record<string, readonly unknown[]>>
  /** Why an input that passes the schema fails in the model. */
  readonly impossible: (input: ModelInput) => string | null
}

const never = (): null => null

const veo: Model = {
  required: ['prompt'],
  defaults: { duration: 8, resolution: '1080p', aspect_ratio: '16:9', generate_audio: true },
  allowed: {
    duration: [4, 6, 8],
    resolution: ['720p', '1080p'],
    aspect_ratio: ['16:9', '9:16'],
    generate_audio: [true, false],
  },
  impossible: never,
}

const hailuoIsImpossible: Model['impossible'] = ({ resolution, duration }) =>
  resolution === '1080p' && duration !== 6 ? '1080p supports only 6-second duration' : null

const models: Readonly<Record<string, Model>> = {
  'google/veo-3.1': veo,
  'google/veo-3.1-fast': veo,
  'minimax/hailuo-02': {
    required: ['prompt'],
    defaults: { duration: 6, resolution: '1080p' },
    allowed: { duration: [6, 10], resolution: ['512p', '768p', '1080p'] },
    impossible: hailuoIsImpossible,
  },
  'minimax/hailuo-2.3': {
    required: ['prompt'],
    defaults: { duration: 6, resolution: '768p' },
    allowed: { duration: [6, 10], resolution: ['768p', '1080p'] },
    impossible: hailuoIsImpossible,
  },
  'kwaivgi/kling-v2.1': {
    required: ['prompt', 'start_image'],
    defaults: { duration: 5, mode: 'standard' },
    allowed: { duration: [5, 10], mode: ['standard', 'pro'] },
    impossible: ({ mode, end_image: end }) =>
      mode === 'standard' && typeof end === 'string' ? 'end_image is only supported in pro mode' : null,
  },
}

const anyModel: Model = { required: [], defaults: { duration: 5 }, allowed: {}, impossible: never }

const modelOf = (name: string): Model => models[name] ?? anyModel

/** The input with the model's defaults filled in. */
export const wholeInput = (model: string, input: ModelInput): ModelInput => ({
  ...modelOf(model).defaults,
  ...input,
})

export interface InvalidField {
  readonly type: 'required' | 'enum'
  readonly field: string
  readonly description: string
}

/** The violations of the model's schema. */
export function invalidFields(model: string, input: ModelInput): InvalidField[] {
  const { required, allowed } = modelOf(model)
  const missing = required.filter((field) => input[field] === undefined)
  const wrong = Object.entries(allowed).filter(
    ([field, values]) => input[field] !== undefined && !values.includes(input[field]),
  )
  return [
    ...missing.map((field) => ({
      type: 'required' as const,
      field: 'input',
      description: `${field} is required`,
    })),
    ...wrong.map(([field, values]) => ({
      type: 'enum' as const,
      field: `input.${field}`,
      description: `${field} must be one of the following: ${values.map((value) => JSON.stringify(value)).join(', ')}`,
    })),
  ]
}

/** Why the model would fail on an input that passes its schema; null if it would not. */
export const impossibleInput = (model: string, input: ModelInput): string | null =>
  modelOf(model).impossible(wholeInput(model, input))

/** The requested length of the clip, in seconds. */
export function secondsOf(model: string, input: ModelInput): number {
  const { duration } = wholeInput(model, input)
  return typeof duration === 'number' && duration > 0 ? duration : 5
}

/** Whether the clip is requested with sound. */
export function hasSound(model: string, input: ModelInput): boolean {
  const { generate_audio: generated, audio } = wholeInput(model, input)
  return generated === true || audio === true
}

/** Pixels of the shorter side. */
export function shortSideOf(model: string, input: ModelInput): number {
  const { resolution, mode } = wholeInput(model, input)
  const named = typeof resolution === 'string' ? Number.parseInt(resolution, 10) : Number.NaN
  return named > 0 ? named : mode === 'pro' ? 1080 : 720
}
