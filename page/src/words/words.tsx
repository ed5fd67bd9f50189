/** The language of the page: the browser's, or the one that was chosen here. */
import { type ReactNode, createContext, use, useEffect, useMemo, useState } from 'react'
import { keep, kept } from '../kept.ts'
import { type Words, en } from './en.ts'

export type { Offered, Words } from './en.ts'

/** All but English are loaded when they are wanted. */
const languages: Readonly<
  Record<string, { readonly name: string; readonly load: () => Promise<Words> | Words }>
> = {
  en: { name: 'English', load: () => en },
  de: { name: 'Deutsch', load: () => import('./de.ts').then(({ de }) => de) },
}

export const languageNames: readonly (readonly [code: string, name: string])[] = Object.entries(
  languages,
).map(([code, { name }]) => [code, name])

const stored = 'language'

function preferred(): string {
  const wanted = [kept(stored), ...navigator.languages]
  return wanted.map((tag) => tag?.slice(0, 2) ?? '').find((code) => Object.hasOwn(languages, code)) ?? 'en'
}

interface Language {
  readonly code: string
  readonly words: Words
  readonly choose: (code: string) => void
}

const LanguageContext = createContext<Language>({ code: 'en', words: en, choose: () => {} })

export function LanguageProvider({ children }: { readonly children: ReactNode }) {
  const [shown, setShown] = useState<{ readonly code: string; readonly words: Words }>()
  const [code, setCode] = useState(preferred)
  useEffect(() => {
    let isWanted = true
    // If the words cannot be loaded, the page speaks English.
    const load = Promise.resolve(languages[code]?.load() ?? en).catch(() => en)
    void load.then((words) => isWanted && setShown({ code, words }))
    return () => {
      isWanted = false
    }
  }, [code])
  useEffect(() => {
    if (shown) document.documentElement.lang = shown.code
  }, [shown])
  const language = useMemo<Language | undefined>(
    () =>
      shown && {
        ...shown,
        choose(chosen) {
          keep(stored, chosen)
          setCode(chosen)
        },
      },
    [shown],
  )
  return language && <LanguageContext value={language}>{children}</LanguageContext>
}

export const useLanguage = (): Language => use(LanguageContext)
export const useWords = (): Words => use(LanguageContext).words
