/** Reads and validates a POST that creates a prediction. */
import { type ModelInput, invalidFields } from './model.ts'
import type { WebhookEvent } from './ledger.ts'
import { type Answer, type FakeRequest, answerProblem } from './reply.ts'

export interface Order {
  readonly model: string
  readonly version: string
  readonly input: ModelInput
  readonly webhook: { readonly url: string; readonly events: ReadonlySet<WebhookEvent> } | null
  /** Time from its creation to its forced end; Infinity without Cancel-After. */
  readonly cancelAfterMs: number
}

export type OrderOutcome =
  | { readonly kind: 'order'; readonly order: Order }
  /** `model` and `input`, as far as readable. */
  | { readonly kind: 'invalid'; readonly answer: Answer; readonly model: string; readonly input: ModelInput }

const webhookEvents: readonly WebhookEvent[] = ['start', 'output', 'logs', 'completed']
const shortestCancelMs = 5000

/** @param named the model in the path; null if the body contains a version */
export function readOrder(request: FakeRequest, named: string | null): OrderOutcome {
  let body: unknown
  try {
    body = JSON.parse(Buffer.from(request.body).toString())
  } catch {
    const answer = answerProblem(400, 'Bad request', 'The request body is not valid JSON')
    return { kind: 'invalid', answer, model: named ?? 'unknown/unknown', input: {} }
  }
  const fields = isObject(body) ? body : {}
  const { model, version } = named === null ? modelOf(fields['version']) : { model: named, version: 'hidden' }
  const input = isObject(fields['input']) ? fields['input'] : {}
  const invalid = (detail: string, invalid_fields: readonly object[] = []): OrderOutcome => ({
    kind: 'invalid',
    answer: answerProblem(422, 'Input validation failed', detail, { invalid_fields }),
    model,
    input,
  })

  if (named === null && typeof fields['version'] !== 'string') return invalid('- version is required\n')
  if (!isObject(fields['input'])) return invalid('- input is required\n')
  const wrong = invalidFields(model, input)
  if (wrong.length > 0)
    return invalid(wrong.map(({ field, description }) => `- ${field}: ${description}\n`).join(''), wrong)
  const webhook = readWebhook(fields)
  if (typeof webhook === 'string') return invalid(webhook)
  const cancelAfterMs = readCancelAfter(request.headers.get('cancel-after'))
  if (cancelAfterMs === null) return invalid('- Cancel-After: must be a duration of at least 5 seconds\n')
  return { kind: 'order', order: { model, version, input, webhook, cancelAfterMs } }
}

/** `owner/name`, `owner/name:version`, or a version alone, which counts as one unnamed model. */
function modelOf(version: unknown): { model: string; version: string } {
  const text = typeof version === 'string' ? version : ''
  if (!text.includes('/')) return { model: 'unknown/unknown', version: text }
  const [model = '', id = 'hidden'] = text.split(':')
  return { model, version: id }
}

function readWebhook({ webhook, webhook_events_filter: filter }: ModelInput): Order['webhook'] | string {
  if (webhook === undefined || webhook === null) return null
  if (typeof webhook !== 'string' || !/^https?:$/.test(URL.parse(webhook)?.protocol ?? ''))
    return '- webhook: must be a valid URL\n'
  if (filter === undefined || filter === null)
    return { url: webhook, events: new Set<WebhookEvent>(['output', 'completed']) }
  const names: readonly unknown[] = Array.isArray(filter) ? filter : [filter]
  const events = webhookEvents.filter((event) => names.includes(event))
  if (events.length < names.length) return `- webhook_events_filter: must be of ${webhookEvents.join(', ')}\n`
  return { url: webhook, events: new Set(events) }
}

/** For example 90s, 5m, 1h30m or, in seconds, 90; null if malformed or too short. */
function readCancelAfter(header: string | null): number | null {
  if (header === null) return Infinity
  const match = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(header.trim())
  if (match === null) return null
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0))
  const ms = (hours * 3600 + minutes * 60 + seconds) * 1000
  return ms < shortestCancelMs ? null : ms
}

function isObject(value: unknown): value is ModelInput {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
