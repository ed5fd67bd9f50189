import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import '../styles/tokens.css'
import '../styles/base.css'
import '../styles/parts.css'
import '../styles/frame.css'
import '../styles/session.css'
import '../styles/waiting.css'
import '../styles/job.css'
import '../styles/film.css'
import '../styles/jobs.css'
import '../styles/new-film.css'
import '../styles/overview.css'
import '../styles/settings.css'
import { App } from './app.tsx'
import { restoreScrolls } from './router.tsx'
import { SessionProvider } from './server/session.tsx'
import { Boundary } from './ui/boundary.tsx'
import { LanguageProvider } from './words/words.tsx'

// A newer server has other files: the page is loaded again, once, and what was entered is kept.
addEventListener('vite:preloadError', (event) => {
  if (performance.now() < 10_000) return
  event.preventDefault()
  location.reload()
})

restoreScrolls()

createRoot(document.querySelector('#page')!).render(
  <StrictMode>
    <LanguageProvider>
      <Boundary place="">
        <SessionProvider>
          <App />
        </SessionProvider>
      </Boundary>
    </LanguageProvider>
  </StrictMode>,
)
