/** A prediction as Replicate tells it, and what is read out of it. Pure. */
import { z } from 'zod'
import type { ListedRender, ProviderRender, ProviderTrouble, Recognise } from '../provider.ts'
import { type Api, asWords } from './api.ts'

export const predictionId = z.string().regex(/^[a-z0-9]{5,64}$/)

/** All that has to be understood of the answer to a create: the rest can be read later, under the id. */
export const createdPrediction = z.object({ id: predictionId })

const time = z
  .string()
  .transform((text) => Date.parse(text))
  .pipe(z.number())

export const prediction = z.object({
  id: predictionId,
  status: z.string(),
  created_at: time,
  model: z.string().nullish(),
  input: z.unknown(),
  /** Where it was asked to tell what becomes of it: an address of ours names the attempt. */
  webhook: z.string().nullish().catch(null),
  output: z.unknown(),
  error: z.unknown(),
  data_removed: z.boolean().nullish(),
})
export type Prediction = z.infer<typeof prediction>

/** Around its predictions. `next` must be there: without it nobody knows whether a page is the last. */
export const predictionPage = z.object({ next: z.string().nullable(), results: z.array(z.literal(0)) })

const states: ReadonlyMap<string, ProviderRender['state']> = new Map([
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['canceled', 'cancelled'],
  ['aborted', 'aborted'],
])

// A status that isn't known is not known to be an end.
const stateOf = ({ status }: Prediction): ProviderRender['state'] => states.get(status) ?? 'running'

/** A row of a list: its input is looked into here and not kept. */
export function listedRenderOf(
  told: Prediction,
  { clock }: Pick<Api, 'clock'>,
  { markIn, resembles }: Recognise,
): ListedRender {
  const hasInput = inputTextOf(told) !== null
  // The webhook's address may outlive the input.
  const mark = markIn(wholeTextOf(told) ?? told.webhook ?? '') ?? null
  return {
    id: told.id,
    createdAt: clock.toOurs(told.created_at),
    state: stateOf(told),
    mark,
    resembles: mark === null && hasInput && (resembles?.(wishOf(told)) ?? false),
    hasInput,
  }
}

const wished = z.object({ prompt: z.string() })

const wishOf = (told: Prediction): Pick<ProviderRender, 'model' | 'prompt'> => ({
  model: told.model ?? null,
  prompt: wished.safeParse(told.input).data?.prompt ?? null,
})

/** `quote` makes the provider's words fit to be kept. */
export function renderOf(told: Prediction, { quote, clock }: Pick<Api, 'quote' | 'clock'>): ProviderRender {
  const state = stateOf(told)
  return {
    id: told.id,
    createdAt: clock.toOurs(told.created_at),
    state,
    ...wishOf(told),
    inputText: wholeTextOf(told),
    outputUrl: outputUrlOf(told.output),
    trouble: state === 'failed' ? troubleOf(told.error, quote) : null,
  }
}

/** Null rather than `{}` after a removal: text without a mark would prove that the render is somebody else's. */
function inputTextOf({ input, data_removed }: Prediction): string | null {
  if (data_removed === true || input === undefined || input === null) return null
  const text = textOf(input)
  return text === '{}' && data_removed !== false ? null : text
}

function wholeTextOf(told: Prediction): string | null {
  const inputText = inputTextOf(told)
  return inputText === null || !told.webhook ? inputText : `${inputText} ${told.webhook}`
}

/** Null where it is nested deeper than can be written: JSON.parse takes a depth that JSON.stringify can't. */
function textOf(value: unknown): string | null {
  try {
    return JSON.stringify(value)
  } catch {
    return null
  }
}

const output = z.union([z.string(), z.object({ url: z.string() }).transform(({ url }) => url)])
const webAddress = z.url({ protocol: /^https?$/ })

/** Of a model that answers with a list. */
const mostOutputs = 100

/** Models answer with an address, a list of them, or an object that holds one. */
function outputUrlOf(told: unknown): string | null {
  const candidates: readonly unknown[] = Array.isArray(told) ? told.slice(0, mostOutputs) : [told]
  const urls = candidates.map((candidate) => webAddress.safeParse(output.safeParse(candidate).data).data)
  return urls.find((url) => url !== undefined) ?? null
}

type Kind = Pick<ProviderTrouble, 'code' | 'retry'>

/** The first that fits. Content comes first, as its refusals end with "please try again with different inputs". */
const kinds: readonly (readonly [RegExp, Kind])[] = [
  [
    /(?<!case.?)\bsensitive\b|\bflagged\b|\bmoderat(ion|ed)\b|\bnsfw\b|\bE005\b|\bcontent policy\b/i,
    { code: 'content_refused', retry: false },
  ],
  // E6716: time-out when starting. PA: pre-empted.
  [/\bE6716\b|\bPA\b/, { code: 'provider_error', retry: true }],
  [
    /\bpreempted\b|\btimeout starting\b|\binternal\b|\bservice (is )?(temporarily )?unavailable\b|\btry again\b/i,
    { code: 'provider_error', retry: true },
  ],
  [/\binvalid input\b|\bvalidation\b|\bunsupported\b/i, { code: 'bad_input', retry: false }],
]

function troubleOf(error: unknown, quote: (text: string) => string): ProviderTrouble {
  const words = asWords((typeof error === 'string' ? error : error ? textOf(error) : null) ?? '')
  const [, kind] = kinds.find(([pattern]) => pattern.test(words)) ?? []
  const reason = quote(words) || 'Replicate says that it failed, and not why'
  return { ...(kind ?? { code: 'render_failed', retry: true }), reason }
}
