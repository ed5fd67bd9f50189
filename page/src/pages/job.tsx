/** One job: before approval what it will be and cost, afterwards how far it is, and at the end the film. */
import { useEffect, useState } from 'react'
import { Strip } from '../job/strip.tsx'
import { Deciding } from '../job/deciding.tsx'
import { Stage } from '../job/film.tsx'
import { History } from '../job/history.tsx'
import { Running } from '../job/running.tsx'
import { SceneState } from '../job/scene-state.tsx'
import { Versions } from '../job/versions.tsx'
import { ScenePanel } from '../job/scene-panel.tsx'
import { useLive } from '../server/live.ts'
import { jobSource } from '../server/sources.ts'
import { Problem } from '../ui/problem.tsx'
import { Status, Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function JobPage({ id }: { readonly id: number }) {
  const words = useWords()
  const { data, error, again } = useLive(jobSource(id))
  const [chosen, setChosen] = useState<string>()
  const [picks, setPicks] = useState(0)
  const choose = (sceneId: string): void => {
    setChosen(sceneId)
    setPicks((count) => count + 1)
  }
  const [isClip, setClip] = useState(false)
  const scenes = data?.scenes
  useEffect(() => {
    if (scenes && !scenes.some((scene) => scene.id === chosen)) setChosen(scenes[0]?.id)
  }, [scenes, chosen])
  if (!data)
    return error === undefined ? (
      <p className="quiet">{words.loading}</p>
    ) : (
      <Problem error={error} again={again} />
    )
  const { job } = data
  const scene = data.scenes.find(({ id: sceneId }) => sceneId === chosen)
  const { format, total_duration: seconds } = job.storyboard
  return (
    <article className="job">
      <header className="job-head">
        <h1>{job.video_name}</h1>
        <Status status={job.status} />
        <p className="quiet">
          {job.client_id !== null && <>{words.waiting.of(job.client_id)} · </>}
          {words.scenes(data.scenes.length)} · {words.seconds(seconds)} · {format.width} × {format.height} ·{' '}
          <Time at={job.inserted_at} />
        </p>
      </header>
      {error !== undefined && <Problem error={error} again={again} />}
      <div className="job-main">
        <Stage
          job={job}
          scenes={data.scenes}
          chosen={chosen}
          picks={picks}
          onScene={choose}
          isClip={isClip}
          onFilm={() => setClip(false)}
        />
        <div className="job-side">
          <Deciding job={job} />
          <Running job={job} scenes={data.scenes} />
        </div>
      </div>
      <Strip scenes={data.scenes} shape={format} chosen={chosen} onChoose={choose} />
      {scene && job.status !== 'pending' && (
        <SceneState
          job={job}
          scene={scene}
          onWatch={job.film === null || isClip ? undefined : () => setClip(true)}
        />
      )}
      {scene && (
        <ScenePanel key={scene.id} job={job} scenes={data.scenes} scene={scene} onChoose={setChosen} />
      )}
      <Versions job={job} />
      <History jobId={id} />
    </article>
  )
}
