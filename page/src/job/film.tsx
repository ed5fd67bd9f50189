/** What plays at the head of a job: the film with its scenes as chapters, or the clip of a scene. */
import { useEffect, useRef, useState } from 'react'
import type { JobAnswer, SceneAnswer } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { type FilmVersion, versionsSource } from '../server/sources.ts'
import { Button } from '../ui/button.tsx'
import { useKey } from '../ui/keys.ts'
import { placeOf } from '../ui/times.tsx'
import { useWords } from '../words/words.tsx'
import { Player } from './player.tsx'
import { ShareButton } from './share.tsx'
import { frameOf } from './strip-frame.tsx'

export interface StageProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  readonly chosen: string | undefined
  /** How often a person has chosen a scene; the first one is chosen by the page. */
  readonly picks: number
  readonly onScene: (sceneId: string) => void
  /** Whether the chosen scene's clip is shown although there is a film. */
  readonly isClip: boolean
  readonly onFilm: () => void
}

export const shapeOf = ({ storyboard: { format } }: JobAnswer) => ({
  aspectRatio: `${format.width} / ${format.height}`,
  maxInlineSize: `${(60 * format.width) / format.height}dvh`,
})

export function Stage({ job, scenes, chosen, picks, onScene, isClip, onFilm }: StageProps) {
  const scene = scenes.find(({ id }) => id === chosen)
  const clip = scene?.clip_url
  if (job.film !== null && !isClip) return <Film job={job} chosen={chosen} picks={picks} onScene={onScene} />
  if (scene && clip != null && job.status !== 'pending')
    return (
      <Clip
        job={job}
        scene={scene}
        address={clip}
        next={scenes[scene.position + 1]}
        picks={picks}
        onScene={onScene}
        onFilm={job.film === null ? undefined : onFilm}
      />
    )
  return <Player job={job} scenes={scenes} chosen={chosen} onScene={onScene} />
}

interface ClipProps extends Pick<StageProps, 'job' | 'picks' | 'onScene'> {
  readonly scene: SceneAnswer
  readonly address: string
  readonly next: SceneAnswer | undefined
  readonly onFilm: (() => void) | undefined
}

/** Plays on with the next scene, if it is ready. */
function Clip({ job, scene, address, next, picks, onScene, onFilm }: ClipProps) {
  const words = useWords()
  const name = words.job.sceneName(scene.position + 1, scene.title)
  return (
    <div className="stage">
      <figure className="player" style={shapeOf(job)}>
        <video
          // A clip that was rendered anew is at the same address.
          key={`${address} ${scene.completed_at} ${picks}`}
          controls
          playsInline
          autoPlay={picks > 0}
          src={address}
          poster={frameOf(scene)}
          aria-label={words.film.clipOf(name)}
          onEnded={() => next?.clip_url != null && onScene(next.id)}
        />
      </figure>
      <div className="stage-bar">
        <span className="quiet">{words.film.clipOf(name)}</span>
        {onFilm && <Button onClick={onFilm}>{words.film.backToFilm}</Button>}
      </div>
    </div>
  )
}

/** A film's scenes as they are in it. */
export type Chapters = NonNullable<FilmVersion['scenes']>

export const chapterAt = (chapters: Chapters, seconds: number): number =>
  // A player stops some milliseconds before the place that it was sent to.
  Math.max(
    0,
    chapters.findLastIndex(({ start }) => start <= seconds + 0.05),
  )

function Film({ job, chosen, picks, onScene }: Pick<StageProps, 'job' | 'chosen' | 'picks' | 'onScene'>) {
  const words = useWords()
  const { data: versions, error } = useLive(versionsSource(job.job_id))
  const shown = versions?.find(({ current }) => current)
  const chapters = shown?.scenes ?? []
  const video = useRef<HTMLVideoElement>(null)
  const [current, setCurrent] = useState(0)
  const follow = ({ currentTime }: HTMLVideoElement): void => setCurrent(chapterAt(chapters, currentTime))
  const seek = (index: number): void => {
    const chapter = chapters[index]
    if (!video.current || !chapter) return
    video.current.currentTime = chapter.start
    // Before the film is loaded, no event says so.
    setCurrent(index)
  }
  // A scene that is chosen in the strip is shown in the film.
  const before = useRef(picks)
  useEffect(() => {
    if (before.current !== picks) seek(chapters.findIndex(({ scene_id: id }) => id === chosen))
    before.current = picks
  })
  const go = (index: number): void => {
    const chapter = chapters[index]
    if (!chapter) return
    seek(index)
    onScene(chapter.scene_id)
  }
  useKey(',', words.player.before, () => go(current - 1))
  useKey('.', words.player.next, () => go(current + 1))
  // The bytes at a version's address never change; those at the film's do.
  const address = shown?.url ?? (error === undefined ? undefined : job.film?.url)
  return (
    <div className="stage">
      <figure className="player" style={shapeOf(job)}>
        <video
          key={address}
          ref={video}
          controls
          playsInline
          preload="metadata"
          src={address}
          poster={job.thumbnail_url ?? undefined}
          aria-label={words.film.label}
          onSeeking={({ currentTarget }) => follow(currentTarget)}
          onTimeUpdate={({ currentTarget }) => follow(currentTarget)}
        />
      </figure>
      <ChapterBar chapters={chapters} current={current} onChapter={go} />
      <div className="stage-bar">
        {job.status !== 'completed' && (
          <span className="quiet small">
            {job.status === 'approved' || job.status === 'processing'
              ? words.running.newFilm
              : words.running.changedFilm}
          </span>
        )}
        {address !== undefined && (
          <a className="button" href={address} download>
            {words.film.download}
          </a>
        )}
        {shown && <ShareButton job={job} version={shown.version} />}
      </div>
    </div>
  )
}

interface ChapterBarProps {
  readonly chapters: Chapters
  readonly current: number
  readonly onChapter: (index: number) => void
}

/** As wide as the scenes are long. */
function ChapterBar({ chapters, current, onChapter }: ChapterBarProps) {
  const words = useWords()
  if (chapters.length < 2) return null
  return (
    <ol className="chapters" aria-label={words.film.chapters}>
      {chapters.map(({ scene_id: id, title, start, duration }, index) => {
        const name = words.job.sceneName(index + 1, title)
        return (
          <li key={id} style={{ flexGrow: duration }}>
            <button
              type="button"
              className="chapter"
              aria-label={words.film.chapter(name, placeOf(start))}
              aria-current={index === current}
              aria-keyshortcuts={index === current + 1 ? '.' : index === current - 1 ? ',' : undefined}
              title={name}
              onClick={() => onChapter(index)}
            >
              {name}
            </button>
          </li>
        )
      })}
    </ol>
  )
}
