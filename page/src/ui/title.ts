/** The page's name in the browser's tab. A page that shows one thing names that thing. */
import { useEffect, useSyncExternalStore } from 'react'

let named: string | undefined
const watchers = new Set<() => void>()

const subscribe = (wake: () => void): (() => void) => {
  watchers.add(wake)
  return () => watchers.delete(wake)
}

function name(title: string | undefined): void {
  named = title
  for (const wake of watchers) wake()
}

/** Names what is shown, such as a film; undefined while it is not known. */
export function usePageTitle(title: string | undefined): void {
  useEffect(() => {
    name(title)
    return () => name(undefined)
  }, [title])
}

export const useNamedTitle = (): string | undefined => useSyncExternalStore(subscribe, () => named)
