/** Answers that many ask for and that are dear to read: read once for all who ask within a few seconds. */
import type { Context } from '../context.ts'

/** An answer is kept for this many times as long as it took to read: so much of the time goes to reading at most. */
const keptPerRead = 20

interface Kept<Answer> {
  readonly begunAt: number
  until: number
  readonly answer: Promise<Answer>
}

/** `read` is called where no answer with this name was begun within the last `keptMs`. */
export function createBriefMemory<Answer>(): (
  context: Context,
  name: string,
  keptMs: number,
  read: () => Promise<Answer>,
) => Promise<Answer> {
  const ofContext = new WeakMap<Context, Map<string, Kept<Answer>>>()
  return (context, name, keptMs, read) => {
    const answers = ofContext.get(context) ?? new Map<string, Kept<Answer>>()
    ofContext.set(context, answers)
    const now = context.host.now()
    const known = answers.get(name)
    // A clock may be set back.
    if (known && now < known.until && now >= known.begunAt) return known.answer
    const answer = read()
    const kept = { begunAt: now, until: now + keptMs, answer }
    answers.set(name, kept)
    answer.then(
      () => {
        const took = context.host.now() - now
        kept.until = Math.max(kept.until, now + took * keptPerRead)
      },
      () => answers.delete(name),
    )
    return answer
  }
}
