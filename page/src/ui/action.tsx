/** A change that a person asks for: one at a time, with its refusal shown where it was asked for. */
import { useCallback, useRef, useState } from 'react'
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
  // A second press may come before the first one is shown.
  const isBusy = useRef(false)
  const [error, setError] = useState<unknown>()
  const clear = useCallback(() => setError(undefined), [])
  const run = async (...given: Arguments): Promise<boolean> => {
    if (isBusy.current) return false
    isBusy.current = true
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
      isBusy.current = false
      setRunning(false)
    }
  }
  return { run, isRunning, error, clear }
}
