/**
 * What a person can do from the keyboard. Whatever is on the page registers its commands while it is shown: the palette
 * finds them by name, the list of keys shows them, and their keys run them.
 */
import { useEffect, useId, useLayoutEffect, useRef } from 'react'

export interface Command {
  readonly name: string
  readonly run: () => void
  /** Such as `s`, `g j` (one after the other) or `mod+enter` (with Ctrl, on a Mac with Command). */
  readonly keys?: string
  /** Also while a dialog is open, which otherwise has the keys to itself. */
  readonly inDialogs?: boolean
  /** Default: `here`, what the page in sight offers. */
  readonly group?: CommandGroup
}

export const commandGroups = ['here', 'go', 'more'] as const
export type CommandGroup = (typeof commandGroups)[number]

const registered = new Map<string, { readonly current: readonly Command[] }>()

/** All that can be done now, what the page in sight offers first. */
export function commandsNow(): readonly Command[] {
  const all = [...registered.values()].flatMap(({ current }) => current)
  return commandGroups.flatMap((group) => all.filter((command) => (command.group ?? 'here') === group))
}

/** Offers commands while the component is shown. */
export function useCommands(commands: readonly Command[]): void {
  const id = useId()
  const latest = useRef(commands)
  useEffect(() => {
    latest.current = commands
  })
  // At once: a person may press a key as soon as the page is seen.
  useLayoutEffect(() => {
    registered.set(id, latest)
    return () => void registered.delete(id)
  }, [id])
}

/** Between the keys of a sequence. */
const sequenceMs = 1500

const isMac = navigator.userAgent.includes('Mac')

/** A combination as it is written on this machine's keys. */
export const keysShown = (keys: string): readonly string[] =>
  (keys === ' ' ? ['space'] : keys.split(/[ +]/)).map((key) => {
    if (key === 'mod') return isMac ? '⌘' : 'Ctrl'
    if (key === 'arrowleft') return '←'
    if (key === 'arrowright') return '→'
    return key.length === 1 ? key.toUpperCase() : key.charAt(0).toUpperCase() + key.slice(1)
  })

/** A combination as `aria-keyshortcuts` has it; undefined for a sequence, which it has no words for. */
export const ariaKeys = (keys: string): string | undefined =>
  keys === ' ' ? 'Space' : keys.includes(' ') ? undefined : keys.replace('mod+', isMac ? 'Meta+' : 'Control+')

const isWriting = ({ target }: Event): boolean =>
  target instanceof HTMLElement &&
  target.closest(
    'textarea, select, [contenteditable], input:not([type="checkbox"], [type="radio"], [type="file"])',
  ) !== null

/** Space presses what has the focus; a frame of the strip is chosen already. */
const isPressing = ({ target }: Event): boolean =>
  target instanceof HTMLElement &&
  target.closest('button:not(.strip-frame), a, input, label, summary, video') !== null

const isInDialog = (): boolean =>
  document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"]') !== null

let before: { readonly key: string; readonly at: number } | undefined

/** Which command a key runs, with the one before it. */
export function commandFor(
  commands: readonly Command[],
  key: string,
  earlier: string | undefined,
): Command | undefined {
  const having = (keys: string): Command | undefined => commands.findLast((command) => command.keys === keys)
  return (earlier === undefined ? undefined : having(`${earlier} ${key}`)) ?? having(key)
}

function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.repeat || event.isComposing || event.altKey) return
  const isMod = event.ctrlKey || event.metaKey
  if (!isMod && (isWriting(event) || (event.key === ' ' && isPressing(event)))) return
  const key = `${isMod ? 'mod+' : ''}${event.key.toLowerCase()}`
  const dialog = isInDialog()
  const possible = commandsNow().filter(({ inDialogs = false }) => !dialog || inDialogs)
  const earlier = before && event.timeStamp - before.at < sequenceMs ? before.key : undefined
  const found = commandFor(possible, key, earlier)
  before = found || event.key === 'Shift' ? undefined : { key, at: event.timeStamp }
  if (!found) return
  event.preventDefault()
  found.run()
}

addEventListener('keydown', press)
