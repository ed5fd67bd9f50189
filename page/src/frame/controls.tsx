/** How the page looks and speaks, and who is signed in. */
import { useSession } from '../server/session.tsx'
import { Button } from '../ui/button.tsx'
import { chooseTheme, themes, useTheme } from '../ui/theme.ts'
import { languageNames, useLanguage } from '../words/words.tsx'

export function ThemeChoice() {
  const { words } = useLanguage()
  const theme = useTheme()
  return (
    <label>
      <span className="unseen">{words.theme.title}</span>
      <select
        className="controls-choice"
        value={theme}
        onChange={({ target }) => {
          const chosen = themes.find((one) => one === target.value)
          if (chosen) chooseTheme(chosen)
        }}
      >
        {themes.map((one) => (
          <option key={one} value={one}>
            {words.theme[one]}
          </option>
        ))}
      </select>
    </label>
  )
}

export function LanguageChoice() {
  const { code, words, choose } = useLanguage()
  return (
    <label>
      <span className="unseen">{words.languageTitle}</span>
      <select className="controls-choice" value={code} onChange={({ target }) => choose(target.value)}>
        {languageNames.map(([one, name]) => (
          <option key={one} value={one} lang={one}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

export function Controls() {
  const { words } = useLanguage()
  const { session, signOut } = useSession()
  const known = session?.session
  return (
    <div className="controls small">
      <div className="controls-line">
        <ThemeChoice />
        <LanguageChoice />
      </div>
      <a className="quiet" href="/docs">
        {words.nav.api}
      </a>
      {known && (
        <>
          <p className="quiet">
            {words.session.as(known.name)}
            {known.client_id !== null && ` (${known.client_id})`}
          </p>
          <Button onClick={() => void signOut()}>{words.session.signOut}</Button>
        </>
      )}
    </div>
  )
}
