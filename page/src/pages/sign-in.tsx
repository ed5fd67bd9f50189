import { type FormEvent, useState } from 'react'
import { useSession } from '../server/session.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'

export function SignIn() {
  const words = useWords()
  const { signIn } = useSession()
  const [error, setError] = useState<unknown>()
  const [isSending, setSending] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const key = new FormData(event.currentTarget).get('key')
    if (typeof key !== 'string' || key.trim() === '') return
    setSending(true)
    await signIn(key.trim()).catch(setError)
    setSending(false)
  }
  return (
    <main className="sign-in card">
      <h1>{words.session.title}</h1>
      <p className="quiet">{words.session.about}</p>
      <form onSubmit={(event) => void submit(event)}>
        <div className="field">
          <label htmlFor="key">{words.session.key}</label>
          <input id="key" name="key" type="password" className="input" autoComplete="off" autoFocus />
        </div>
        {error !== undefined && <Problem error={error} />}
        <Button type="submit" kind="main" disabled={isSending}>
          {words.session.signIn}
        </Button>
      </form>
    </main>
  )
}
