/** A link that shows the film without a key until it ends. */
import { useId, useRef, useState } from 'react'
import { type FilmLinkAnswer, type JobAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { Problem } from '../ui/problem.tsx'
import { localeFor } from '../ui/times.tsx'
import { useWords, useLanguage } from '../words/words.tsx'

interface ShareProps {
  readonly job: JobAnswer
  /** The version that is shown. */
  readonly version: number
}

export function ShareButton({ job, version }: ShareProps) {
  const words = useWords()
  const { can } = useSession()
  const [isOpen, setOpen] = useState(false)
  if (!can('submit') && !can('approve')) return null
  return (
    <>
      <Button onClick={() => setOpen(true)}>{words.film.share}</Button>
      <Sheet title={words.share.title} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Share job={job} version={version} onClose={() => setOpen(false)} />
      </Sheet>
    </>
  )
}

const hour = 3600
const spans = { hour, day: 24 * hour, week: 7 * 24 * hour, month: 30 * 24 * hour } as const
type Span = keyof typeof spans
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its own names
const spanNames = Object.keys(spans) as Span[]

function Share({ job, version, onClose }: ShareProps & { readonly onClose: () => void }) {
  const { share } = useWords()
  const [span, setSpan] = useState<Span>('week')
  const [isLatest, setLatest] = useState(false)
  const [link, setLink] = useState<FilmLinkAnswer>()
  const ids = useId()
  const make = useAction(async () => {
    const request = { expires_in_seconds: spans[span], ...(!isLatest && { version }) }
    setLink(await client.createFilmLink(job.job_id, request))
  })
  if (link) return <MadeLink link={link} onClose={onClose} />
  return (
    <form
      className="sheet-form"
      onSubmit={(event) => {
        event.preventDefault()
        void make.run()
      }}
    >
      <p>{share.tells}</p>
      <div className="field">
        <label htmlFor={`${ids}-span`}>{share.lasts}</label>
        <select
          id={`${ids}-span`}
          className="input"
          value={span}
          onChange={({ target }) => setSpan(spanNames.find((name) => name === target.value) ?? 'week')}
        >
          {spanNames.map((name) => (
            <option key={name} value={name}>
              {share.spans[name]}
            </option>
          ))}
        </select>
      </div>
      <div className="field">
        <label htmlFor={`${ids}-shows`}>{share.shows}</label>
        <select
          id={`${ids}-shows`}
          className="input"
          value={String(isLatest)}
          onChange={({ target }) => setLatest(target.value === 'true')}
        >
          <option value="false">{share.version(version)}</option>
          <option value="true">{share.latest}</option>
        </select>
      </div>
      {make.error !== undefined && <Problem error={make.error} />}
      <div className="sheet-actions">
        <Button onClick={onClose}>{share.close}</Button>
        <Button type="submit" kind="main" disabled={make.isRunning}>
          {share.make}
        </Button>
      </div>
    </form>
  )
}

function MadeLink({ link, onClose }: { readonly link: FilmLinkAnswer; readonly onClose: () => void }) {
  const { code, words } = useLanguage()
  const { share } = words
  const id = useId()
  const field = useRef<HTMLInputElement>(null)
  const [isCopied, setCopied] = useState(false)
  const address = new URL(link.url, location.origin).href
  const until = new Intl.DateTimeFormat(localeFor(code), { dateStyle: 'full', timeStyle: 'short' }).format(
    Date.parse(link.expires_at),
  )
  const copy = (): void => {
    field.current?.select()
    // Browsers offer it to secure pages alone; elsewhere the person copies what is selected.
    navigator.clipboard?.writeText(address).then(
      () => setCopied(true),
      () => undefined,
    )
  }
  return (
    <div className="sheet-form">
      <div className="field">
        <label htmlFor={id}>{share.link}</label>
        <input id={id} ref={field} className="input" readOnly value={address} />
      </div>
      <p>{share.until(until)}</p>
      <p className="small quiet">{share.revoke}</p>
      <div className="sheet-actions">
        <span role="status">{isCopied && share.copied}</span>
        <Button onClick={onClose}>{share.close}</Button>
        <Button kind="main" onClick={copy}>
          {share.copy}
        </Button>
      </div>
    </div>
  )
}
