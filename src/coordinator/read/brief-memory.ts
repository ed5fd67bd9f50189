/** Answers that many ask for and that are dear to read: read once for all who ask within a few seconds. */
import type { Context } from '../context.ts'

/** `read` is called where no answer with this name was begun within the last `keptMs`. */
export function createBriefMemory<Answer>(): (
  context: Context,
  name: string,
  keptMs: number,
  read: () => Promise<Answer>,
) => Promise<Answer> {
  const ofContext = new WeakMap<
    Context,
    Map<string, { readonly at: number; readonly answer: Promise<Answer> }>
  >()
  return (context, name, keptMs, read) => {
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
