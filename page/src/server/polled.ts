/** What no event tells of is read again while somebody looks at it. */
import { useEffect, useRef } from 'react'

export function usePolled(again: () => void, everyMs: number): void {
  const latest = useRef(again)
  useEffect(() => {
    latest.current = again
  })
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && latest.current(), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
}
