/** What is asked before a key is made, rotated or revoked. */
import { type FormEvent, useId, useState } from 'react'
import { type KeyAnswer, type NewKeyAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { Question } from './question.tsx'
import { textOf } from './form.ts'
import { expiryOf, graceChoices, usualGrace, validDays } from './key-times.ts'

const scopes = ['read', 'submit', 'approve', 'admin'] as const

interface NewKeyProps {
  readonly onClose: () => void
  readonly onMade: (key: NewKeyAnswer) => void
}

export function NewKey({ onClose, onMade }: NewKeyProps) {
  const words = useWords()
  const id = useId()
  const [forClient, setForClient] = useState('')
  const [days, setDays] = useState('')
  const create = useAction(async (form: FormData) => {
    const clientId = textOf(form, 'client')
    onMade(
      await client.createKey({
        name: textOf(form, 'name'),
        scopes: scopes.filter((scope) => form.has(scope)),
        ...(clientId !== '' && { client_id: clientId }),
        expires_at: expiryOf(days, textOf(form, 'date')),
      }),
    )
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void create.run(new FormData(event.currentTarget))
  }
  const isBound = forClient.trim() !== ''
  return (
    <Sheet stays title={words.settings.keys.createTitle} onClose={onClose}>
      <form className="sheet-form" onSubmit={submit}>
        <div className="field">
          <label htmlFor={`${id}-name`}>{words.settings.keys.name}</label>
          <input
            id={`${id}-name`}
            name="name"
            className="input"
            required
            maxLength={100}
            autoComplete="off"
            aria-describedby={`${id}-name-hint`}
          />
          <p id={`${id}-name-hint`} className="small quiet">
            {words.settings.keys.nameHint}
          </p>
        </div>
        <fieldset className="settings-choices">
          <legend>{words.settings.keys.scopes}</legend>
          {scopes.map((scope) => {
            const isBarred = scope === 'admin' && isBound
            return (
              <label key={scope} className="settings-choice">
                <input type="checkbox" name={scope} defaultChecked={scope === 'read'} disabled={isBarred} />
                <span>
                  <strong>{scope}</strong>
                  <span className="small quiet">
                    {isBarred ? words.settings.keys.noAdminWithClient : words.settings.keys.scope[scope]}
                  </span>
                </span>
              </label>
            )
          })}
        </fieldset>
        <div className="field">
          <label htmlFor={`${id}-client`}>{words.settings.keys.client}</label>
          <input
            id={`${id}-client`}
            name="client"
            className="input"
            maxLength={200}
            autoComplete="off"
            placeholder={words.settings.clientHint}
            aria-describedby={`${id}-client-hint`}
            value={forClient}
            onChange={({ target }) => setForClient(target.value)}
          />
          <p id={`${id}-client-hint`} className="small quiet">
            {words.settings.keys.clientHint}
          </p>
        </div>
        <div className="sheet-row">
          <div className="field">
            <label htmlFor={`${id}-days`}>{words.settings.keys.expires}</label>
            <select
              id={`${id}-days`}
              className="input"
              value={days}
              onChange={({ target }) => setDays(target.value)}
            >
              <option value="">{words.settings.keys.never}</option>
              {validDays.map((count) => (
                <option key={count} value={count}>
                  {words.settings.keys.days(count)}
                </option>
              ))}
              <option value="date">{words.settings.keys.untilDate}</option>
            </select>
          </div>
          {days === 'date' && (
            <div className="field">
              <label htmlFor={`${id}-date`}>{words.settings.keys.date}</label>
              <input id={`${id}-date`} name="date" type="date" className="input" required />
            </div>
          )}
        </div>
        {create.error !== undefined && <Problem error={create.error} />}
        <div className="sheet-actions">
          <Button onClick={onClose}>{words.settings.cancel}</Button>
          <Button type="submit" kind="main" disabled={create.isRunning}>
            {words.settings.keys.make}
          </Button>
        </div>
      </form>
    </Sheet>
  )
}

interface GraceProps {
  readonly seconds: number
  /** Whether the old secret may end at once. */
  readonly mayEnd: boolean
  readonly onChoose: (seconds: number) => void
}

/** For how long the secret before is still accepted. */
export function Grace({ seconds, mayEnd, onChoose }: GraceProps) {
  const words = useWords()
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{words.settings.keys.grace}</label>
      <select
        id={id}
        className="input"
        value={seconds}
        onChange={({ target }) => onChoose(Number(target.value))}
      >
        {graceChoices
          .filter((choice) => mayEnd || choice > 0)
          .map((choice) => (
            <option key={choice} value={choice}>
              {words.settings.keys.graceOf[choice]}
            </option>
          ))}
      </select>
    </div>
  )
}

interface KeyDialogProps {
  readonly of: KeyAnswer
  readonly isOwn: boolean
  readonly onClose: () => void
}

export function RotateKey({
  of: key,
  isOwn,
  onClose,
  onMade,
}: KeyDialogProps & { readonly onMade: (key: NewKeyAnswer) => void }) {
  const words = useWords()
  const { signIn } = useSession()
  const [grace, setGrace] = useState<number>(usualGrace)
  const rotate = useAction(async () => {
    const made = await client.rotateKey(key.id, { grace_seconds: grace })
    onMade(made)
    // The session is one of the old secret.
    if (isOwn) await signIn(made.key)
  })
  return (
    <Sheet stays title={words.settings.keys.rotateTitle(key.name)} onClose={onClose}>
      <p>{words.settings.keys.rotateAbout}</p>
      <Used at={key.last_used_at} />
      {/* The own session would end before the new secret is shown. */}
      <Grace seconds={grace} mayEnd={!isOwn} onChoose={setGrace} />
      {rotate.error !== undefined && <Problem error={rotate.error} />}
      <div className="sheet-actions">
        <Button onClick={onClose}>{words.settings.cancel}</Button>
        <Button kind="main" disabled={rotate.isRunning} onClick={() => void rotate.run()}>
          {words.settings.keys.rotate}
        </Button>
      </div>
    </Sheet>
  )
}

const Used = ({ at }: { readonly at: string | null }) => {
  const words = useWords()
  if (at === null) return <p className="quiet">{words.settings.keys.wasNeverUsed}</p>
  return (
    <p className="quiet">
      {words.settings.keys.lastUsed} <Time at={at} />.
    </p>
  )
}

interface RevokeKeyProps extends KeyDialogProps {
  /** The last with the scope admin. */
  readonly isLast: boolean
  readonly onDone: () => void
}

export function RevokeKey({ of: key, isOwn, isLast, onClose, onDone }: RevokeKeyProps) {
  const words = useWords()
  const revoke = useAction(async () => {
    await client.revokeKey(key.id)
    onDone()
  })
  return (
    <Question
      title={words.settings.keys.revokeTitle(key.name)}
      yes={words.settings.keys.revoke}
      action={revoke}
      onClose={onClose}
    >
      <p>{words.settings.keys.revokeAbout}</p>
      <Used at={key.last_used_at} />
      {isOwn && <p className="note">{words.settings.keys.revokeOwn}</p>}
      {isLast && <p className="note">{words.settings.keys.revokeLast}</p>}
    </Question>
  )
}
