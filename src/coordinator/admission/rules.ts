/**
 * The rules of admission, pure: whether a scene may start now, and if not, the one reason why. Admission
 * starts scenes by these rules, and `read/waiting.ts` explains waits by them.
 */
import { type Money, endOfDay, spokenMoney } from '../../job/price.ts'
import { type LastStarts, type Pace, type ManualPause, isPaced, pacedStartAt } from '../../job/queue.ts'

/** A renderer, as admission sees it. */
export interface RendererLimit extends Pace {
  readonly name: string
  readonly models: readonly string[]
  /** Maximum number of attempts in flight, over all jobs. */
  readonly maxConcurrency: number
  /** The task that runs an attempt. */
  readonly task: 'render-scene' | 'follow-render'
}

export interface ProviderCooldown {
  /** ms since the epoch. */
  readonly until: number
  readonly reason: string
  /** Whether the provider requested it; else it follows failed requests. */
  readonly isAsked: boolean
}

/** What blocks all starts at a renderer. */
interface Blocked {
  /** Requested by the provider, or imposed because it does not answer. */
  readonly cooldown: ProviderCooldown | undefined
  /** The provider did not answer the last render request: one request at a time probes it until it does. */
  readonly isProbed: boolean
  /** Set by a person, for all renderers or this one. */
  readonly manualPause: ManualPause | undefined
}

/** What decides when the next request may be sent to a renderer, read from rows. */
export interface Gate extends Blocked, LastStarts {
  /** Requests sent and not yet answered. */
  readonly unanswered: number
}

/** What decides how many scenes may start at a renderer, read from rows. */
export interface RendererNow extends Blocked {
  readonly inFlight: number
  /** Attempts in flight whose request is not sent yet. */
  readonly unsent: number
  /** Requests sent and not yet answered. */
  readonly unanswered: number
}

export const waitCodes = [
  'approval',
  'rejected',
  'paused',
  'renderer_paused',
  'job_paused',
  'dependency',
  'scheduled',
  'jobs_limit',
  'stitching',
  'provider_pause',
  'disk',
  'slots',
  'start_delay',
  'budget_job',
  'budget_client',
  'budget_day',
  'budget_total',
  'unknown_price',
  'same_render',
  'back_off',
  'after_crash',
  'job_not_approved',
  'queue',
  'unknown',
  'held',
  'unreadable',
  'fetching',
  'ffmpeg_failed',
] as const
export type WaitCode = (typeof waitCodes)[number]

/** Waits by which lists of jobs are filtered. */
export const foundWaits = [
  'approval',
  'rejected',
  'held',
  'budget_job',
  'budget_client',
  'budget_day',
  'budget_total',
  'paused',
  'renderer_paused',
  'job_paused',
  'provider_pause',
  'dependency',
  'scheduled',
] as const satisfies readonly WaitCode[]
export type FoundWait = (typeof foundWaits)[number]

/** The one reason why a scene waits. */
export interface Waiting {
  readonly code: WaitCode
  /** For people. */
  readonly reason: string
  /** When the wait ends by itself, ms since the epoch; null where unknown. */
  readonly until: number | null
  /** The budget that is used up, and how much more it would have to allow. */
  readonly budget?: { readonly name: string; readonly missingMicros: number }
}

/** A wait with its start, `since`, ms since the epoch. */
export interface WaitingSince extends Waiting {
  readonly since: number
}

/**
 * Attempts prepared ahead at a paced renderer: enough to lose no time, few enough for priorities to count.
 */
const unsentAhead = 2

/** How many scenes this renderer's limits allow to start now. */
export function freeStarts(limit: RendererLimit, at: RendererNow): number {
  if (at.cooldown || at.manualPause) return 0
  const slots = limit.maxConcurrency - at.inFlight
  if (at.isProbed) return Math.max(0, Math.min(slots, 1 - at.unsent - at.unanswered))
  return Math.max(0, isPaced(limit) ? Math.min(slots, unsentAhead - at.unsent) : slots)
}

/** Why nothing can start at a renderer now; undefined where something can. */
export function rendererWait(limit: RendererLimit, at: RendererNow): Waiting | undefined {
  if (at.manualPause) return manualPauseWait(at.manualPause)
  if (at.cooldown)
    return {
      code: 'provider_pause',
      reason: at.cooldown.isAsked
        ? `${limit.name} asked to wait: ${at.cooldown.reason}`
        : `${limit.name} does not accept renders (${at.cooldown.reason}); one is sent as a test after the wait`,
      until: at.cooldown.until,
    }
  if (limit.maxConcurrency <= at.inFlight)
    return {
      code: 'slots',
      reason: busyWords(limit),
      until: null,
    }
  if (freeStarts(limit, at) === 0 && at.isProbed)
    return {
      code: 'provider_pause',
      reason: `${limit.name} did not accept the last render; one is sent first as a test`,
      until: null,
    }
  if (freeStarts(limit, at) === 0)
    return {
      code: 'start_delay',
      reason: `${limit.name} starts ${paceOf(limit)}, and other scenes are ahead`,
      until: null,
    }
  return undefined
}

function busyWords({ name, maxConcurrency: slots }: RendererLimit): string {
  if (slots === 0) return `${name} has no render slots: raise its max_concurrency`
  if (slots === 1) return `the ${name} render slot is busy`
  return `${slots === 2 ? 'both' : `all ${slots}`} ${name} render slots are busy`
}

const paceOf = ({ startDelayMs, startsPerMinute }: RendererLimit): string =>
  [
    ...(startDelayMs > 0 ? [`one render every ${startDelayMs} ms`] : []),
    ...(startsPerMinute === undefined ? [] : [`${startsPerMinute} renders a minute`]),
  ].join(' and at most ')

/** A manual pause as a reason to wait. */
export function manualPauseWait({ scope, reason, by, since }: ManualPause): WaitingSince {
  const what = scope === 'all' ? 'all rendering' : scope.slice('renderer:'.length)
  return {
    code: scope === 'all' ? 'paused' : 'renderer_paused',
    reason: `${what} is paused${by === null ? '' : ` by ${by}`} until it is resumed${reason === null ? '' : `: ${reason}`}`,
    until: null,
    since,
  }
}

/** Poll interval during a manual pause, ms: the resume signal may be missed. */
const manualPauseCheckMs = 5000

/** Poll interval while another request probes the provider, ms. */
const probeCheckMs = 1000

/** When the next request may be sent to a renderer, ms since the epoch; `now` if at once. */
export const mayPostAt = (pace: Pace, at: Gate, now: number): number =>
  Math.max(
    pacedStartAt(pace, at, now),
    at.cooldown?.until ?? now,
    at.manualPause ? now + manualPauseCheckMs : now,
    at.isProbed && at.unanswered > 0 ? now + probeCheckMs : now,
  )

/** A budget that covers a scene, and its use. */
export interface Budget {
  /** job, client, client:<id>, day or total. */
  readonly name: string
  readonly limitMicros: number
  readonly used: Money
}

/** What decides whether a scene's cost may be reserved. */
export interface SceneMoney {
  /** The price of one render; null where unknown. */
  readonly priceMicros: number | null
  readonly authorisedMicros: number
  readonly unknownCostAccepted: boolean
  /** Changed after the approval by an actor without the right to approve. */
  readonly unapproved: boolean
  /** The money of its job. */
  readonly job: Money
  readonly budgets: readonly Budget[]
}

const taken = ({ reservedMicros, spentMicros }: Money): number => reservedMicros + spentMicros

/** Why a scene's cost must not be reserved now; undefined where it may. */
export function moneyWait(scene: SceneMoney, now: number): Waiting | undefined {
  const { priceMicros } = scene
  if (priceMicros === 0) return undefined
  if (scene.unapproved)
    return {
      code: 'approval',
      reason: `changed after the approval: approve its ${priceMicros === null ? 'unknown price' : spokenMoney(priceMicros)}`,
      until: null,
    }
  if (priceMicros === null) {
    if (!scene.unknownCostAccepted)
      return {
        code: 'approval',
        reason: 'its price is unknown: approve it with accept_unknown_cost',
        until: null,
      }
    const budget = scene.budgets[0]
    return (
      budget && {
        code: 'unknown_price',
        reason: `its price is unknown, so it cannot be checked against ${budgetWords(budget)}`,
        until: null,
      }
    )
  }
  const needed = taken(scene.job) + priceMicros
  if (needed > scene.authorisedMicros)
    return {
      code: 'approval',
      reason: `needs ${spokenMoney(priceMicros)}; ${leftWords(scene.authorisedMicros, scene.job)} is left of what was approved`,
      until: null,
    }
  const over = scene.budgets.find(({ limitMicros, used }) => taken(used) + priceMicros > limitMicros)
  return over && budgetWait(over, priceMicros, now)
}

const leftWords = (limitMicros: number, used: Money): string =>
  `${spokenMoney(Math.max(0, limitMicros - taken(used)))} of ${spokenMoney(limitMicros)}`

function budgetWords({ name }: Budget): string {
  if (name === 'day') return "today's budget"
  if (name === 'total') return 'the total budget'
  return name.startsWith('client:')
    ? `client ${name.slice('client:'.length)}'s budget`
    : `the ${name}'s budget`
}

function budgetWait(budget: Budget, priceMicros: number, now: number): Waiting {
  const kind = budget.name.split(':', 1)[0]
  return {
    code:
      kind === 'job'
        ? 'budget_job'
        : kind === 'day'
          ? 'budget_day'
          : kind === 'total'
            ? 'budget_total'
            : 'budget_client',
    reason: `needs ${spokenMoney(priceMicros)}; ${leftWords(budget.limitMicros, budget.used)} is left in ${budgetWords(budget)}`,
    until: kind === 'day' ? endOfDay(now) : null,
    budget: {
      name: budget.name,
      missingMicros: taken(budget.used) + priceMicros - budget.limitMicros,
    },
  }
}

const firstOutageMs = 10_000
const mostOutageMs = 600_000

/** The back-off after consecutive unanswered requests, ms: it doubles with each, up to a maximum. */
export const outageWaitMs = (failures: number): number =>
  Math.min(mostOutageMs, firstOutageMs * 2 ** (failures - 1))

/** The scene's own render is held: a second render might be charged as well. */
export const ownHeldWait: Waiting = {
  code: 'held',
  reason: 'the provider may have accepted its earlier render: resolve the scene',
  until: null,
}

export const sameRenderWait: Waiting = {
  code: 'same_render',
  reason: 'an equal scene is being rendered, and this one will use its clip',
  until: null,
}

export const jobsLimitWait = (limit: number): Waiting => ({
  code: 'jobs_limit',
  reason: `${limit === 1 ? '1 job is' : `${limit} jobs are`} processing, which is the limit`,
  until: null,
})
