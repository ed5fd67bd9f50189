/** Everything that a person has to decide, in one list. */
import { Link } from '../router.tsx'
import type { JobsAnswer } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { waitingJobs } from '../server/sources.ts'
import { Problem } from '../ui/problem.tsx'
import { Status, Time, useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function Waiting() {
  const words = useWords()
  const { data, error, again } = useLive(waitingJobs)
  return (
    <>
      <h1>{words.nav.waiting}</h1>
      {error !== undefined && <Problem error={error} again={again} />}
      {data?.jobs.length === 0 && (
        <div className="empty">
          <p>{words.waiting.empty}</p>
          <p className="quiet">{words.waiting.emptyNext}</p>
          <Link className="button" to="/new">
            {words.nav.newFilm}
          </Link>
        </div>
      )}
      <ul className="waiting">
        {data?.jobs.map((job) => (
          <WaitingJob key={job.job_id} job={job} />
        ))}
      </ul>
    </>
  )
}

function WaitingJob({ job }: { readonly job: JobsAnswer['jobs'][number] }) {
  const words = useWords()
  const money = useMoney()
  return (
    <li>
      <Link className="card waiting-job" to={`/jobs/${job.job_id}`}>
        <span>
          <strong>{job.video_name}</strong>{' '}
          <span className="quiet">{job.client_id !== null && words.waiting.of(job.client_id)}</span>
        </span>
        <span className="quiet small">
          <Time at={job.inserted_at} />
        </span>
        <Status status={job.status} />
        <strong className="waiting-sum">{money(job.to_approve)}</strong>
      </Link>
    </li>
  )
}
