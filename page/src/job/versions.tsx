/** The films that a job has had: to be compared, and shown again. */
import { useState } from 'react'
import { type JobAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { type FilmVersion, versionsSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { placeOf } from '../ui/times.tsx'
import { Bytes, Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Comparison } from './comparison.tsx'

export function Versions({ job }: { readonly job: JobAnswer }) {
  const words = useWords()
  const { data: versions = [], error, again } = useLive(versionsSource(job.job_id))
  const [compared, setCompared] = useState<number>()
  const shown = versions.find(({ current }) => current)
  const other = versions.find(({ version }) => version === compared)
  if (error !== undefined) return <Problem error={error} again={again} />
  if (versions.length < 2 || !shown) return null
  return (
    <section className="versions" aria-label={words.versions.title}>
      <h2>{words.versions.title}</h2>
      {other && other !== shown && (
        <Comparison job={job} shown={shown} other={other} onClose={() => setCompared(undefined)} />
      )}
      <ol className="version-list">
        {versions.map((version) => (
          <VersionLine
            key={version.version}
            job={job}
            version={version}
            twin={versions.find((earlier) => isTwin(version, earlier))}
            onCompare={() => setCompared(version.version)}
            isCompared={version === other}
          />
        ))}
      </ol>
    </section>
  )
}

/** Whether a version is an earlier one, published again. */
const isTwin = (version: FilmVersion, earlier: FilmVersion): boolean =>
  earlier.version < version.version && earlier.size === version.size && earlier.duration === version.duration

interface VersionLineProps {
  readonly job: JobAnswer
  readonly version: FilmVersion
  readonly twin: FilmVersion | undefined
  readonly isCompared: boolean
  readonly onCompare: () => void
}

function VersionLine({ job, version, twin, isCompared, onCompare }: VersionLineProps) {
  const words = useWords()
  const { can } = useSession()
  const show = useAction(() => client.showFilm(job.job_id, version.version))
  const { version: number, current, url, duration, size, inserted_at: at, removed_at: removedAt } = version
  return (
    <li className="line" aria-current={current}>
      <div>
        <strong>{words.versions.name(number)}</strong>{' '}
        {current && (
          <span className="badge" data-tone="good">
            {words.versions.current}
          </span>
        )}{' '}
        {removedAt !== null && <span className="badge">{words.versions.removed}</span>}
        <p className="small quiet">
          <Time at={at} /> · {placeOf(duration)} · <Bytes bytes={size} />
          {twin && ` · ${words.versions.sameAs(twin.version)}`}
        </p>
        {show.error !== undefined && <Problem error={show.error} />}
      </div>
      {removedAt === null && (
        <div className="line-actions">
          {!current && (
            <>
              <Button
                aria-label={words.versions.compare(number)}
                aria-pressed={isCompared}
                onClick={onCompare}
              >
                {words.versions.compareShort}
              </Button>
              {(can('submit') || can('approve')) && (
                <Button disabled={show.isRunning} onClick={() => void show.run()}>
                  {words.versions.show}
                </Button>
              )}
            </>
          )}
          <a className="button" href={url} download>
            {words.film.download}
          </a>
        </div>
      )}
    </li>
  )
}
