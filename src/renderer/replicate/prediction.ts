/** Parses predictions in Replicate's answers. Pure. */
import { z } from 'zod'
import type { ListedRender, ProviderRender, ProviderTrouble, Recognise } from '../provider.ts'
import { type Api, asWords } from './api.ts'

export const predictionId = z.string().regex(/^[a-z0-9]{5,64}$/)

/** The only required part of the answer to a create: everything else can be read later by id. */
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
  input: z.unknown().optional(),
  /** The webhook address of the request, which contains the attempt's id. */
  webhook: z.string().nullish().catch(null),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
  data_removed: z.boolean().nullish(),
  started_at: z.string().nullish().catch(null),
  metrics: z
    .object({ predict_time: z.number().nullish().catch(null) })
    .nullish()
    .catch(null),
})
export type Prediction = z.infer<typeof prediction>

/** The page around its predictions. `next` is required: without it the last page cannot be recognised. */
export const predictionPage = z.object({ next: z.string().nullable(), results: z.array(z.literal(0)) })

const states: ReadonlyMap<string, ProviderRender['state']> = new Map([
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['canceled', 'cancelled'],
  ['aborted', 'aborted'],
])

const hasBegun = ({ started_at, metrics }: Prediction): boolean =>
  Boolean(started_at) || (metrics?.predict_time ?? 0) > 0

function stateOf(told: Prediction): ProviderRender['state'] {
  // An unknown status may not be final.
  const state = states.get(told.status) ?? 'running'
  // Replicate uses the same status for running and queued predictions.
  return state === 'cancelled' && !hasBegun(told) ? 'aborted' : state
}

/** An entry of a list; its input is searched for marks and dropped. */
export function listedRenderOf(
  told: Prediction,
  { clock }: Pick<Api, 'clock'>,
  { markIn, resembles }: Recognise,
): ListedRender {
  const hasInput = inputTextOf(told) !== null
  // Replicate may keep the webhook's address longer than the input.
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

/** `quote` makes the provider's messages safe to store. */
export function renderOf(told: Prediction, { quote, clock }: Pick<Api, 'quote' | 'clock'>): ProviderRender {
  const state = stateOf(told)
  return {
    id: told.id,
    createdAt: clock.toOurs(told.created_at),
    state,
    ...wishOf(told),
    inputText: wholeTextOf(told),
    ...outputUrls(told.output),
    isRemoved: told.data_removed === true,
    trouble: state === 'failed' ? troubleOf(told.error, quote) : null,
  }
}

/** Null rather than `{}` after a removal: text without a mark would prove that the render is not ours. */
function inputTextOf({ input, data_removed }: Prediction): string | null {
  if (data_removed === true || input === undefined || input === null) return null
  const text = textOf(input)
  return text === '{}' && data_removed !== false ? null : text
}

function wholeTextOf(told: Prediction): string | null {
  const inputText = inputTextOf(told)
  return inputText === null || !told.webhook ? inputText : `${inputText} ${told.webhook}`
}

/** Null if it is nested too deeply: JSON.parse accepts depths at which JSON.stringify fails. */
function textOf(value: unknown): string | null {
  try {
    return JSON.stringify(value)
  } catch {
    return null
  }
}

const webAddress = z.url({ protocol: /^https?$/ })

/** Values that are searched in each list or object of an output. */
const mostOutputs = 100
const mostLevels = 8

/** Names of members that hold other files than the clip. */
const besides = /thumb|preview|poster|cover|mask|image|frame|audio|sound|caption|subtitle|log|input/i

/** By file extension: certainly, possibly, and unlikely a clip. */
const endings: readonly RegExp[] = [
  /\.(?:mp4|m4v|mov|webm|mkv|avi|ts|m2ts|mpe?g|ogv|wmv|flv|3gp)$/i,
  /^(?!.*\.(?:gif|webp|apng|avif|png|jpe?g|bmp|tiff?|svg|heic|mp3|m4a|wav|aac|flac|ogg|opus|json|html?|txt|srt|vtt|zip|csv|pdf)$)/i,
  /\.(?:gif|webp|apng|avif)$/i,
]

const rankOf = (url: string): number => {
  const path = URL.parse(url)?.pathname ?? ''
  const rank = endings.findIndex((ending) => ending.test(path))
  return rank === -1 ? endings.length : rank
}

/**
 * The output of a model is an address, or lists and objects of addresses. An address with a clip's extension is the clip;
 * without one, `otherUrls` holds the other candidates, whose bytes are then checked.
 */
function outputUrls(told: unknown): Pick<ProviderRender, 'outputUrl' | 'otherUrls'> {
  const found = [...addressesIn(told)].map(({ url, isBeside }) => ({ url, isBeside, rank: rankOf(url) }))
  const [first, ...others] = found.toSorted(
    (one, other) => one.rank - other.rank || Number(one.isBeside) - Number(other.isBeside),
  )
  return {
    outputUrl: first?.url ?? null,
    otherUrls: first === undefined || first.rank === 0 ? [] : others.map(({ url }) => url),
  }
}

function* addressesIn(
  told: unknown,
  { isBeside, level } = { isBeside: false, level: 0 },
): Generator<{ readonly url: string; readonly isBeside: boolean }> {
  if (typeof told === 'string') {
    const url = webAddress.safeParse(told.trim()).data
    if (url !== undefined) yield { url, isBeside }
    return
  }
  if (typeof told !== 'object' || told === null || level >= mostLevels) return
  const isList = Array.isArray(told)
  for (const [name, value] of Object.entries(told).slice(0, mostOutputs))
    yield* addressesIn(value, { isBeside: isBeside || (!isList && besides.test(name)), level: level + 1 })
}

type Kind = Pick<ProviderTrouble, 'code' | 'retry'>

/** The first match counts. Content comes first, because its refusals end with "please try again with different inputs". */
const kinds: readonly (readonly [RegExp, Kind])[] = [
  [
    /(?<!case.?)\bsensitive\b|\bflagged\b|\bmoderat(ion|ed)\b|\bnsfw\b|\bE005\b|\bcontent policy\b/i,
    { code: 'content_refused', retry: false },
  ],
  // E6716: start time-out. PA: pre-empted.
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
  const reason = quote(words) || 'Replicate reports a failure without a reason'
  return { ...(kind ?? { code: 'render_failed', retry: true }), reason }
}
