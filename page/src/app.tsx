/** The frame around all pages. */
import { type ReactNode, Suspense, lazy, useEffect } from 'react'
import { SignIn } from './pages/sign-in.tsx'
import { Waiting } from './pages/waiting.tsx'
import { Link, go, matched, useAddress } from './router.tsx'
import { useAttention } from './server/attention.ts'
import { useEvents, useStreamState } from './server/live.ts'
import { useSession } from './server/session.tsx'
import { Button } from './ui/button.tsx'
import { Problem } from './ui/problem.tsx'
import { type Words, useWords } from './words/words.tsx'

// Loaded when they are first shown.
const JobPage = lazy(() => import('./pages/job.tsx').then(({ JobPage: page }) => ({ default: page })))
const Jobs = lazy(() => import('./pages/jobs.tsx').then(({ Jobs: page }) => ({ default: page })))
const NewFilm = lazy(() => import('./pages/new-film.tsx').then(({ NewFilm: page }) => ({ default: page })))
const Overview = lazy(() => import('./pages/overview.tsx').then(({ Overview: page }) => ({ default: page })))
const Settings = lazy(() => import('./pages/settings.tsx').then(({ Settings: page }) => ({ default: page })))
const Palette = lazy(() => import('./ui/palette.tsx').then(({ Palette: part }) => ({ default: part })))

interface Page {
  readonly path: string
  readonly title: (words: Words) => string
  readonly show: (parameters: Readonly<Record<string, string>>) => ReactNode
  /** Whether the navigation leads there. */
  readonly isMain: boolean
}

const pages: readonly Page[] = [
  { path: '', title: ({ nav }) => nav.waiting, show: () => <Waiting />, isMain: true },
  { path: '/new', title: ({ nav }) => nav.newFilm, show: () => <NewFilm />, isMain: true },
  { path: '/jobs', title: ({ nav }) => nav.jobs, show: () => <Jobs />, isMain: true },
  {
    path: '/jobs/:id',
    title: ({ nav }) => nav.jobs,
    show: ({ id = '' }) => <JobPage key={id} id={Number(id)} />,
    isMain: false,
  },
  { path: '/overview', title: ({ nav }) => nav.overview, show: () => <Overview />, isMain: true },
  { path: '/settings', title: ({ nav }) => nav.settings, show: () => <Settings />, isMain: true },
]

const pageAt = (path: string): readonly [Page, Readonly<Record<string, string>>] | undefined => {
  for (const page of pages) {
    const parameters = matched(page.path, path)
    if (parameters) return [page, parameters]
  }
  return undefined
}

export function App() {
  const { session, error, isSignedIn } = useSession()
  if (error !== undefined && !session) return <Problem error={error} />
  if (!session) return null
  return isSignedIn ? <Frame /> : <SignIn />
}

function Frame() {
  const words = useWords()
  const { pathname } = useAddress()
  const { session, signOut, noteRefusal } = useSession()
  useEvents(noteRefusal)
  const { count } = useAttention()
  const stream = useStreamState()
  const found = pageAt(pathname)
  const title = found ? found[0].title(words) : words.notFound
  useEffect(() => {
    document.title = words.title(title, count)
  }, [words, title, count])
  return (
    <div className="frame">
      {stream === 'lost' && (
        <p className="frame-lost" role="status">
          {words.connection.lost}
        </p>
      )}
      <nav className="frame-side" aria-label={words.nav.label}>
        <p className="frame-name">{words.product}</p>
        {pages
          .filter(({ isMain }) => isMain)
          .map((page) => (
            <Link
              key={page.path}
              className="frame-link"
              to={page.path || '/'}
              aria-current={found?.[0] === page ? 'page' : undefined}
            >
              {page.title(words)}
              {page.path === '' && count > 0 && (
                <span className="badge" data-tone="accent">
                  {count}
                </span>
              )}
            </Link>
          ))}
        <div className="frame-foot small quiet">
          <a href="/docs">{words.nav.api}</a>
          {session?.session && (
            <>
              <p>{words.session.as(session.session.name)}</p>
              <Button onClick={() => void signOut()}>{words.session.signOut}</Button>
            </>
          )}
        </div>
      </nav>
      <Suspense>
        <Palette
          commands={pages
            .filter(({ isMain }) => isMain)
            .map((page) => ({ name: page.title(words), run: () => go(page.path || '/') }))}
        />
      </Suspense>
      <main className="frame-main">
        <Suspense>{found ? found[0].show(found[1]) : <p>{words.notFound}</p>}</Suspense>
      </main>
    </div>
  )
}
