/** What can be done with a scene besides changing it. What it costs is shown before it is done. */
import { useMemo, useState } from 'react'
import { type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/sheet.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { setDraft } from './drafts.ts'
import { EditProblem } from './edit-problem.tsx'
import { useEstimate } from './estimate.ts'

/** The photograph that a new scene is asked for with. */
export interface Adding {
  readonly assetId: string | undefined
  readonly ask: (assetId: string | undefined) => void
}

export function useAdding(): Adding {
  const [assetId, ask] = useState<string>()
  return useMemo(() => ({ assetId, ask }), [assetId])
}

export interface SceneActionsProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  readonly scene: SceneAnswer
  readonly onChoose: (sceneId: string) => void
  readonly again: () => void
  readonly adding: Adding
}

export function SceneActions({ job, scenes, scene, onChoose, again, adding }: SceneActionsProps) {
  const words = useWords()
  const { position } = scene
  const [isRemoving, setRemoving] = useState(false)
  const move = useAction(async (to: number) => {
    try {
      await client.updateScene(job.job_id, scene.id, { position: to, revision: job.revision })
    } finally {
      again()
    }
  })
  return (
    <>
      {move.error !== undefined && <EditProblem error={move.error} />}
      <div className="line-actions">
        <Button disabled={position === 0 || move.isRunning} onClick={() => void move.run(position - 1)}>
          {words.scene.earlier}
        </Button>
        <Button
          disabled={position === scenes.length - 1 || move.isRunning}
          onClick={() => void move.run(position + 1)}
        >
          {words.scene.later}
        </Button>
        <Button onClick={() => adding.ask(scene.asset_ids[0])}>{words.scene.add}</Button>
        {scenes.length > 1 && (
          <Button kind="danger" onClick={() => setRemoving(true)}>
            {words.scene.remove}
          </Button>
        )}
      </div>
      {isRemoving && (
        <RemoveScene
          job={job}
          scenes={scenes}
          scene={scene}
          onChoose={onChoose}
          again={again}
          close={() => setRemoving(false)}
        />
      )}
    </>
  )
}

function RemoveScene({
  job,
  scenes,
  scene,
  onChoose,
  again,
  close,
}: Omit<SceneActionsProps, 'adding'> & { readonly close: () => void }) {
  const words = useWords()
  const money = useMoney()
  const others = useMemo(() => scenes.filter(({ id }) => id !== scene.id), [scenes, scene.id])
  const estimate = useEstimate(job, others)
  const remove = useAction(async () => {
    try {
      await client.deleteScene(job.job_id, scene.id, { revision: job.revision })
    } finally {
      again()
    }
    setDraft(job.job_id, scene.id, undefined)
    const next = scenes[scene.position + 1] ?? scenes[scene.position - 1]
    if (next) onChoose(next.id)
    close()
  })
  const cost = estimate.answer && words.scene.wouldCost(money(estimate.answer.estimated_cost))
  const error = remove.error ?? estimate.error
  return (
    <Confirm
      title={words.scene.removeTitle(words.job.sceneName(scene.position + 1, scene.title))}
      act={words.scene.remove}
      keep={words.scene.leave}
      kind="danger"
      isRunning={remove.isRunning}
      error={undefined}
      onConfirm={() => void remove.run()}
      onClose={close}
    >
      <p aria-live="polite">{cost}</p>
      {error !== undefined && <EditProblem error={error} />}
    </Confirm>
  )
}

/** A new scene with a photograph, behind another one: the model and seconds follow the job's. */
export function AddScene({
  job,
  scenes,
  after,
  onChoose,
  again,
  adding,
}: Omit<SceneActionsProps, 'scene'> & { readonly after: SceneAnswer }) {
  return (
    adding.assetId !== undefined && (
      <AddOne
        job={job}
        scenes={scenes}
        after={after}
        onChoose={onChoose}
        again={again}
        assetId={adding.assetId}
        close={() => adding.ask(undefined)}
      />
    )
  )
}

function AddOne({
  job,
  scenes,
  after,
  onChoose,
  again,
  assetId,
  close,
}: Omit<SceneActionsProps, 'scene' | 'adding'> & {
  readonly after: SceneAnswer
  readonly assetId: string
  readonly close: () => void
}) {
  const words = useWords()
  const money = useMoney()
  const { model, prompt, duration, transition } = after
  // Like the one before it, so that the film stays of one kind.
  const added = useMemo(
    () => ({ title: null, prompt, duration, model, transition, asset_ids: [assetId] }),
    [assetId, prompt, duration, model, transition],
  )
  const position = after.position + 1
  const planned = useMemo(
    () => scenes.toSpliced(position, 0, { ...after, ...added }),
    [scenes, position, after, added],
  )
  const estimate = useEstimate(job, planned)
  const add = useAction(async () => {
    try {
      const { scene } = await client.addScene(job.job_id, { ...added, position, revision: job.revision })
      onChoose(scene.id)
    } finally {
      again()
    }
    close()
  })
  const error = add.error ?? estimate.error
  return (
    <Confirm
      title={words.scene.addTitle(position + 1)}
      act={words.scene.add}
      keep={words.scene.leave}
      isRunning={add.isRunning}
      error={undefined}
      onConfirm={() => void add.run()}
      onClose={close}
    >
      <p aria-live="polite">
        {estimate.answer && words.scene.wouldCost(money(estimate.answer.estimated_cost))}
      </p>
      {error !== undefined && <EditProblem error={error} />}
    </Confirm>
  )
}
