/** One job: before approval what it will be and cost, afterwards how far it is, and at the end the film. */
import { useEffect, useState } from 'react'
import { JobCommands } from '../job/commands.tsx'
import { Strip } from '../job/strip.tsx'
import { Deciding } from '../job/deciding.tsx'
import { Player } from '../job/player.tsx'
import { ScenePanel } from '../job/scene-panel.tsx'
import { useLive } from '../server/live.ts'
import { jobSource } from '../server/sources.ts'
import { Problem } from '../ui/problem.tsx'
import { usePageTitle } from '../ui/title.ts'
import { Status, Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function JobPage({ id }: { readonly id: number }) {
  const words = useWords()
  const { data, error, again } = useLive(jobSource(id))
  const [chosen, setChosen] = useState<string>()
  usePageTitle(data?.job.video_name)
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
      <JobCommands job={job} />
      <div className="job-main">
        <Player job={job} scenes={data.scenes} chosen={chosen} onScene={setChosen} />
        <Deciding job={job} />
      </div>
      <Strip scenes={data.scenes} shape={format} chosen={chosen} onChoose={setChosen} />
      {scene && (
        <ScenePanel key={scene.id} job={job} scenes={data.scenes} scene={scene} onChoose={setChosen} />
      )}
    </article>
  )
}
