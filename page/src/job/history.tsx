/** Who did what with a job, when, and what it changed from and to. Newest first. */
import { useState } from 'react'
import { useLive } from '../server/live.ts'
import { type HistoryEntry, historySource } from '../server/sources.ts'
import { moneyIn } from '../ui/amounts.ts'
import { Button } from '../ui/button.tsx'
import { coordinatorName, personIn } from '../ui/person.ts'
import { Problem } from '../ui/problem.tsx'
import { useClockTime } from '../ui/times.tsx'
import { Time } from '../ui/values.tsx'
import { type Words, useLanguage, useWords } from '../words/words.tsx'

/** What people did is told in a few lines; all of it is asked for by who looks for something. */
const atFirst = { people: 6, all: 20 } as const

export function History({ jobId }: { readonly jobId: number }) {
  const words = useWords()
  const { data: entries = [], error, again } = useLive(historySource(jobId))
  const [isAll, setAll] = useState(false)
  const [more, setMore] = useState(0)
  const most = (isAll ? atFirst.all : atFirst.people) + more
  const wanted = isAll ? entries : entries.filter(({ by }) => by !== coordinatorName)
  const shown = wanted.toReversed().slice(0, most)
  return (
    <section className="history" aria-label={words.history.title}>
      <div className="card-head">
        <h2>{words.history.title}</h2>
        <Button aria-pressed={isAll} onClick={() => setAll(!isAll)}>
          {isAll ? words.history.people : words.history.all}
        </Button>
      </div>
      {error !== undefined && <Problem error={error} again={again} />}
      {shown.length === 0 && <p className="quiet">{words.history.empty}</p>}
      <ol className="history-list">
        {shown.map((entry) => (
          <Entry key={entry.event_id} entry={entry} />
        ))}
      </ol>
      {wanted.length > most && <Button onClick={() => setMore(more + 100)}>{words.history.more}</Button>}
    </section>
  )
}

function Entry({ entry }: { readonly entry: HistoryEntry }) {
  const { code, words } = useLanguage()
  const clock = useClockTime()
  const { data, reason, scene_id: sceneId, by } = entry
  const { position, title } = data
  const scene =
    sceneId !== undefined && typeof position === 'number'
      ? words.history.inScene(position + 1, typeof title === 'string' ? title : null)
      : ''
  const more = moreOf(entry, { words, clock, money: (micros) => moneyIn(code, micros / 1_000_000) })
  return (
    <li className="history-entry" data-by={by === coordinatorName ? 'machine' : 'person'}>
      <p>
        <strong>{whatOf(entry, words)}</strong>
        {[scene, more].filter((text) => text !== '').map((text) => ` · ${text}`)}{' '}
        <span className="quiet">
          {words.history.by(personIn(by, words))} · <Time at={entry.at} />
        </span>
      </p>
      {reason !== undefined && <p className="history-reason">{reason}</p>}
      <Changes data={data} />
    </li>
  )
}

function whatOf({ type, data }: HistoryEntry, { history }: Words): string {
  if (data['regenerate'] === true) return history.regenerated
  if (data['reopened'] === true) return history.reopened
  if (data['resolution'] !== undefined) return history.resolved
  if (data['dependency'] !== undefined) return history.dependencyEnded
  if (type === 'job_updated' && data['version'] !== undefined) return history.shownAgain
  return history.types[type] ?? type
}

const statusIn = (status: unknown, words: Words): string =>
  Object.entries(words.status).find(([name]) => name === status)?.[1] ?? ''

interface Said {
  readonly words: Words
  readonly clock: (at: string) => string
  readonly money: (micros: number) => string
}

/** The members of an event that are no change: sums, versions, times. */
function moreOf({ type, data }: HistoryEntry, { words, clock, money }: Said): string {
  const { history } = words
  const {
    authorised_micros: approved,
    charged_micros: charged,
    version,
    expires_at: expiresAt,
    tries,
    not_before: notBefore,
    dependency,
    status,
    resolution,
    kept,
    model,
  } = data
  return [
    ...(typeof approved === 'number' && approved > 0 ? [history.upTo(money(approved))] : []),
    ...(typeof charged === 'number' ? [history.charged(money(charged))] : []),
    ...(typeof version === 'number' && type !== 'job_updated' ? [history.version(version)] : []),
    ...(typeof expiresAt === 'string' ? [history.until(clock(expiresAt))] : []),
    ...(typeof tries === 'number' ? [history.attempt(tries)] : []),
    ...(typeof notBefore === 'string' ? [history.until(clock(notBefore))] : []),
    ...(typeof dependency === 'number' ? [history.dependency(dependency, statusIn(status, words))] : []),
    ...(resolution === undefined ? [] : [resolution === 'adopt' ? history.adopted : history.absent]),
    ...(kept === true ? [history.kept] : typeof model === 'string' ? [model] : []),
  ].join(', ')
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A first approval has no sum before it. */
const sumName = 'authorised_micros'

/** Each changed member as it was and as it is. */
function Changes({ data }: Pick<HistoryEntry, 'data'>) {
  const { history } = useWords()
  const { old, new: now } = data
  if (!isRecord(old) || !isRecord(now)) return null
  const names = Object.keys(now).filter(
    (name) => name in history.members && (name !== sumName || Number(old[name]) > 0),
  )
  if (names.length === 0) return null
  return (
    <dl className="history-changes">
      {names.map((name) => (
        <div key={name}>
          <dt>{history.members[name]}</dt>
          <dd>
            <del aria-label={history.was}>
              <Value name={name} value={old[name]} />
            </del>{' '}
            <span aria-hidden="true">→</span>{' '}
            <ins aria-label={history.is}>
              <Value name={name} value={now[name]} />
            </ins>
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Value({ name, value }: { readonly name: string; readonly value: unknown }) {
  const { code, words } = useLanguage()
  const clock = useClockTime()
  if (value === null || value === undefined || value === '') return words.history.nothing
  if (typeof value === 'boolean') return value ? words.history.on : words.history.off
  if (name === 'asset_ids' && Array.isArray(value))
    return (
      value
        .map(String)
        // The same photograph may be in a scene twice.
        .map((id, place) => (
          <img
            key={`${place} ${id}`}
            src={`/api/v3/assets/${id}/picture`}
            alt={id.slice(0, 8)}
            loading="lazy"
          />
        ))
    )
  if (typeof value === 'number') {
    if (name === 'position') return String(value + 1)
    if (name === sumName) return moneyIn(code, value / 1_000_000)
    return name === 'duration' ? words.seconds(value) : String(value)
  }
  if (typeof value !== 'string') return JSON.stringify(value)
  return name === 'run_at' || name === 'deadline_at' ? clock(value) : <span title={value}>{value}</span>
}
