/** Asks for a key, and says what one is. It stands where the page would be, whose address stays. */
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { LanguageChoice, ThemeChoice } from '../frame/controls.tsx'
import { ApiError } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'

/** Seconds until the server answers again, while too many keys were tried. */
const lockIn = (error: unknown): number | undefined => {
  if (!(error instanceof ApiError) || error.status !== 429) return undefined
  const seconds = error.body['retry_in_seconds']
  return typeof seconds === 'number' ? seconds : 60
}

/** Whole seconds that are left until `at`; 0 when it has come. */
function useSecondsUntil(at: number): number {
  const left = (): number => Math.max(0, Math.ceil((at - Date.now()) / 1000))
  const [seconds, setSeconds] = useState(left)
  useEffect(() => {
    setSeconds(left)
    const timer = setInterval(() => setSeconds(left), 500)
    return () => clearInterval(timer)
  }, [at])
  return seconds
}

export function SignIn() {
  const words = useWords()
  const { signIn, hasEnded } = useSession()
  const [error, setError] = useState<unknown>()
  const [isSending, setSending] = useState(false)
  const [lockedUntil, setLockedUntil] = useState(0)
  const lockedFor = useSecondsUntil(lockedUntil)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    document.title = words.title(words.session.title, 0)
  }, [words])
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const key = field.current?.value.trim() ?? ''
    setError(undefined)
    if (key === '') return field.current?.focus()
    setSending(true)
    try {
      await signIn(key)
    } catch (refusal) {
      const seconds = lockIn(refusal)
      if (seconds === undefined) setError(refusal)
      else setLockedUntil(Date.now() + seconds * 1000)
      field.current?.select()
    } finally {
      setSending(false)
    }
  }
  const isWrong = error instanceof ApiError && error.status === 422
  return (
    <main className="sign-in">
      <div className="card">
        <h1>{words.session.title}</h1>
        {hasEnded && (
          <p className="note" role="status">
            {words.session.ended}
          </p>
        )}
        <p className="quiet">{words.session.about}</p>
        <form onSubmit={(event) => void submit(event)}>
          <div className="field">
            <label htmlFor="key">{words.session.key}</label>
            <input
              id="key"
              ref={field}
              type="password"
              className="input"
              autoComplete="off"
              spellCheck={false}
              placeholder="wck_…"
              aria-invalid={isWrong}
              aria-describedby="key-refusal"
              autoFocus
            />
          </div>
          <div id="key-refusal" role="alert">
            {isWrong && <p className="problem">{words.session.wrong}</p>}
            {lockedFor > 0 && <p className="problem">{words.session.locked(lockedFor)}</p>}
          </div>
          {error !== undefined && !isWrong && <Problem error={error} />}
          <Button type="submit" kind="main" disabled={isSending || lockedFor > 0}>
            {words.session.signIn}
          </Button>
        </form>
        <details className="small">
          <summary>{words.session.noKey}</summary>
          <p>{words.session.firstKey}</p>
          <pre>
            <code>coordinator keys create --name {words.session.exampleName} --scopes admin</code>
          </pre>
          <p className="quiet">{words.session.cookie}</p>
        </details>
      </div>
      <div className="sign-in-foot">
        <ThemeChoice />
        <LanguageChoice />
      </div>
    </main>
  )
}
