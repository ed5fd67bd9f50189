import { ApiError } from '../server/client.ts'
import { type Words, useWords } from '../words/words.tsx'
import { Button } from './button.tsx'

/** No answer came: `fetch` throws a TypeError, and the client's deadline a TimeoutError. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')

/** What happened, in the page's language; undefined where the server's own words say it best. */
function headlineOf(error: unknown, { errors }: Words): string | undefined {
  if (isUnreachable(error)) return errors.unreachable
  if (!(error instanceof ApiError)) return undefined
  const { status } = error
  if (status === 403) return errors.forbidden
  if (status === 404 || status === 410) return errors.missing
  if (status === 429) return errors.tooMany
  return status >= 500 ? errors.failed : undefined
}

/** Why, in the words of whoever refused. */
function reasonOf(error: unknown): string | undefined {
  if (isUnreachable(error)) return undefined
  if (error instanceof ApiError) return error.body.reason ?? error.message
  return error instanceof Error ? error.message : String(error)
}

/** A refusal in one line. */
export const told = (error: unknown, words: Words): string =>
  [headlineOf(error, words), reasonOf(error)].filter((text) => text !== undefined).join(' ')

/** What went wrong, and what can be done. */
export function Problem({ error, again }: { readonly error: unknown; readonly again?: () => void }) {
  const words = useWords()
  const [headline, reason] = [headlineOf(error, words), reasonOf(error)]
  return (
    <div className="problem" role="alert">
      {headline !== undefined && <p>{headline}</p>}
      {reason !== undefined && <p>{reason}</p>}
      {again && <Button onClick={again}>{words.again}</Button>}
    </div>
  )
}
