/** Which jobs are listed. The address holds it, by the names of the API. */
import { useEffect, useState } from 'react'
import { setQuery } from '../router.tsx'
import type { JobsQuery } from '../server/client.ts'
import { Button } from '../ui/button.tsx'
import { useWords } from '../words/words.tsx'
import { waitNames, waits } from './waits.ts'

const statuses = ['pending', 'approved', 'processing', 'completed', 'failed', 'cancelled'] as const
const types = ['property_photos', 'image_pairs'] as const

const names = [
  'status',
  'type',
  'client_id',
  'q',
  'created_after',
  'created_before',
  'needs_approval',
  'waiting',
  'order',
] as const

export function queryIn({ searchParams }: URL): JobsQuery {
  const given: Record<string, string> = {}
  for (const name of names) {
    const value = searchParams.get(name)
    if (value) given[name] = value
  }
  return given
}

/** As a field for dates shows it, in the time zone of the reader. */
const localOf = (time: string | null): string => {
  const at = time === null ? Number.NaN : Date.parse(time)
  if (Number.isNaN(at)) return ''
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

const timeOf = (local: string): string => {
  const at = local === '' ? Number.NaN : new Date(local).getTime()
  return Number.isNaN(at) ? '' : new Date(at).toISOString()
}

/** Changes the address once nobody has typed for a moment; follows it when it is changed otherwise. */
function useTyped(name: string, given: string): readonly [string, (text: string) => void] {
  const [text, setText] = useState<string>()
  useEffect(() => {
    if (text === undefined) return undefined
    const timer = setTimeout(() => {
      setQuery({ [name]: text.trim() })
      setText(undefined)
    }, 250)
    return () => clearTimeout(timer)
  }, [name, text])
  return [text ?? given, setText]
}

export function Filters({ address }: { readonly address: URL }) {
  const words = useWords()
  const { searchParams } = address
  const given = (name: string): string => searchParams.get(name) ?? ''
  const [text, setText] = useTyped('q', given('q'))
  const [client, setClient] = useTyped('client_id', given('client_id'))
  const chosen = given('status').split(',')
  const asked = names.filter((name) => name !== 'order' && searchParams.has(name))
  const toggle = (status: string): void => {
    const next = statuses.filter((one) => chosen.includes(one) !== (one === status))
    setQuery({ status: next.join(',') })
  }
  return (
    <div className="filters" role="search">
      <input
        type="search"
        className="input filters-text"
        aria-label={words.jobList.search}
        placeholder={words.jobList.search}
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      <div className="chips" role="group" aria-label={words.jobList.status}>
        {statuses.map((status) => (
          <button
            key={status}
            type="button"
            className="chip"
            aria-pressed={chosen.includes(status)}
            onClick={() => toggle(status)}
          >
            {words.status[status]}
          </button>
        ))}
      </div>
      <details className="filters-more" open={matchMedia('(width >= 48rem)').matches}>
        <summary>{words.jobList.moreFilters}</summary>
        <div className="filters-fields">
          <select
            className="input"
            aria-label={words.jobList.waitsFor}
            value={given('waiting')}
            onChange={({ target }) => setQuery({ waiting: target.value })}
          >
            <option value="">{words.jobList.waitsFor}</option>
            {waitNames.map((name) => (
              <option key={name} value={waits[name]}>
                {words.jobList.waitFilters[name]}
              </option>
            ))}
          </select>
          <input
            className="input"
            aria-label={words.jobList.columns.client}
            placeholder={words.jobList.columns.client}
            value={client}
            onChange={({ target }) => setClient(target.value)}
          />
          <select
            className="input"
            aria-label={words.jobList.columns.type}
            value={given('type')}
            onChange={({ target }) => setQuery({ type: target.value })}
          >
            <option value="">{words.jobList.anyType}</option>
            {types.map((type) => (
              <option key={type} value={type}>
                {words.jobList.types[type]}
              </option>
            ))}
          </select>
          {(['created_after', 'created_before'] as const).map((name) => (
            <label key={name} className="filters-time">
              <span className="small quiet">{words.jobList[name]}</span>
              <input
                type="datetime-local"
                className="input"
                value={localOf(searchParams.get(name))}
                onChange={({ target }) => setQuery({ [name]: timeOf(target.value) })}
              />
            </label>
          ))}
        </div>
      </details>
      {asked.length > 0 && (
        <Button onClick={() => setQuery(Object.fromEntries(names.map((name) => [name, undefined])))}>
          {words.jobList.clear}
        </Button>
      )}
    </div>
  )
}
