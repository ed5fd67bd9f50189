/** What needs a person, as far as this one may act. */
import { useEffect } from 'react'
import { type AttentionAnswer, type JobEvent, client } from './client.ts'
import { type Live, type Source, useLive } from './live.ts'
import { useSession } from './session.tsx'

/** Renders come and go without a person. */
const quiet: ReadonlySet<JobEvent['type']> = new Set([
  'job_progress',
  'job_processing',
  'scene_processing',
  'scene_rendered',
  'scene_completed',
  'scene_retrying',
])
/** No event tells of pauses, budgets and webhooks. */
const againMs = 30_000

const attentionSource: Source<AttentionAnswer> = {
  name: 'attention',
  load: (signal) => client.readAttention({}, { signal }),
  on: ({ type }, data) => (quiet.has(type) ? data : 'again'),
}

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
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') again()
    }, againMs)
    return () => clearInterval(timer)
  }, [again])
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
