/** Answers that many ask for and that are dear to read: read once for all who ask within a few seconds. */
import type { Context } from '../context.ts'

const keptMs = 3000

/** `read` is called where no answer with this name was begun within the last seconds. */
export function createBriefMemory<Name extends string, Answer>(): (
  context: Context,
  name: Name,
  read: () => Promise<Answer>,
) => Promise<Answer> {
  const ofContext = new WeakMap<
    Context,
    Map<Name, { readonly at: number; readonly answer: Promise<Answer> }>
  >()
  return (context, name, read) => {
    const answers = ofContext.get(context) ?? new Map()
    ofContext.set(context, answers)
    const now = context.host.now()
    const known = answers.get(name)
    if (known && Math.abs(now - known.at) < keptMs) return known.answer
    const answer = read()
    answers.set(name, { at: now, answer })
    answer.catch(() => answers.delete(name))
    return answer
  }
}
