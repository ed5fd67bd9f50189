/** What needs a person, as far as this one may act. */
import type { AttentionAnswer } from './client.ts'
import { type Live, useLive } from './live.ts'
import { usePolled } from './polled.ts'
import { useSession } from './session.tsx'
import { attentionSource } from './sources.ts'

/** No event tells of pauses, budgets and webhooks. */
const againMs = 30_000

export interface Attention extends Live<AttentionAnswer> {
  /** Of all that is shown to this person. */
  readonly count: number
  /** Whether there may be more. */
  readonly isMore: boolean
}

export function useAttention(): Attention {
  const { can } = useSession()
  const live = useLive(attentionSource)
  const { again, data } = live
  usePolled(again, againMs)
  const shown = data
    ? [
        ...(can('approve') ? [data.approvals, data.held] : []),
        ...(can('admin') ? [data.budgets, data.webhooks, { count: data.pauses.length, more: false }] : []),
      ]
    : []
  return {
    ...live,
    count: shown.reduce((sum, { count }) => sum + count, 0),
    isMore: shown.some(({ more }) => more),
  }
}
