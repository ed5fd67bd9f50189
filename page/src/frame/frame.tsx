/** What surrounds every page: where one can go, and what can be done from anywhere. */
import { Suspense, lazy, useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Link, go, useAddress } from '../router.tsx'
import { useEvents, useStreamState } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { useAttention } from '../server/attention.ts'
import { Boundary } from '../ui/boundary.tsx'
import { type Command, useCommands } from '../ui/commands.ts'
import { Icon } from '../ui/icon.tsx'
import { chooseTheme, themes } from '../ui/theme.ts'
import { useNamedTitle } from '../ui/title.ts'
import { languageNames, useLanguage, useWords } from '../words/words.tsx'
import { Controls } from './controls.tsx'
import { placeAt, useMainPages } from './pages.tsx'

const loadPalette = () => import('../ui/palette.tsx').then(({ Palette }) => ({ default: Palette }))

const dialogs = {
  palette: lazy(loadPalette),
  keys: lazy(() => import('../ui/key-help.tsx').then(({ KeyHelp }) => ({ default: KeyHelp }))),
  menu: lazy(() => import('./menu.tsx').then(({ Menu }) => ({ default: Menu }))),
}

/** Safari knows no idle time. */
const idleMs = 1500

/** Returns what takes it back. */
function whenIdle(run: () => void): () => void {
  if (typeof requestIdleCallback === 'function') {
    const waiting = requestIdleCallback(run)
    return () => cancelIdleCallback(waiting)
  }
  const timer = setTimeout(run, idleMs)
  return () => clearTimeout(timer)
}

type DialogName = keyof typeof dialogs

/** What can be done wherever the person is. */
function useFrameCommands(open: (dialog: DialogName) => void): void {
  const { words, choose } = useLanguage()
  const { session, signOut } = useSession()
  const { nav, theme } = words
  const mainPages = useMainPages()
  useCommands([
    ...mainPages.map(({ name, path, key = '' }): Command => ({
      name: nav[name],
      keys: `g ${key}`,
      group: 'go',
      run: () => go(path || '/'),
    })),
    { name: nav.api, group: 'go', run: () => location.assign('/docs') },
    ...themes.map((one): Command => ({
      name: `${theme.title}: ${theme[one]}`,
      group: 'more',
      run: () => chooseTheme(one),
    })),
    ...languageNames.map(([code, name]): Command => ({
      name: `${words.languageTitle}: ${name}`,
      group: 'more',
      run: () => choose(code),
    })),
    ...(session?.session
      ? [{ name: words.session.signOut, group: 'more', run: () => void signOut() } satisfies Command]
      : []),
    { name: words.palette.title, keys: 'mod+k', group: 'more', run: () => open('palette') },
    { name: words.keyHelp.title, keys: '?', group: 'more', run: () => open('keys') },
  ])
}

/** A dropped file that no part of the page takes would replace the page. */
function useNoStrayDrops(): void {
  useEffect(() => {
    const refuse = (event: DragEvent): void => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes('Files')) return
      event.preventDefault()
      event.dataTransfer.dropEffect = 'none'
    }
    addEventListener('dragover', refuse)
    addEventListener('drop', refuse)
    return () => {
      removeEventListener('dragover', refuse)
      removeEventListener('drop', refuse)
    }
  }, [])
}

export function Frame() {
  const words = useWords()
  const { pathname } = useAddress()
  const { noteRefusal } = useSession()
  useEvents(noteRefusal)
  useNoStrayDrops()
  const { count, data: attention } = useAttention()
  const [dialog, setDialog] = useState<DialogName>()
  useFrameCommands(setDialog)
  const place = placeAt(pathname)
  const mainPages = useMainPages()
  const named = useNamedTitle()
  const title = named ?? (place ? words.nav[place.page.name] : words.nothingHere.title)
  useEffect(() => {
    document.title = words.title(title, count)
  }, [words, title, count])

  // For those who hear the page: after a move, reading goes on at what is new.
  const main = useRef<HTMLElement>(null)
  const lastPath = useRef(pathname)
  useEffect(() => {
    if (lastPath.current === pathname) return
    lastPath.current = pathname
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true })
  }, [pathname])

  // Whoever has to sign in again finds no dialog before the question for a key.
  useEffect(() => () => setDialog(undefined), [])
  const isUsable = attention !== undefined
  // What is typed right after Ctrl+K belongs to it.
  useEffect(
    () => (isUsable ? whenIdle(() => void loadPalette().catch(() => undefined)) : undefined),
    [isUsable],
  )

  const Shown = dialog && dialogs[dialog]
  return (
    <div className="frame">
      <a className="skip" href="#main">
        {words.nav.skip}
      </a>
      <Connection />
      <header className="frame-top">
        <span className="frame-name">{words.product}</span>
        <button
          type="button"
          className="frame-sign"
          aria-label={words.palette.title}
          onClick={() => setDialog('palette')}
        >
          <Icon name="search" />
        </button>
        <button
          type="button"
          className="frame-sign"
          aria-label={words.nav.menu}
          onClick={() => setDialog('menu')}
        >
          <Icon name="menu" />
        </button>
      </header>
      <div className="frame-side">
        <header className="frame-name">{words.product}</header>
        <nav className="frame-nav" aria-label={words.nav.label}>
          {mainPages.map(({ name, path }) => (
            <Link
              key={name}
              className="frame-link"
              to={path || '/'}
              aria-current={place?.page.name === name ? 'page' : undefined}
            >
              <Icon name={name} />
              <span className="frame-long">{words.nav[name]}</span>
              <span className="frame-short" aria-hidden="true">
                {words.nav.short[name]}
              </span>
              {name === 'waiting' && count > 0 && (
                <span className="badge" data-tone="accent">
                  {count}
                </span>
              )}
            </Link>
          ))}
        </nav>
        <aside className="frame-foot" aria-label={words.nav.menu}>
          <button type="button" className="frame-link" onClick={() => setDialog('palette')}>
            <Icon name="search" />
            <span>{words.palette.open}</span>
          </button>
          <Controls />
        </aside>
      </div>
      <main id="main" className="frame-main" tabIndex={-1} ref={main}>
        <Boundary place={pathname}>
          <Suspense fallback={<p className="quiet later">{words.loading}</p>}>
            {place ? place.shown : <NothingHere />}
          </Suspense>
        </Boundary>
      </main>
      {Shown && (
        <Suspense>
          <Shown onClose={() => setDialog(undefined)} />
        </Suspense>
      )}
    </div>
  )
}

/** What the browser knows before any request fails. */
const useOnline = (): boolean =>
  useSyncExternalStore(
    useCallback((wake: () => void) => {
      addEventListener('online', wake)
      addEventListener('offline', wake)
      return () => {
        removeEventListener('online', wake)
        removeEventListener('offline', wake)
      }
    }, []),
    () => navigator.onLine,
  )

function Connection() {
  const words = useWords()
  const isLost = useStreamState() === 'lost'
  const isOnline = useOnline()
  return (
    <div role="status" className="frame-status">
      {(isLost || !isOnline) && <p className="frame-lost">{words.connection.lost}</p>}
    </div>
  )
}

function NothingHere() {
  const words = useWords()
  return (
    <div className="empty">
      <h1>{words.nothingHere.title}</h1>
      <p className="quiet">{words.nothingHere.next}</p>
      <Link className="button" to="/jobs">
        {words.nav.jobs}
      </Link>
    </div>
  )
}
