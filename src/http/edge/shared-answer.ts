/**
 * Equal questions that arrive together are answered once: many open pages hear of the same event, and all ask the same. An
 * answer is read after each of its questions has arrived, so that nobody misses a change that was made before.
 */
import { setImmediate } from 'node:timers/promises'

export type Share = <Answer>(question: string, answer: () => Promise<Answer>) => Promise<Answer>

export function createShare(): Share {
  /** Answers that are not begun yet. */
  const coming = new Map<string, Promise<unknown>>()

  return <Answer>(question: string, answer: () => Promise<Answer>): Promise<Answer> => {
    const shared = coming.get(question)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the question names the endpoint
    if (shared) return shared as Promise<Answer>
    const begin = async (): Promise<Answer> => {
      // What is in the sockets arrives first.
      await setImmediate()
      coming.delete(question)
      return answer()
    }
    const begun = begin()
    coming.set(question, begun)
    return begun
  }
}
