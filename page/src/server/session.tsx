/** Who is signed in, and what the key allows. */
import { type ReactNode, createContext, use, useCallback, useEffect, useMemo, useState } from 'react'
import { ApiError, type SessionAnswer, client } from './client.ts'

type Scope = NonNullable<SessionAnswer['session']>['scopes'][number]

interface SessionState {
  /** Undefined until the server has answered. */
  readonly session: SessionAnswer | undefined
  readonly error: unknown
  readonly isSignedIn: boolean
  readonly can: (scope: Scope) => boolean
  readonly signIn: (key: string) => Promise<void>
  readonly signOut: () => Promise<void>
  /** Call it with the error of a request: if the session has ended, the page asks for a key. */
  readonly noteRefusal: (error: unknown) => void
}

const SessionContext = createContext<SessionState | undefined>(undefined)

export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const [session, setSession] = useState<SessionAnswer>()
  const [error, setError] = useState<unknown>()
  const refresh = useCallback(
    () =>
      client.readSession().then(
        (answer) => {
          setSession(answer)
          setError(undefined)
        },
        (failure: unknown) => setError(failure),
      ),
    [],
  )
  useEffect(() => void refresh(), [refresh])
  const state = useMemo<SessionState>(() => {
    const known = session?.session
    const scopes: readonly string[] = known ? known.scopes : []
    const isFree = session?.keys_required === false && !known
    return {
      session,
      error,
      isSignedIn: isFree || known != null,
      can: (scope) => isFree || scopes.includes('admin') || scopes.includes(scope),
      signIn: async (key) => setSession(await client.signIn({ key })),
      async signOut() {
        await client.signOut()
        await refresh()
      },
      noteRefusal(refusal) {
        if (refusal instanceof ApiError && refusal.status === 401) void refresh()
      },
    }
  }, [session, error, refresh])
  return <SessionContext value={state}>{children}</SessionContext>
}

export function useSession(): SessionState {
  const state = use(SessionContext)
  if (!state) throw new Error('useSession needs a SessionProvider')
  return state
}
