/** The page: signed in, or about to be. */
import { Activity } from 'react'
import { Frame } from './frame/frame.tsx'
import { SignIn } from './pages/sign-in.tsx'
import { useSession } from './server/session.tsx'
import { Problem } from './ui/problem.tsx'

export function App() {
  const { session, error, isSignedIn, hasEnded, refresh } = useSession()
  if (!session)
    return error === undefined ? null : (
      <main className="sign-in">
        <Problem error={error} again={() => void refresh()} />
      </main>
    )
  return (
    <>
      {/* A session that has ended takes nothing that was entered: it waits behind the question for a key. */}
      {(isSignedIn || hasEnded) && (
        <Activity mode={isSignedIn ? 'visible' : 'hidden'}>
          <Frame />
        </Activity>
      )}
      {!isSignedIn && <SignIn />}
    </>
  )
}
