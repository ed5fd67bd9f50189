/** The parts of which the overview's cards consist. */
import { Popover } from '@base-ui/react/popover'
import { type ReactNode, useId, useState } from 'react'
import { ApiError, type BudgetsAnswer } from '../server/client.ts'
import type { Live } from '../server/live.ts'
import { moneyIn } from '../ui/amounts.ts'
import { personIn } from '../ui/person.ts'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useLanguage, useWords } from '../words/words.tsx'

/** A section that shows one answer; before it is there, its place; where it could not be read, why. */
export function Card<Data>({
  title,
  live,
  head,
  className = '',
  children,
}: {
  readonly title: string
  readonly live: Live<Data>
  readonly head?: ReactNode
  readonly className?: string
  readonly children: (data: Data) => ReactNode
}) {
  const words = useWords()
  const id = useId()
  return (
    <section className={`card ${className}`} aria-labelledby={id}>
      <header className="card-head">
        <h2 id={id}>{title}</h2>
        {head}
      </header>
      {live.data !== undefined && children(live.data)}
      {live.error !== undefined &&
        (live.data === undefined ? (
          <Problem error={live.error} again={live.again} />
        ) : (
          <p className="small warn">{words.overview.old}</p>
        ))}
    </section>
  )
}

/** The first items, and the others where they are asked for. */
export function Folded<Item>({
  items,
  shown,
  line,
}: {
  readonly items: readonly Item[]
  readonly shown: number
  readonly line: (item: Item) => ReactNode
}) {
  const words = useWords()
  const [isOpen, setOpen] = useState(false)
  const hidden = items.length - shown
  return (
    <>
      <ul className="lines">{(isOpen ? items : items.slice(0, shown)).map(line)}</ul>
      {hidden > 0 && (
        <button
          type="button"
          className="unfold small"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? words.overview.fewer : words.overview.more(hidden)}
        </button>
      )}
    </>
  )
}

/** A button that opens a small form beside it. `children` get what closes it. */
export function Editor({
  label,
  title,
  children,
}: {
  readonly label: string
  /** Read aloud instead of the label, and shown above the form. */
  readonly title: string
  readonly children: (close: () => void) => ReactNode
}) {
  const [isOpen, setOpen] = useState(false)
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger className="button" data-kind="plain" data-size="normal" aria-label={title}>
        {label}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner className="editor-place" sideOffset={6} align="end">
          <Popover.Popup className="editor">
            <Popover.Title render={<h3 />}>{title}</Popover.Title>
            {children(() => setOpen(false))}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}

/** Who changed a setting last, and when. */
export function Changed({
  changed,
  from,
}: {
  readonly changed: Pick<NonNullable<BudgetsAnswer['budgets'][number]['changed']>, 'by' | 'at'> | null
  /** The value before, in words. */
  readonly from: string
}) {
  const words = useWords()
  if (!changed) return null
  return (
    <span className="small quiet">
      {words.overview.changedBy(
        changed.by === null ? words.overview.somebody : personIn(changed.by, words),
        from,
      )}
      , <Time at={changed.at} />
    </span>
  )
}

/** Why the server refuses a member of a request; undefined where it does not. */
export const refusalOf = (error: unknown, field: string): string | undefined => {
  if (!(error instanceof ApiError)) return undefined
  const problems = error.body.problems ?? []
  return problems.find((problem) => problem.field === field)?.reason
}

/** A number that a form's member holds; null where it is empty. */
export const numberIn = (form: FormData, name: string): number | null => {
  const given = form.get(name)
  return typeof given === 'string' && given.trim() !== '' ? Number(given) : null
}

/** A sum in dollars, also where it is nothing. */
export function useDollars(): (usd: number) => string {
  const { code } = useLanguage()
  return (usd) => moneyIn(code, usd)
}
