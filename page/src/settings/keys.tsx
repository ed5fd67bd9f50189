/** Who may do what: keys are made, shown once, rotated and revoked. */
import { useState } from 'react'
import type { KeyAnswer } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { keysSource } from '../server/sources.ts'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Copied } from './copied.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { NewKey, RevokeKey, RotateKey } from './key-dialogs.tsx'
import { isUsable, soonMs } from './key-times.ts'
import { ProviderSecret } from './provider-secret.tsx'

/** More are shown when they are asked for. */
const shownAtFirst = 50
/** From so many on a person searches. */
const manyKeys = 12

type Open = { readonly what: 'new' } | { readonly what: 'rotate' | 'revoke'; readonly of: KeyAnswer }

export function Keys() {
  const words = useWords()
  const { session } = useSession()
  const { data, error, again } = useLive(keysSource)
  const [open, setOpen] = useState<Open>()
  const [made, setMade] = useState<{ readonly name: string; readonly key: string; readonly isOwn: boolean }>()
  const [text, setText] = useState('')
  const [isAll, setAll] = useState(false)
  const own = session?.session?.name
  const close = (): void => setOpen(undefined)
  const keys = data?.keys ?? []
  const wanted = text.trim().toLowerCase()
  const usable = keys.filter(
    (key) =>
      isUsable(key) &&
      [key.name, key.prefix, key.client_id ?? ''].some((one) => one.toLowerCase().includes(wanted)),
  )
  const ended = keys.filter((key) => !isUsable(key))
  const admins = keys.filter((key) => isUsable(key) && key.scopes.includes('admin'))
  return (
    <>
      <section className="card settings-part">
        <header className="settings-part-head">
          <p className="quiet">{words.settings.keys.about}</p>
          <Button kind="main" onClick={() => setOpen({ what: 'new' })}>
            {words.settings.keys.create}
          </Button>
        </header>
        {error !== undefined && <Problem error={error} again={again} />}
        {session?.keys_required === false && <p className="note">{words.settings.keys.free}</p>}
        {data && keys.length === 0 && (
          <div className="empty">
            <h2>{words.settings.keys.emptyTitle}</h2>
            <p className="quiet">{words.settings.keys.empty}</p>
          </div>
        )}
        {keys.length > manyKeys && (
          <input
            type="search"
            className="input settings-part-search"
            placeholder={words.settings.keys.filter}
            aria-label={words.settings.keys.filter}
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
        )}
        <ul className="settings-entries">
          {usable.slice(0, isAll ? undefined : shownAtFirst).map((key) => (
            <KeyEntry
              key={key.id}
              of={key}
              isOwn={key.name === own}
              onRotate={() => setOpen({ what: 'rotate', of: key })}
              onRevoke={() => setOpen({ what: 'revoke', of: key })}
            />
          ))}
        </ul>
        {!isAll && usable.length > shownAtFirst && (
          <Button onClick={() => setAll(true)}>{words.settings.keys.all(usable.length)}</Button>
        )}
        {ended.length > 0 && (
          <details className="settings-part-more">
            <summary>{words.settings.keys.ended(ended.length)}</summary>
            <ul className="settings-entries">
              {ended.slice(-200).map((key) => (
                <KeyEntry key={key.id} of={key} isOwn={false} />
              ))}
            </ul>
          </details>
        )}
      </section>
      <ProviderSecret />
      {open?.what === 'new' && (
        <NewKey
          onClose={close}
          onMade={({ name, key }) => {
            close()
            setMade({ name, key, isOwn: false })
            again()
          }}
        />
      )}
      {open?.what === 'rotate' && (
        <RotateKey
          of={open.of}
          isOwn={open.of.name === own}
          onClose={close}
          onMade={({ name, key }) => {
            close()
            setMade({ name, key, isOwn: name === own })
            again()
          }}
        />
      )}
      {open?.what === 'revoke' && (
        <RevokeKey
          of={open.of}
          isOwn={open.of.name === own}
          isLast={admins.length === 1 && admins[0]?.id === open.of.id}
          onClose={close}
          onDone={again}
        />
      )}
      {made && (
        <Sheet stays title={words.settings.keys.secretTitle(made.name)}>
          <p className="note">{words.settings.keys.shownOnce}</p>
          <Copied text={made.key} label={words.settings.keys.theKey} />
          {made.isOwn && <p className="quiet">{words.settings.keys.sameSession}</p>}
          <div className="sheet-actions">
            <Button kind="main" onClick={() => setMade(undefined)}>
              {words.settings.keys.stored}
            </Button>
          </div>
        </Sheet>
      )}
    </>
  )
}

interface KeyEntryProps {
  readonly of: KeyAnswer
  readonly isOwn: boolean
  /** Undefined where it has ended. */
  readonly onRotate?: () => void
  readonly onRevoke?: () => void
}

function KeyEntry({ of: key, isOwn, onRotate, onRevoke }: KeyEntryProps) {
  const words = useWords()
  const nameOf = (by: string): string =>
    by === 'local' ? words.settings.keys.withoutKey : words.settings.keys.by(by)
  const oldUntil = key.previous_valid_until
  return (
    <li className="settings-entry">
      <div className="settings-entry-head">
        <strong className="settings-entry-name">{key.name}</strong>
        <code className="small quiet">{key.prefix}…</code>
        {isOwn && (
          <span className="badge" data-tone="accent">
            {words.settings.keys.own}
          </span>
        )}
        {key.scopes.map((scope) => (
          <span key={scope} className="badge" title={words.settings.keys.scope[scope]}>
            {scope}
          </span>
        ))}
        {key.client_id !== null && (
          <span className="badge">{words.settings.keys.onlyClient(key.client_id)}</span>
        )}
        <Ending of={key} />
      </div>
      <p className="settings-entry-facts small quiet">
        <span>
          {words.settings.keys.created} <Time at={key.inserted_at} />{' '}
          {key.created_by !== null && nameOf(key.created_by)}
        </span>
        <span>
          {key.last_used_at === null ? (
            words.settings.keys.neverUsed
          ) : (
            <>
              {words.settings.keys.used} <Time at={key.last_used_at} />
            </>
          )}
        </span>
        {key.rotated_at !== null && (
          <span>
            {words.settings.keys.rotated} <Time at={key.rotated_at} />
          </span>
        )}
        {oldUntil !== null && Date.parse(oldUntil) > Date.now() && isUsable(key) && (
          <span>
            {words.settings.keys.oldUntil} <Time at={oldUntil} />
          </span>
        )}
      </p>
      {onRotate && onRevoke && (
        <div className="settings-entry-actions">
          <Button aria-label={words.settings.keys.rotateOf(key.name)} onClick={onRotate}>
            {words.settings.keys.rotate}
          </Button>
          <Button kind="danger" aria-label={words.settings.keys.revokeOf(key.name)} onClick={onRevoke}>
            {words.settings.keys.revoke}
          </Button>
        </div>
      )}
    </li>
  )
}

/** When it ends, or ended; told in another tone if that is soon. */
function Ending({ of: { revoked_at: revokedAt, expires_at: expiresAt } }: { readonly of: KeyAnswer }) {
  const words = useWords()
  if (revokedAt !== null)
    return (
      <span className="badge" data-tone="bad">
        {words.settings.keys.revoked} <Time at={revokedAt} />
      </span>
    )
  if (expiresAt === null) return null
  const leftMs = Date.parse(expiresAt) - Date.now()
  return (
    <span className="badge" data-tone={leftMs < soonMs ? 'warn' : undefined}>
      {leftMs > 0 ? words.settings.keys.expiresIn : words.settings.keys.expired} <Time at={expiresAt} />
    </span>
  )
}
