/** Light or dark: as the system says, or as chosen here. `public/start.js` sets it before the page is drawn. */
import { useSyncExternalStore } from 'react'
import { keep, kept } from '../kept.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const stored = 'theme'
const watchers = new Set<() => void>()

const current = (): Theme => themes.find((theme) => theme === kept(stored)) ?? 'system'

function show(theme: Theme): void {
  const { dataset } = document.documentElement
  if (theme === 'system') delete dataset['theme']
  else dataset['theme'] = theme
}

export function chooseTheme(theme: Theme): void {
  keep(stored, theme === 'system' ? undefined : theme)
  show(theme)
  for (const wake of watchers) wake()
}

function subscribe(wake: () => void): () => void {
  // Another tab may choose it.
  const onStorage = ({ key }: StorageEvent): void => {
    if (key !== stored) return
    show(current())
    wake()
  }
  watchers.add(wake)
  addEventListener('storage', onStorage)
  return () => {
    watchers.delete(wake)
    removeEventListener('storage', onStorage)
  }
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, current)
