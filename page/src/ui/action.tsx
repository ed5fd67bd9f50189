/** A change that a person asks for: one at a time, with its refusal shown where it was asked for. */
import { useCallback, useState } from 'react'
import { useSession } from '../server/session.tsx'

export interface Action<Arguments extends readonly unknown[]> {
  readonly run: (...given: Arguments) => Promise<boolean>
  readonly isRunning: boolean
  readonly error: unknown
  readonly clear: () => void
}

export function useAction<Arguments extends readonly unknown[]>(
  work: (...given: Arguments) => Promise<unknown>,
): Action<Arguments> {
  const { noteRefusal } = useSession()
  const [isRunning, setRunning] = useState(false)
  const [error, setError] = useState<unknown>()
  const clear = useCallback(() => setError(undefined), [])
  const run = async (...given: Arguments): Promise<boolean> => {
    if (isRunning) return false
    setRunning(true)
    setError(undefined)
    try {
      await work(...given)
      return true
    } catch (refusal) {
      noteRefusal(refusal)
      setError(refusal)
      return false
    } finally {
      setRunning(false)
    }
  }
  return { run, isRunning, error, clear }
}
