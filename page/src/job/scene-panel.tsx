/** The chosen scene, edited in place: what a change would cost is shown before it is saved. */
import type { KeyboardEvent } from 'react'
import { ApiError, type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { noteIn } from '../ui/notes.ts'
import { Problem } from '../ui/problem.tsx'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import {
  type Draft,
  type Editable,
  changedBeneath,
  drafted,
  editableOf,
  savingOf,
  withDraft,
} from './draft.ts'
import { setDraft, useDrafts } from './drafts.ts'
import { EditProblem } from './edit-problem.tsx'
import { useEstimate } from './estimate.ts'
import { Photographs } from './photographs.tsx'
import { AddScene, SceneActions, type SceneActionsProps } from './scene-actions.tsx'
import { SceneFields } from './scene-fields.tsx'

/** The member of this scene that an estimate is refused for. */
function refusedMember(error: unknown, position: number): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  const place = `storyboard.scenes[${position}].`
  const field = error.body.problems?.find((problem) => problem.field.startsWith(place))?.field
  return field?.slice(place.length)
}

export function ScenePanel({ job, scenes, scene, onChoose, again, adding }: SceneActionsProps) {
  const words = useWords()
  const money = useMoney()
  const { can } = useSession()
  const drafts = useDrafts(job.job_id)
  const draft = drafts.get(scene.id)
  const isSaved = draft?.savedAs !== undefined
  const isChanged = draft !== undefined && !isSaved
  const values = withDraft(scene, draft)
  const isEditable = can('submit') && job.status !== 'cancelled'
  const estimate = useEstimate(
    job,
    isChanged ? scenes.map((one) => withDraft(one, drafts.get(one.id))) : undefined,
  )
  const notes = estimate.answer?.storyboard.scenes[scene.position]?.notes ?? scene.notes
  const theirs = isChanged ? changedBeneath(scene, draft) : []
  const save = useAction(async () => {
    if (!draft) return
    try {
      const { revision } = await client.updateScene(job.job_id, scene.id, savingOf(draft, job.revision))
      setDraft(job.job_id, scene.id, { ...draft, savedAs: revision })
    } finally {
      again()
    }
  })
  const set = (change: Partial<Editable>): void =>
    setDraft(job.job_id, scene.id, drafted(scene, isSaved ? undefined : draft, change))
  const discard = (): void => {
    setDraft(job.job_id, scene.id, undefined)
    save.clear()
  }
  const press = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    // Elsewhere on the page it approves, which nobody means who writes here.
    event.preventDefault()
    event.stopPropagation()
    if (isChanged && theirs.length === 0) void save.run()
  }
  return (
    <section
      className="card scene-panel"
      aria-label={words.job.sceneName(scene.position + 1, scene.title)}
      onKeyDown={press}
    >
      <h2 className="scene-head">{words.job.sceneName(scene.position + 1, scene.title)}</h2>
      <div className="scene-main">
        <SceneFields
          format={job.storyboard.format}
          values={values}
          isEditable={isEditable}
          refused={refusedMember(estimate.error, scene.position)}
          set={set}
        />
        <div className="scene-side">
          <Photographs
            job={job}
            scenes={scenes}
            assetIds={values.asset_ids}
            set={isEditable ? (asset_ids) => set({ asset_ids }) : undefined}
            onAdd={adding.ask}
          />
        </div>
      </div>
      {notes.length > 0 && (
        <ul className="scene-notes small">
          {notes.map((note) => (
            <li key={note} className="note">
              {noteIn(note, words)}
            </li>
          ))}
        </ul>
      )}
      {isChanged && theirs.length > 0 && (
        <Conflict job={job} scene={scene} draft={draft} theirs={theirs} discard={discard} />
      )}
      {save.error !== undefined && <EditProblem error={save.error} />}
      {estimate.error !== undefined && <Problem error={estimate.error} />}
      {isChanged && (
        <div className="line-actions scene-save">
          <strong aria-live="polite" className="scene-cost">
            {estimate.answer && words.scene.wouldCost(money(estimate.answer.estimated_cost))}
          </strong>
          <Button
            kind="main"
            aria-keyshortcuts="Control+Enter"
            disabled={save.isRunning || theirs.length > 0}
            onClick={() => void save.run()}
          >
            {words.scene.save}
          </Button>
          <Button onClick={discard}>{words.scene.discard}</Button>
        </div>
      )}
      {isEditable && !isChanged && (
        <SceneActions
          job={job}
          scenes={scenes}
          scene={scene}
          onChoose={onChoose}
          again={again}
          adding={adding}
        />
      )}
      <AddScene job={job} scenes={scenes} onChoose={onChoose} again={again} adding={adding} after={scene} />
    </section>
  )
}

interface ConflictProps {
  readonly job: JobAnswer
  readonly scene: SceneAnswer
  readonly draft: Draft
  readonly theirs: readonly (keyof Editable)[]
  readonly discard: () => void
}

const told = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '–'

/** Somebody else has changed the same scene: both states are shown, and this person decides. */
function Conflict({ job, scene, draft, theirs, discard }: ConflictProps) {
  const words = useWords()
  return (
    <div className="note" role="status">
      <p>{words.scene.conflict}</p>
      <dl className="conflict">
        {theirs
          .filter((name) => name !== 'asset_ids')
          .map((name) => (
            <div key={name}>
              <dt>{words.scene.members[name]}</dt>
              <dd>{words.scene.theyWrote(told(scene[name]))}</dd>
              {name in draft.change && <dd>{words.scene.youWrote(told(draft.change[name]))}</dd>}
            </div>
          ))}
        {theirs.includes('asset_ids') && <dt>{words.scene.members.asset_ids}</dt>}
      </dl>
      <div className="line-actions">
        <Button onClick={discard}>{words.scene.theirs}</Button>
        <Button
          onClick={() =>
            setDraft(job.job_id, scene.id, drafted(scene, { ...draft, base: editableOf(scene) }, {}))
          }
        >
          {words.scene.mine}
        </Button>
      </div>
    </div>
  )
}

/** Drafts of scenes that somebody else has removed. */
export function RemovedScenes({ job, scenes, again }: Pick<SceneActionsProps, 'job' | 'scenes' | 'again'>) {
  const words = useWords()
  const drafts = useDrafts(job.job_id)
  const restore = useAction(async (sceneId: string, draft: Draft) => {
    const { asset_ids, ...values } = { ...draft.base, ...draft.change }
    try {
      await client.addScene(job.job_id, { ...values, asset_ids: [...asset_ids], revision: job.revision })
      setDraft(job.job_id, sceneId, undefined)
    } finally {
      again()
    }
  })
  const removed = [...drafts].filter(
    ([id, { savedAs }]) => savedAs === undefined && !scenes.some((scene) => scene.id === id),
  )
  return removed.map(([id, draft]) => (
    <div key={id} className="note" role="status">
      <p>{words.scene.removedByOther(draft.base.title ?? draft.base.prompt)}</p>
      {restore.error !== undefined && <EditProblem error={restore.error} />}
      <div className="line-actions">
        <Button disabled={restore.isRunning} onClick={() => void restore.run(id, draft)}>
          {words.scene.restore}
        </Button>
        <Button onClick={() => setDraft(job.job_id, id, undefined)}>{words.scene.discard}</Button>
      </div>
    </div>
  ))
}
