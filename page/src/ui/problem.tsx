import { ApiError } from '../server/client.ts'
import { useWords } from '../words/words.tsx'
import { Button } from './button.tsx'

const reasonOf = (error: unknown): string => {
  if (error instanceof ApiError) return error.body.reason ?? error.message
  return error instanceof Error ? error.message : String(error)
}

/** What went wrong, and what can be done. */
export function Problem({ error, again }: { readonly error: unknown; readonly again?: () => void }) {
  const words = useWords()
  return (
    <div className="problem" role="alert">
      <p>{reasonOf(error)}</p>
      {again && <Button onClick={again}>{words.again}</Button>}
    </div>
  )
}
