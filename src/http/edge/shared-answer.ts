/**
 * Equal questions that arrive together are answered once: many open pages hear of the same event, and all ask the same. An
 * answer is read after each of its questions has arrived, or holds still: nobody misses a change that was made before.
 */
import { setImmediate } from 'node:timers/promises'

export interface Share {
  <Answer>(question: string, answer: () => Promise<Answer>): Promise<Answer>
  /**
   * For an answer that is long to read: it is also given to those who ask before anything was written, and those who ask
   * while it is read share the next one.
   */
  whileUnchanged<Answer>(question: string, answer: () => Promise<Answer>): Promise<Answer>
}

export interface ShareOptions {
  /** Rises with each commit; undefined where others write, too. */
  readonly commits: () => number | undefined
  /** ms since the epoch */
  readonly now: () => number
}

/** What an answer says of waits and times is no older than that. */
const keptMs = 1000
/** Each may hold a page of jobs. */
const mostKept = 50

export function createShare({ commits, now }: ShareOptions): Share {
  /** Answers that are not begun yet. */
  const coming = new Map<string, Promise<unknown>>()
  /** Answers with the number of commits before they were begun, oldest first. */
  const kept = new Map<string, { readonly at: number; readonly commits: number; readonly answer: unknown }>()
  /** Ends of long readings under way. */
  const reading = new Map<string, Promise<unknown>>()

  const share = <Answer>(question: string, answer: () => Promise<Answer>): Promise<Answer> => {
    const shared = coming.get(question)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the question names the endpoint
    if (shared) return shared as Promise<Answer>
    const begin = async (): Promise<Answer> => {
      // What is in the sockets arrives first.
      await setImmediate()
      await reading.get(question)
      coming.delete(question)
      return answer()
    }
    const begun = begin()
    coming.set(question, begun)
    return begun
  }

  const whileUnchanged = async <Answer>(question: string, answer: () => Promise<Answer>): Promise<Answer> => {
    const known = kept.get(question)
    if (known?.commits === commits() && known && Math.abs(now() - known.at) < keptMs)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the question names the endpoint
      return known.answer as Answer
    return share(question, async () => {
      const before = { at: now(), commits: commits() }
      const answered = answer()
      reading.set(
        question,
        answered.catch(() => {}),
      )
      const read = await answered.finally(() => reading.delete(question))
      kept.delete(question)
      if (before.commits !== undefined)
        kept.set(question, { at: before.at, commits: before.commits, answer: read })
      if (kept.size > mostKept) kept.delete(kept.keys().next().value!)
      return read
    })
  }

  return Object.assign(share, { whileUnchanged })
}
