/** The state that decides what may start at a renderer. One statement, because admission reads it on every pass. */
import type { ManualPause } from '../job/queue.ts'
import type { Reader, Row } from './database.ts'
import { type Occupancy, takesSlot } from './attempts.ts'
import type { Outage, Cooldown } from './money.ts'
import { number, numberOrNull, text, textOrNull } from './sql.ts'

export interface GateRows {
  readonly occupancy: Occupancy
  /** Whether the queue holds a job that has not started, or a scene that waits at this renderer. */
  readonly isQueued: boolean
  /** Limits set at run time, by name. */
  readonly limits: ReadonlyMap<string, number>
  readonly manualPauses: readonly ManualPause[]
  /** The provider cooldown. */
  readonly cooldown: Cooldown | undefined
  readonly outage: Outage | undefined
}

const noText = 'cast(null as text)'

// $1: the renderer; $2: now.
const gate = `
  select 'occupancy' as kind, ${noText} as name, ${noText} as reason, ${noText} as actor, count(*) as first,
    coalesce(sum(case when status = 'intended' and posted_at is null then 1 else 0 end), 0) as second,
    coalesce(sum(case when status = 'intended' and posted_at is not null then 1 else 0 end), 0) as third
  from attempts where renderer = $1 and ${takesSlot}
  union all select 'queue', null, null, null,
    case when exists (
      select 1 from jobs where queue_at is not null and (status = 'approved' or exists (
        select 1 from scenes where scenes.job_id = jobs.id and scenes.status = 'pending' and scenes.renderer = $1
      ))
    ) then 1 else 0 end, null, null
  union all select 'limit', name, null, null, value, null, null from limits
  union all select 'stop', scope, reason, actor, inserted_at, null, null from stops
  union all select 'pause', null, reason, null, until, null, null from pauses where renderer = $1
  union all select 'outage', null, reason, null, until, failures, null from outages where renderer = $1`

export async function readGate(reader: Reader, renderer: string, now: number): Promise<GateRows> {
  const rows = await reader.all(gate, [renderer, now])
  const of = (kind: string): readonly Row[] => rows.filter((row) => row['kind'] === kind)
  const [taken] = of('occupancy')
  const [pause] = of('pause')
  const [outage] = of('outage')
  return {
    occupancy: {
      inFlight: Number(taken!['first']),
      unsent: Number(taken!['second']),
      unanswered: Number(taken!['third']),
    },
    isQueued: of('queue').some((row) => Number(row['first']) === 1),
    limits: new Map(
      of('limit').flatMap((row) => {
        const value = numberOrNull(row, 'first')
        return value === null ? [] : [[text(row, 'name'), value] as const]
      }),
    ),
    manualPauses: of('stop')
      .map((row) => ({
        scope: text(row, 'name'),
        reason: textOrNull(row, 'reason'),
        by: textOrNull(row, 'actor'),
        since: number(row, 'first'),
      }))
      .toSorted((one, other) => (one.scope < other.scope ? -1 : 1)),
    cooldown: pause && { until: number(pause, 'first'), reason: text(pause, 'reason') },
    outage: outage && {
      until: number(outage, 'first'),
      failures: number(outage, 'second'),
      reason: text(outage, 'reason'),
    },
  }
}
