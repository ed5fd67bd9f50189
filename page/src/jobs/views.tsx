/** Views that a person keeps in this browser. Each is an address, so that it can also be sent to others. */
import { useState } from 'react'
import { Link, useAddress } from '../router.tsx'
import { Button } from '../ui/button.tsx'
import { useWords } from '../words/words.tsx'

interface View {
  readonly name: string
  /** Of the address, such as `?status=failed`. */
  readonly search: string
}

const stored = 'views'
const mostViews = 40

const isView = (one: unknown): one is View =>
  typeof one === 'object' &&
  one !== null &&
  'name' in one &&
  typeof one.name === 'string' &&
  'search' in one &&
  typeof one.search === 'string' &&
  /^(?:\?.*)?$/.test(one.search)

export function keptViews(): readonly View[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(stored) ?? '[]')
    return Array.isArray(kept) ? kept.filter(isView).slice(0, mostViews) : []
  } catch {
    return []
  }
}

export function Views() {
  const words = useWords()
  const { search } = useAddress()
  const [views, setViews] = useState(keptViews)
  const [name, setName] = useState<string>()
  const keep = (next: readonly View[]): void => {
    localStorage.setItem(stored, JSON.stringify(next))
    setViews(next)
  }
  const shown: readonly View[] = [
    { name: words.jobList.all, search: '' },
    { name: words.jobList.toApprove, search: '?waiting=approval' },
    ...views,
  ]
  const isKept = shown.some((view) => view.search === search)
  return (
    <nav className="views" aria-label={words.jobList.views}>
      {shown.map((view) => (
        <span key={view.search + view.name} className="view" data-current={view.search === search}>
          <Link to={`/jobs${view.search}`} aria-current={view.search === search ? 'true' : undefined}>
            {view.name}
          </Link>
          {views.includes(view) && view.search === search && (
            <button
              type="button"
              className="view-remove"
              aria-label={words.jobList.removeView(view.name)}
              onClick={() => keep(views.filter((one) => one !== view))}
            >
              ×
            </button>
          )}
        </span>
      ))}
      {!isKept && name === undefined && (
        <Button className="view-save" onClick={() => setName('')}>
          {words.jobList.saveView}
        </Button>
      )}
      {!isKept && name !== undefined && (
        <form
          className="view-form"
          onSubmit={(event) => {
            event.preventDefault()
            const given = name.trim()
            if (given === '') return
            keep([...views.filter((view) => view.name !== given), { name: given, search }].slice(-mostViews))
            setName(undefined)
          }}
        >
          <input
            className="input"
            autoFocus
            maxLength={60}
            aria-label={words.jobList.viewName}
            placeholder={words.jobList.viewName}
            value={name}
            onChange={({ target }) => setName(target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape') setName(undefined)
            }}
          />
          <Button type="submit" kind="main">
            {words.jobList.saveView}
          </Button>
        </form>
      )}
    </nav>
  )
}
