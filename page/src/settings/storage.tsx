/** What is stored, for how long, and what retention would remove now. */
import { useState } from 'react'
import { Link } from '../router.tsx'
import { type PrunedAnswer, type StorageAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { storageSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Bytes, Meter, Time, useBytes } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Question } from './question.tsx'

const kinds = ['films', 'clips', 'inputs', 'other'] as const
type Kind = (typeof kinds)[number]

const oldestNames = { films: 'film', clips: 'clip', inputs: 'input' } as const

const timeOf = (at: string | null) => (at === null ? null : <Time at={at} />)

export function Storage() {
  const { can } = useSession()
  const { data, error, again } = useLive(storageSource)
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  return (
    <>
      <Stored of={data} />
      {can('admin') && <Removal onRemoved={again} />}
    </>
  )
}

function Stored({ of: data }: { readonly of: StorageAnswer }) {
  const words = useWords()
  const bytes = useBytes()
  const { total } = data.stored
  const most = data.limits.max_stored_bytes
  const days = data.limits.retain_days
  const kept = (count: number | null): string =>
    count === null ? words.settings.storage.forEver : words.settings.storage.days(count)
  return (
    <section className="card settings-part">
      <header className="settings-part-head">
        <p className="quiet">{words.settings.storage.about}</p>
        <p className="small quiet">
          {words.settings.storage.measured} <Time at={data.measured_at} />
        </p>
      </header>
      <div className="settings-shares" aria-hidden="true">
        {kinds.map((kind) => (
          <span
            key={kind}
            className="settings-share"
            data-kind={kind}
            style={{ flexGrow: data.stored[kind].bytes }}
          />
        ))}
      </div>
      <div
        className="settings-table-frame"
        tabIndex={0}
        role="region"
        aria-label={words.settings.storage.table}
      >
        <table className="settings-table">
          <thead>
            <tr>
              <th scope="col">{words.settings.storage.what}</th>
              <th scope="col" className="settings-number">
                {words.settings.storage.files}
              </th>
              <th scope="col" className="settings-number">
                {words.settings.storage.size}
              </th>
              <th scope="col">{words.settings.storage.kept}</th>
              <th scope="col">{words.settings.storage.oldest}</th>
            </tr>
          </thead>
          <tbody>
            {kinds.map((kind) => (
              <tr key={kind}>
                <th scope="row">
                  <span className="settings-share-mark" data-kind={kind} aria-hidden="true" />{' '}
                  {words.settings.storage.kind[kind]}
                  <span className="settings-table-note small quiet">
                    {words.settings.storage.kindAbout[kind]}
                  </span>
                </th>
                <td className="settings-number">{data.stored[kind].files}</td>
                <td className="settings-number">
                  <Bytes bytes={data.stored[kind].bytes} />
                </td>
                <td>{kind === 'other' ? words.settings.storage.days(1) : kept(days[kind])}</td>
                <td>{kind === 'other' ? null : timeOf(data.oldest[oldestNames[kind]])}</td>
              </tr>
            ))}
            <tr>
              <th scope="row">{words.settings.storage.events}</th>
              <td />
              <td />
              <td>{kept(days.events)}</td>
              <td>{timeOf(data.oldest.event)}</td>
            </tr>
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">{words.settings.storage.all}</th>
              <td className="settings-number">{total.files}</td>
              <td className="settings-number">
                <Bytes bytes={total.bytes} />
              </td>
              <td colSpan={2}>
                {bytes(data.free_bytes)} {words.settings.storage.free}
              </td>
            </tr>
          </tfoot>
        </table>
      </div>
      {most === null ? (
        <p className="small quiet">{words.settings.storage.noLimit}</p>
      ) : (
        <p>
          <Meter value={total.bytes} most={most} text={`${bytes(total.bytes)} / ${bytes(most)}`} />{' '}
          <span className="small quiet">{words.settings.storage.ofLimit}</span>
        </p>
      )}
      <p className="small quiet settings-prose">{words.settings.storage.configured}</p>
    </section>
  )
}

function Removal({ onRemoved }: { readonly onRemoved: () => void }) {
  const words = useWords()
  const bytes = useBytes()
  const [report, setReport] = useState<PrunedAnswer>()
  const [isAsking, setAsking] = useState(false)
  const look = useAction(async () => setReport(await client.pruneStorage({ dry_run: true })))
  const remove = useAction(async () => {
    setReport(await client.pruneStorage())
    onRemoved()
  })
  const isSomething = report !== undefined && (report.bytes > 0 || report.removed.events > 0)
  return (
    <section className="card settings-part">
      <header className="settings-part-head">
        <div>
          <h2>{words.settings.storage.would}</h2>
          <p className="quiet">{words.settings.storage.wouldAbout}</p>
        </div>
        <Button disabled={look.isRunning} onClick={() => void look.run()}>
          {report ? words.settings.storage.seeAgain : words.settings.storage.see}
        </Button>
      </header>
      {look.error !== undefined && <Problem error={look.error} />}
      <div role="status" className="settings-result">
        {report && !isSomething && report.dry_run && <p>{words.settings.storage.nothing}</p>}
        {report && (isSomething || !report.dry_run) && (
          <>
            <p>
              <strong>{report.dry_run ? words.settings.storage.wouldGo : words.settings.storage.gone}</strong>
            </p>
            <Report of={report} />
          </>
        )}
        {report && report.over_bytes > 0 && (
          <p className="note">
            {bytes(report.over_bytes)} {words.settings.storage.over}
          </p>
        )}
      </div>
      {isSomething && report.dry_run && (
        <div className="settings-entry-actions">
          <Button kind="danger" onClick={() => setAsking(true)}>
            {words.settings.storage.remove}
          </Button>
        </div>
      )}
      {isAsking && report && (
        <Question
          title={words.settings.storage.removeTitle}
          yes={words.settings.storage.removeIt(bytes(report.bytes))}
          action={remove}
          onClose={() => setAsking(false)}
        >
          <Amounts of={report} />
          <p>{words.settings.storage.removeAbout}</p>
        </Question>
      )}
    </section>
  )
}

/** How much of each kind. */
function Amounts({ of: { removed, oldest } }: { readonly of: PrunedAnswer }) {
  const words = useWords()
  const bytes = useBytes()
  const oldestOf = (kind: Kind) => (kind === 'other' ? oldest.other : oldest[oldestNames[kind]])
  return (
    <ul className="settings-amounts">
      {kinds
        .filter((kind) => removed[kind].files > 0)
        .map((kind) => {
          const at = oldestOf(kind)
          return (
            <li key={kind}>
              <span className="settings-share-mark" data-kind={kind} aria-hidden="true" />{' '}
              {words.settings.storage.kind[kind]}: {words.settings.storage.count(removed[kind].files)},{' '}
              {bytes(removed[kind].bytes)}
              {at !== null && (
                <span className="quiet">
                  {' · '}
                  {words.settings.storage.oldest} <Time at={at} />
                </span>
              )}
            </li>
          )
        })}
      {removed.events > 0 && <li>{words.settings.storage.eventCount(removed.events)}</li>}
    </ul>
  )
}

function Report({ of: report }: { readonly of: PrunedAnswer }) {
  const words = useWords()
  const bytes = useBytes()
  return (
    <>
      <Amounts of={report} />
      {report.examples.length > 0 && (
        <details className="settings-part-more">
          <summary>{words.settings.storage.examples}</summary>
          <ul className="settings-amounts small quiet">
            {report.examples.map(({ kind, file, job_id: job, bytes: size, since }) => (
              <li key={file}>
                {words.settings.storage.kind[kind]} <code>{file.slice(0, 12)}…</code>{' '}
                {job !== null && <Link to={`/jobs/${job}`}>{words.settings.storage.ofJob(job)}</Link>}{' '}
                {bytes(size)}
                {', '}
                {words.settings.storage.since} <Time at={since} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}
