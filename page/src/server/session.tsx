/** Who is signed in, and what the key allows. */
import { type ReactNode, createContext, use, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { forgetDraft } from './draft.ts'
import { ApiError, type SessionAnswer, client, listenToRefusals } from './client.ts'

type Scope = NonNullable<SessionAnswer['session']>['scopes'][number]

interface SessionState {
  /** Undefined until the server has answered. */
  readonly session: SessionAnswer | undefined
  readonly error: unknown
  readonly isSignedIn: boolean
  /** The session ended by itself: whoever signs in with the same key goes on where they were. */
  readonly hasEnded: boolean
  readonly can: (scope: Scope) => boolean
  readonly refresh: () => Promise<void>
  readonly signIn: (key: string) => Promise<void>
  readonly signOut: () => Promise<void>
  /** Call it with the error of a request: if the session has ended, the page asks for a key. */
  readonly noteRefusal: (error: unknown) => void
}

const SessionContext = createContext<SessionState | undefined>(undefined)

const holderOf = ({ session }: SessionAnswer): string | undefined =>
  session ? JSON.stringify([session.name, session.client_id, session.scopes]) : undefined

export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const [session, setSession] = useState<SessionAnswer>()
  const [error, setError] = useState<unknown>()
  const [hasEnded, setEnded] = useState(false)
  /** Whose page this is. What the page holds is shown to nobody else. */
  const holder = useRef<string>(undefined)
  const take = useCallback((answer: SessionAnswer): void => {
    const now = holderOf(answer)
    if (now !== undefined && holder.current !== undefined && now !== holder.current) return location.reload()
    setEnded(now === undefined && holder.current !== undefined)
    holder.current ??= now
    setSession(answer)
    setError(undefined)
  }, [])
  const refresh = useCallback(
    () => client.readSession().then(take, (failure: unknown) => setError(failure)),
    [take],
  )
  useEffect(() => {
    listenToRefusals(() => void refresh())
    void refresh()
  }, [refresh])
  const state = useMemo<SessionState>(() => {
    const known = session?.session
    const scopes: readonly string[] = known ? known.scopes : []
    const isFree = session?.keys_required === false && !known
    return {
      session,
      error,
      isSignedIn: isFree || known != null,
      hasEnded,
      can: (scope) => isFree || scopes.includes('admin') || scopes.includes(scope),
      refresh,
      signIn: async (key) => take(await client.signIn({ key })),
      async signOut() {
        await client.signOut()
        forgetDraft()
        // Nothing that was read for one person stays for the next.
        location.assign('/')
      },
      noteRefusal(refusal) {
        if (refusal instanceof ApiError && refusal.status === 401) void refresh()
      },
    }
  }, [session, error, hasEnded, refresh, take])
  return <SessionContext value={state}>{children}</SessionContext>
}

export function useSession(): SessionState {
  const state = use(SessionContext)
  if (!state) throw new Error('useSession needs a SessionProvider')
  return state
}
