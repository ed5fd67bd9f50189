/** The installation's secret, which nobody sees: it can be replaced. */
import { useState } from 'react'
import { type SecretRotationAnswer, client } from '../server/client.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Question } from './question.tsx'
import { Grace } from './key-dialogs.tsx'
import { usualGrace } from './key-times.ts'

export function ProviderSecret() {
  const words = useWords()
  const [isAsking, setAsking] = useState(false)
  const [grace, setGrace] = useState<number>(usualGrace)
  const [done, setDone] = useState<SecretRotationAnswer>()
  const rotate = useAction(async () => setDone(await client.rotateSecret({ grace_seconds: grace })))
  return (
    <section className="card settings-part">
      <header className="settings-part-head">
        <div>
          <h2>{words.settings.keys.provider}</h2>
          <p className="quiet">{words.settings.keys.providerAbout}</p>
        </div>
        <Button onClick={() => setAsking(true)}>{words.settings.keys.providerRotate}</Button>
      </header>
      {done && (
        <p role="status" className="note" data-tone="good">
          {words.settings.keys.providerDone}
          {done.previous_valid_until !== null && (
            <>
              {' '}
              {words.settings.keys.providerOld} <Time at={done.previous_valid_until} />.
            </>
          )}
        </p>
      )}
      {isAsking && (
        <Question
          title={words.settings.keys.providerTitle}
          yes={words.settings.keys.providerRotate}
          action={rotate}
          onClose={() => setAsking(false)}
        >
          <p>{words.settings.keys.providerAbout}</p>
          <Grace seconds={grace} mayEnd onChoose={setGrace} />
          {grace === 0 && <p className="note">{words.settings.keys.providerBreaks}</p>}
        </Question>
      )}
    </section>
  )
}
