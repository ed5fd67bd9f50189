/** The language of the page: the browser's, or the one that was chosen here. */
import { type ReactNode, createContext, use, useEffect, useMemo, useState } from 'react'
import { de } from './de.ts'
import { type Words, en } from './en.ts'

export type { Words } from './en.ts'

const languages: Readonly<Record<string, Words>> = { en, de }
export const languageNames: readonly (readonly [code: string, name: string])[] = Object.entries(
  languages,
).map(([code, { language }]) => [code, language])

const stored = 'language'

function preferred(): string {
  const wanted = [localStorage.getItem(stored), ...navigator.languages]
  return wanted.map((tag) => tag?.slice(0, 2) ?? '').find((code) => Object.hasOwn(languages, code)) ?? 'en'
}

interface Language {
  readonly code: string
  readonly words: Words
  readonly choose: (code: string) => void
}

const LanguageContext = createContext<Language>({ code: 'en', words: en, choose: () => {} })

export function LanguageProvider({ children }: { readonly children: ReactNode }) {
  const [code, setCode] = useState(preferred)
  useEffect(() => {
    document.documentElement.lang = code
  }, [code])
  const language = useMemo(
    () => ({
      code,
      words: languages[code] ?? en,
      choose(chosen: string) {
        localStorage.setItem(stored, chosen)
        setCode(chosen)
      },
    }),
    [code],
  )
  return <LanguageContext value={language}>{children}</LanguageContext>
}

export const useLanguage = (): Language => use(LanguageContext)
export const useWords = (): Words => use(LanguageContext).words
