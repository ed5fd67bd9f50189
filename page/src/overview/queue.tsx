/** What waits, and for what: a bar of the reasons, and the same in words. */
import { foundWaits } from '../jobs/waits.ts'
import { Link } from '../router.tsx'
import type { QueueAnswer } from '../server/client.ts'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Card } from './card.tsx'
import type { Figures } from './sources.ts'

type Reason = QueueAnswer['reasons'][number]

/** Whose end a person brings about; the others end by themselves. */
const needsPerson: ReadonlySet<Reason['code']> = new Set([
  'approval',
  'rejected',
  'paused',
  'renderer_paused',
  'job_paused',
  'budget_job',
  'budget_client',
  'budget_total',
  'unknown_price',
  'held',
])
const isTrouble: ReadonlySet<Reason['code']> = new Set([
  'provider_pause',
  'disk',
  'unknown',
  'unreadable',
  'budget_day',
  'back_off',
  'after_crash',
  'ffmpeg_failed',
])

const toneOf = (code: Reason['code']): string =>
  needsPerson.has(code) ? 'warn' : isTrouble.has(code) ? 'bad' : 'accent'

export function Queue({ queue }: Figures) {
  const words = useWords()
  return (
    <Card title={words.overview.queue} live={queue}>
      {({ scenes, more_jobs: moreJobs, reasons }) =>
        reasons.length === 0 ? (
          <p className="quiet">{words.overview.queueEmpty}</p>
        ) : (
          <>
            <div className="reasons-bar" aria-hidden="true">
              {reasons.map((reason) => (
                <span
                  key={`${reason.code} ${reason.renderer}`}
                  data-tone={toneOf(reason.code)}
                  style={{ flexGrow: reason.scenes / Math.max(1, scenes) }}
                />
              ))}
            </div>
            <ul className="lines">
              {reasons.map((reason) => (
                <ReasonLine key={`${reason.code} ${reason.renderer}`} reason={reason} />
              ))}
            </ul>
            {moreJobs > 0 && <p className="small quiet">{words.overview.moreJobs(moreJobs)}</p>}
          </>
        )
      }
    </Card>
  )
}

function ReasonLine({ reason }: { readonly reason: Reason }) {
  const words = useWords()
  const { code, renderer, scenes, jobs, oldest, until } = reason
  const name = words.overview.reasons[code]
  return (
    <li className="reason">
      <span className="reason-mark" data-tone={toneOf(code)} aria-hidden="true" />
      <span className="reason-name">
        {foundWaits.has(code) ? <Link to={`/jobs?waiting=${code}`}>{name}</Link> : name}
        {renderer !== null && <span className="quiet"> {words.overview.at(renderer)}</span>}
        {until !== null && (
          <span className="quiet">
            {' '}
            (<Time at={until} />)
          </span>
        )}
      </span>
      <span className="reason-count">
        {words.scenes(scenes)} <span className="quiet small">{words.jobs(jobs)}</span>
      </span>
      <span className="reason-oldest small quiet" title={oldest.reason}>
        {words.overview.longest} <Link to={`/jobs/${oldest.job_id}`}>#{oldest.job_id}</Link>,{' '}
        <Time at={oldest.since} />
      </span>
    </li>
  )
}
