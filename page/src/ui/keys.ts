/** Keys that do something anywhere on the page, unless a person is writing. */
import { useEffect, useRef } from 'react'

const isWriting = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null

/** Space presses what has the focus; a frame of the strip is chosen already. */
const isPressing = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && target.closest('button:not(.strip-frame), a, summary, video') !== null

const isInDialog = (): boolean =>
  document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"]') !== null

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
      // Something nearer has used it, such as a drag by keyboard.
      if (event.defaultPrevented) return
      // A dialog has the keys to itself, but for the ones that open and close it.
      if (isInDialog() && !(mod && key === 'k')) return
      if (!mod && (isWriting(event) || (key === ' ' && isPressing(event)))) return
      event.preventDefault()
      latest.current()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [key, mod])
}
