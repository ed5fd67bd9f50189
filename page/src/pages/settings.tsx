/** Keys, webhooks, models and storage, each at its own address. */
import type { ReactNode } from 'react'
import { Link, useAddress } from '../router.tsx'
import { useSession } from '../server/session.tsx'
import { Keys } from '../settings/keys.tsx'
import { Models } from '../settings/models.tsx'
import { Storage } from '../settings/storage.tsx'
import { Webhooks } from '../settings/webhooks.tsx'
import { useWords } from '../words/words.tsx'

interface Part {
  readonly name: 'keys' | 'webhooks' | 'models' | 'storage'
  readonly isAllowed: boolean
  readonly show: () => ReactNode
}

const useIsOfOneClient = (): boolean => useSession().session?.session?.client_id != null

/** What the key allows to see. A key of one client sees its own jobs alone, and what they may be rendered by. */
function useParts(): readonly Part[] {
  const { can } = useSession()
  const isOfOneClient = useIsOfOneClient()
  return [
    { name: 'keys', isAllowed: can('admin'), show: () => <Keys /> },
    { name: 'webhooks', isAllowed: can('admin'), show: () => <Webhooks /> },
    { name: 'models', isAllowed: true, show: () => <Models /> },
    { name: 'storage', isAllowed: !isOfOneClient && can('read'), show: () => <Storage /> },
  ]
}

export function Settings() {
  const words = useWords()
  const { pathname } = useAddress()
  const parts = useParts()
  const isOfOneClient = useIsOfOneClient()
  const wanted = pathname.split('/')[2] ?? ''
  const allowed = parts.filter(({ isAllowed }) => isAllowed)
  const part = wanted === '' ? allowed[0] : parts.find(({ name }) => name === wanted)
  return (
    <div className="settings">
      <h1>{words.nav.settings}</h1>
      <nav className="settings-tabs" aria-label={words.settings.parts}>
        {allowed.map(({ name }) => (
          <Link
            key={name}
            className="settings-tab"
            to={`/settings/${name}`}
            aria-current={part?.name === name ? 'page' : undefined}
          >
            {words.settings.part[name]}
          </Link>
        ))}
      </nav>
      {part === undefined && <p>{words.errors.missing}</p>}
      {part?.isAllowed === false && (
        <p className="note">
          {isOfOneClient
            ? words.settings.notOfOneClient
            : words.settings.notAllowed(part.name === 'storage' ? 'read' : 'admin')}
        </p>
      )}
      {part?.isAllowed === true && part.show()}
    </div>
  )
}
