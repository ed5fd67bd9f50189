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
import { SessionProvider } from './server/session.tsx'
import { LanguageProvider } from './words/words.tsx'

createRoot(document.querySelector('#page')!).render(
  <StrictMode>
    <LanguageProvider>
      <SessionProvider>
        <App />
      </SessionProvider>
    </LanguageProvider>
  </StrictMode>,
)
