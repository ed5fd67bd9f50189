/** A prediction, and its representation in Replicate's API. */
import type { Fault, FaultOf } from './fault.ts'
import type { EndStatus, WebhookEvent } from './ledger.ts'
import type { ModelInput } from './model.ts'

export interface Prediction {
  readonly id: string
  /** `owner/name`. */
  readonly model: string
  /** `hidden` for an official model. */
  readonly version: string
  readonly input: ModelInput
  readonly mark: string | null
  /** The API's origin at its creation, which its links use. */
  readonly origin: string
  /** ms since the epoch, as all times here. */
  readonly createdAt: number
  /** From when lists include it. */
  readonly listedAt: number
  /** When it is ended at the latest; Infinity: never. */
  readonly deadline: number
  /** The duration of its render. */
  readonly renderMs: number
  readonly webhook: { readonly url: string; readonly events: ReadonlySet<WebhookEvent> } | null
  readonly fault: FaultOf<'prediction'> | null
  /** A planned fault of a later stage; a read or fetch consumes it. */
  planned: Fault | null
  status: 'starting' | 'processing' | EndStatus
  startedAt: number | null
  completedAt: number | null
  error: string | null
  /** The fault that refused its cancellation. */
  cancelRefusal: FaultOf<'cancel'> | null
  clip: Uint8Array | null
  /** From when its output appears. */
  outputAt: number
  /** Its output answers 404 permanently. */
  gone: boolean
  /** Fires when it ends. */
  readonly over: AbortController
}

/** How long Replicate keeps a prediction's input, output and logs after its end. */
const keptMs = 3_600_000

export const isEnded = ({ completedAt }: Prediction): boolean => completedAt !== null

export const isRemoved = ({ completedAt }: Prediction, now: number): boolean =>
  completedAt !== null && now >= completedAt + keptMs

export const outputPath = (id: string): string => `/delivery/${id}/output.mp4`

const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && /^(?:https?:|data:)/.test(value)

/** The input with each URL replaced. */
const withAddresses = (input: ModelInput, shown: (member: string) => string): ModelInput =>
  Object.fromEntries(
    Object.entries(input).map(([member, value]) => [member, isAddress(value) ? shown(member) : value]),
  )

/** The fetchable URLs of an input. */
export const pictureUrls = (input: ModelInput): readonly string[] =>
  Object.values(input).filter((value): value is string => isAddress(value) && !value.startsWith('data:'))

/** A prediction's representation with its pictures inlined. */
export const withPictures = (shown: object, bytes: number): object =>
  'input' in shown && typeof shown.input === 'object'
    ? {
        ...shown,
        input: withAddresses({ ...shown.input }, () => `data:image/jpeg;base64,${'A'.repeat(bytes)}`),
      }
    : shown

export function showPrediction(
  prediction: Prediction,
  now: number,
  shows: 'as_sent' | 'copies' | 'seedless' = 'as_sent',
): object {
  const {
    id,
    model,
    version,
    input,
    origin,
    status,
    error,
    clip,
    createdAt,
    startedAt,
    completedAt,
    outputAt,
  } = prediction
  const removed = isRemoved(prediction, now)
  const { seed, ...seedless } = withAddresses(input, (member) => `${origin}/copies/${id}/${member}.jpg`)
  const copies = { ...seedless, ...(shows === 'copies' && seed !== undefined && { seed }) }
  const shownInput = shows === 'as_sent' ? input : copies
  return {
    id,
    model,
    version,
    input: removed ? {} : shownInput,
    logs: removed ? '' : logs(prediction, now),
    output: removed || clip === null || now < outputAt ? null : `${origin}${outputPath(id)}`,
    data_removed: removed,
    error,
    source: 'api',
    status,
    created_at: time(createdAt),
    // Unknown members are left out, not null.
    ...(startedAt !== null && { started_at: time(startedAt) }),
    ...(completedAt !== null && {
      completed_at: time(completedAt),
      metrics: {
        ...(startedAt !== null && { predict_time: (completedAt - startedAt) / 1000 }),
        total_time: (completedAt - createdAt) / 1000,
      },
    }),
    urls: {
      get: `${origin}/v1/predictions/${id}`,
      cancel: `${origin}/v1/predictions/${id}/cancel`,
      web: `${origin}/p/${id}`,
    },
  }
}

/** With microseconds, as in Replicate's API. */
const time = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')

/** A line of a progress bar for each tenth done. */
function logs({ status, startedAt, completedAt, renderMs }: Prediction, now: number): string {
  if (startedAt === null) return ''
  const share = status === 'succeeded' ? 1 : Math.min(((completedAt ?? now) - startedAt) / renderMs, 0.9)
  const tenths = renderMs > 0 ? Math.floor(share * 10) : 10
  return Array.from({ length: tenths + 1 }, (_, tenth) => {
    const percent = String(tenth * 10).padStart(3)
    return `${percent}%|${'#'.repeat(tenth).padEnd(10)}| ${tenth}/10\n`
  }).join('')
}
