import { ApiError } from '../server/client.ts'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'

/** Why a change of the storyboard was refused. One that somebody else has overtaken was read again by now. */
export function EditProblem({ error }: { readonly error: unknown }) {
  const words = useWords()
  const isOvertaken = error instanceof ApiError && 'revision' in error.body
  return <Problem error={isOvertaken ? new Error(words.storyboard.overtaken) : error} />
}
