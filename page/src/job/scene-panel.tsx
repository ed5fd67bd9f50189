/** The chosen scene, edited in place: what the change would cost is shown before it is made. */
import { useEffect, useMemo, useState } from 'react'
import { type JobAnswer, type SceneAnswer, type SceneChange, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { modelsSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

interface ScenePanelProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  readonly scene: SceneAnswer
  readonly onChoose: (sceneId: string) => void
}

type Draft = Pick<SceneAnswer, 'title' | 'prompt' | 'duration' | 'model'>

const draftOf = ({ title, prompt, duration, model }: SceneAnswer): Draft => ({
  title,
  prompt,
  duration,
  model,
})

/** The members that differ. */
function changeOf(scene: SceneAnswer, draft: Draft): SceneChange {
  const before = draftOf(scene)
  const change: Record<string, unknown> = {}
  for (const name of ['title', 'prompt', 'duration', 'model'] as const)
    if (draft[name] !== before[name]) change[name] = draft[name]
  return change
}

export function ScenePanel({ job, scenes, scene, onChoose }: ScenePanelProps) {
  const words = useWords()
  const { can } = useSession()
  const [draft, setDraft] = useState<Draft>(() => draftOf(scene))
  const change = useMemo(() => changeOf(scene, draft), [scene, draft])
  const isChanged = Object.keys(change).length > 0
  const [revision, setRevision] = useState(job.revision)
  // What somebody else has changed is shown at once, unless this person is editing.
  useEffect(() => {
    if (isChanged) return
    setDraft(draftOf(scene))
    setRevision(job.revision)
  }, [scene, job.revision, isChanged])
  const save = useAction(async () => {
    const { scene: saved, revision: next } = await client.updateScene(job.job_id, scene.id, {
      ...change,
      revision,
    })
    setDraft(draftOf(saved))
    setRevision(next)
  })
  const isEditable = can('submit') && job.status !== 'cancelled'
  const isConflict = isChanged && job.revision !== revision
  const set = <Name extends keyof Draft>(name: Name, value: Draft[Name]): void =>
    setDraft({ ...draft, [name]: value })
  const startAgain = (): void => {
    setDraft(draftOf(scene))
    setRevision(job.revision)
    save.clear()
  }
  return (
    <section className="card scene-panel" aria-label={words.job.sceneName(scene.position + 1, scene.title)}>
      <SceneFields scene={scene} draft={draft} isEditable={isEditable} set={set} />
      {scene.notes.map((note) => (
        <p key={note} className="note small">
          {note}
        </p>
      ))}
      {isConflict && (
        <div className="note" role="status">
          <p>{words.scene.conflict}</p>
          <Button onClick={startAgain}>{words.scene.theirs}</Button>
          <Button onClick={() => setRevision(job.revision)}>{words.scene.mine}</Button>
        </div>
      )}
      {save.error !== undefined && <Problem error={save.error} />}
      {isChanged && (
        <div className="line-actions">
          <NewCost job={job} scenes={scenes} scene={scene} draft={draft} />
          <Button kind="main" disabled={save.isRunning || isConflict} onClick={() => void save.run()}>
            {words.scene.save}
          </Button>
          <Button onClick={startAgain}>{words.scene.discard}</Button>
        </div>
      )}
      {isEditable && !isChanged && (
        <SceneActions job={job} scenes={scenes} scene={scene} onChoose={onChoose} />
      )}
    </section>
  )
}

interface SceneFieldsProps {
  readonly scene: SceneAnswer
  readonly draft: Draft
  readonly isEditable: boolean
  readonly set: <Name extends keyof Draft>(name: Name, value: Draft[Name]) => void
}

function SceneFields({ scene, draft, isEditable, set }: SceneFieldsProps) {
  const words = useWords()
  const { data } = useLive(modelsSource)
  const models = data?.models.map(({ name }) => name) ?? [draft.model]
  return (
    <div className="scene-fields">
      <div className="field">
        <label htmlFor="scene-title">{words.scene.title}</label>
        <input
          id="scene-title"
          className="input"
          maxLength={120}
          disabled={!isEditable}
          value={draft.title ?? ''}
          onChange={({ target }) => set('title', target.value === '' ? null : target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor="scene-seconds">{words.newFilm.seconds}</label>
        <input
          id="scene-seconds"
          className="input"
          type="number"
          min={1}
          max={60}
          step={0.5}
          disabled={!isEditable}
          value={draft.duration}
          onChange={({ target }) => set('duration', Number(target.value))}
        />
      </div>
      <div className="field">
        <label htmlFor="scene-model">{words.newFilm.model}</label>
        <select
          id="scene-model"
          className="input"
          disabled={!isEditable}
          value={draft.model}
          onChange={({ target }) => set('model', target.value)}
        >
          {[...new Set([...models, scene.model])].map((model) => (
            <option key={model} value={model}>
              {model}
            </option>
          ))}
        </select>
      </div>
      <div className="field scene-prompt">
        <label htmlFor="scene-prompt">{words.scene.prompt}</label>
        <textarea
          id="scene-prompt"
          className="input"
          rows={2}
          disabled={!isEditable}
          value={draft.prompt}
          onChange={({ target }) => set('prompt', target.value)}
        />
      </div>
    </div>
  )
}

/** What the film would cost with the draft. */
function NewCost({
  job,
  scenes,
  scene,
  draft,
}: Omit<ScenePanelProps, 'onChoose'> & { readonly draft: Draft }) {
  const words = useWords()
  const money = useMoney()
  const [cost, setCost] = useState<number | null>()
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    const ended = new AbortController()
    const timer = setTimeout(() => {
      const drafted = scenes.map((one) => {
        const { title, prompt, duration, model } = one.id === scene.id ? draft : one
        return { title, prompt, duration, model, asset_ids: [...one.asset_ids], transition: one.transition }
      })
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parameters are those of a job that was accepted
      const request = { type: job.type, parameters: job.parameters, storyboard: { scenes: drafted } } as never
      client.estimateJob(request, { signal: ended.signal }).then(
        (answer) => {
          setCost(answer.estimated_cost)
          setError(undefined)
        },
        (refusal: unknown) => ended.signal.aborted || setError(refusal),
      )
    }, 200)
    return () => {
      clearTimeout(timer)
      ended.abort()
    }
  }, [job, scenes, scene.id, draft])
  if (error !== undefined) return <Problem error={error} />
  return <strong aria-live="polite">{cost !== undefined && words.scene.wouldCost(money(cost))}</strong>
}

function SceneActions({ job, scenes, scene, onChoose }: ScenePanelProps) {
  const words = useWords()
  const { position } = scene
  const move = useAction((to: number) =>
    client.updateScene(job.job_id, scene.id, { position: to, revision: job.revision }),
  )
  const remove = useAction(async () => {
    await client.deleteScene(job.job_id, scene.id)
    const next = scenes[position + 1] ?? scenes[position - 1]
    if (next) onChoose(next.id)
  })
  const error = move.error ?? remove.error
  return (
    <>
      {error !== undefined && <Problem error={error} />}
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
        {scenes.length > 1 && (
          <Button kind="danger" disabled={remove.isRunning} onClick={() => void remove.run()}>
            {words.scene.remove}
          </Button>
        )}
      </div>
    </>
  )
}
