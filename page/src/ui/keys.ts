/** Keys that do something anywhere on the page, unless a person is writing. */
import { useEffect, useRef } from 'react'

const isWriting = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null

/** `key`: as `KeyboardEvent.key` says it; `mod`: with Ctrl, or with Command on a Mac. */
export function useKey(key: string, act: () => void, { mod = false }: { readonly mod?: boolean } = {}): void {
  const latest = useRef(act)
  useEffect(() => {
    latest.current = act
  })
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const isMod = event.ctrlKey || event.metaKey
      if (event.key.toLowerCase() !== key || isMod !== mod || event.altKey || event.repeat) return
      // A dialog has the keys to itself.
      if (!mod && (isWriting(event) || document.querySelector('[role="dialog"]'))) return
      event.preventDefault()
      latest.current()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [key, mod])
}
