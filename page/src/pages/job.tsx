/** One job: before approval what it will be and cost, afterwards how far it is, and at the end the film. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { JobCommands } from '../job/commands.tsx'
import { Deciding } from '../job/deciding.tsx'
import { forgetSaved, useDrafts } from '../job/drafts.ts'
import { EditProblem } from '../job/edit-problem.tsx'
import { Stage } from '../job/film.tsx'
import { History } from '../job/history.tsx'
import { Running } from '../job/running.tsx'
import { useAdding } from '../job/scene-actions.tsx'
import { RemovedScenes, ScenePanel } from '../job/scene-panel.tsx'
import { SceneState } from '../job/scene-state.tsx'
import { Strip } from '../job/strip.tsx'
import { Versions } from '../job/versions.tsx'
import { Link } from '../router.tsx'
import { ApiError, type JobAnswer, type SceneAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { type JobShown, jobSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { usePageTitle } from '../ui/title.ts'
import { Status, Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function JobPage({ id }: { readonly id: number }) {
  const words = useWords()
  const { data, error, again } = useLive(jobSource(id))
  usePageTitle(data?.job.video_name)
  // Removed while it was open: nothing of it can be decided any more.
  if (error instanceof ApiError && error.status === 404)
    return (
      <div className="failure">
        <h1>#{id}</h1>
        <Problem error={error} />
        <div className="failure-actions">
          <Link className="button" to="/jobs">
            {words.nav.jobs}
          </Link>
        </div>
      </div>
    )
  if (!data)
    return error === undefined ? (
      <p className="quiet">{words.loading}</p>
    ) : (
      <>
        <h1>#{id}</h1>
        <Problem error={error} again={again} />
      </>
    )
  return <ShownJob {...data} error={error} again={again} />
}

/** The chosen scene; if it is gone, the one in its place. `picks`: how often a person has chosen one. */
function useChosen(scenes: readonly SceneAnswer[]) {
  const [chosen, setChosen] = useState<string>()
  const [picks, setPicks] = useState(0)
  const place = useRef(0)
  const scene = scenes.find(({ id }) => id === chosen) ?? scenes[Math.min(place.current, scenes.length - 1)]
  useEffect(() => {
    if (!scene) return
    place.current = scene.position
    // From now on it is this scene, wherever it is moved.
    if (chosen === undefined) setChosen(scene.id)
  }, [scene, chosen])
  const onChoose = useCallback((sceneId: string) => {
    setChosen(sceneId)
    setPicks((count) => count + 1)
  }, [])
  return { scene, picks, onChoose }
}

/** Scenes that wait and take a kept clip, so that they cost nothing although their model does. */
function useReused({ costs }: JobAnswer, scenes: readonly SceneAnswer[]): ReadonlySet<string> {
  return useMemo(() => {
    const free = new Set(costs.scenes.filter(({ estimated }) => estimated === 0).map((one) => one.scene_id))
    const reused = scenes.filter(
      ({ id, status, price }) => status === 'pending' && price !== 0 && free.has(id),
    )
    return new Set(reused.map(({ id }) => id))
  }, [costs.scenes, scenes])
}

interface ShownJobProps extends JobShown {
  readonly error: unknown
  readonly again: () => void
}

function ShownJob({ job, scenes, error, again }: ShownJobProps) {
  const words = useWords()
  const { can } = useSession()
  const { scene, picks, onChoose } = useChosen(scenes)
  const reused = useReused(job, scenes)
  const drafts = useDrafts(job.job_id)
  const adding = useAdding()
  const [isClip, setClip] = useState(false)
  const unsaved = [...drafts.values()].filter(({ savedAs }) => savedAs === undefined).length
  useEffect(() => forgetSaved(job.job_id, job.revision), [job.job_id, job.revision, drafts])
  const move = useAction((sceneId: string, position: number) =>
    client.updateScene(job.job_id, sceneId, { position, revision: job.revision }).finally(again),
  )
  const { run } = move
  const [isChanging, setChanging] = useState(false)
  const isEditable = can('submit') && job.status !== 'cancelled'
  // A film is there to be watched: what changes it is shown to those who ask for it, and to those who decide about it.
  const isCalm = job.film !== null && !job.needs_approval && unsaved === 0
  const isOpen = !isCalm || isChanging
  const isMovable = isEditable && isOpen && job.status !== 'processing'
  const onMove = useCallback((sceneId: string, position: number) => run(sceneId, position), [run])
  const { format, total_duration: seconds } = job.storyboard
  return (
    <article className="job">
      <header className="job-head">
        <h1>{job.video_name}</h1>
        <Status status={job.status} />
        <p className="quiet">
          {job.client_id !== null && <>{words.waiting.of(job.client_id)} · </>}
          {words.scenes(scenes.length)} · {words.seconds(seconds)} · {format.width} × {format.height} ·{' '}
          <Time at={job.inserted_at} />
        </p>
      </header>
      {error !== undefined && <Problem error={error} again={again} />}
      <JobCommands job={job} />
      <div className="job-main">
        <Stage
          job={job}
          scenes={scenes}
          chosen={scene?.id}
          picks={picks}
          onScene={onChoose}
          isClip={isClip}
          onFilm={() => setClip(false)}
        />
        <div className="job-side">
          <Deciding job={job} scenes={scenes} reused={reused} unsaved={unsaved} again={again} />
          <Running job={job} scenes={scenes} />
        </div>
      </div>
      {move.error !== undefined && <EditProblem error={move.error} />}
      <Strip
        scenes={scenes}
        shape={format}
        chosen={scene?.id}
        reused={reused}
        drafts={drafts}
        onChoose={onChoose}
        onMove={isMovable ? onMove : undefined}
        end={
          isMovable && (
            <Button
              className="strip-add"
              aria-label={words.scene.add}
              onClick={() => {
                const last = scenes.at(-1)
                if (last) onChoose(last.id)
                adding.ask(last?.asset_ids[0])
              }}
            >
              +
            </Button>
          )
        }
      />
      <RemovedScenes job={job} scenes={scenes} again={again} />
      {scene && job.status !== 'pending' && (
        <SceneState
          job={job}
          scene={scene}
          onWatch={job.film === null || isClip ? undefined : () => setClip(true)}
        >
          {isCalm && (
            <Button aria-expanded={isChanging} onClick={() => setChanging(!isChanging)}>
              {isEditable ? words.job.changeScenes : words.job.sceneDetails}
            </Button>
          )}
        </SceneState>
      )}
      {scene && isOpen && (
        <ScenePanel
          key={scene.id}
          job={job}
          scenes={scenes}
          scene={scene}
          onChoose={onChoose}
          again={again}
          adding={adding}
        />
      )}
      <Versions job={job} />
      <History jobId={job.job_id} />
    </article>
  )
}
