/** The chosen scene once its job is approved: how far it is, why it waits or has failed, its clip, and another render. */
import { type ReactNode, useState } from 'react'
import { type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/sheet.tsx'
import { useReadable } from '../ui/times.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Wait } from './wait.tsx'

interface SceneStateProps {
  readonly job: JobAnswer
  readonly scene: SceneAnswer
  /** Shows the scene's clip in place of the film; undefined where the clip is shown already. */
  readonly onWatch: (() => void) | undefined
  /** What else can be done here. */
  readonly children: ReactNode
}

export function SceneState({ job, scene, onWatch, children }: SceneStateProps) {
  const words = useWords()
  const { can } = useSession()
  const readable = useReadable()
  const { status, tries, error, waiting, clip_url: clip } = scene
  const name = words.job.sceneName(scene.position + 1, scene.title)
  const isAgainPossible =
    (status === 'completed' || status === 'failed') && job.status !== 'cancelled' && can('approve')
  return (
    <section className="scene-state" aria-label={words.film.scene(name)}>
      <strong>{name}</strong>
      <span className="quiet">
        {words.sceneStatus[status]}
        {status === 'processing' && ` · ${words.film.percent(scene.progress_percentage)}`}
        {tries > 1 && ` · ${words.film.tries(tries)}`}
      </span>
      {error !== null && status === 'failed' && (
        <p className="problem small">{words.film.failed(readable(error.reason))}</p>
      )}
      {waiting !== null && <Wait waiting={waiting} />}
      <div className="scene-state-actions">
        {clip !== null && onWatch && <Button onClick={onWatch}>{words.film.clip}</Button>}
        {isAgainPossible && <Again job={job} scene={scene} name={name} />}
        {children}
      </div>
    </section>
  )
}

const cents = (usd: number): number => Math.round(usd * 1_000_000) / 1_000_000

/** What would have to be approved after another render of the scene; null: an unknown price. */
function toApproveAfter({ costs }: JobAnswer, { price }: SceneAnswer): number | null {
  const { approved, reserved, spent, to_pay: toPay } = costs
  if (price === null || spent === null || toPay === null) return null
  return price === 0 ? 0 : Math.max(0, cents(spent + reserved + toPay + price - approved))
}

function Again({ job, scene, name }: Pick<SceneStateProps, 'job' | 'scene'> & { readonly name: string }) {
  const { film } = useWords()
  const money = useMoney()
  const [isAsked, setAsked] = useState(false)
  const again = useAction(() => client.regenerateScene(job.job_id, scene.id, { revision: job.revision }))
  const { price } = scene
  const act = price === 0 ? film.againForFree : film.again(money(price))
  const toApprove = toApproveAfter(job, scene)
  const close = (): void => setAsked(false)
  return (
    <>
      <Button onClick={() => setAsked(true)}>{act}</Button>
      <Confirm
        title={film.againTitle(name)}
        act={act}
        keep={film.cancel}
        isOpen={isAsked}
        onClose={close}
        isRunning={again.isRunning}
        error={again.error}
        onConfirm={() => void again.run().then((isDone) => isDone && close())}
      >
        <ul className="sheet-facts">
          <li>{price === 0 ? film.againFree : film.againTells(money(price))}</li>
          {price !== 0 && (
            <li>{toApprove === 0 ? film.againCovered : film.againToApprove(money(toApprove))}</li>
          )}
        </ul>
      </Confirm>
    </>
  )
}
