/**
 * Plays the film, or before there is one its scenes one after another: the clip where it is rendered, else its preview. Two
 * elements take turns, so that the next scene is loaded before the last one ends.
 */
import { useEffect, useRef, useState } from 'react'
import type { JobAnswer, SceneAnswer } from '../server/client.ts'
import { Button } from '../ui/button.tsx'
import { useWords } from '../words/words.tsx'
import { frameOf } from './strip.tsx'

interface PlayerProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  readonly chosen: string | undefined
  readonly onScene: (sceneId: string) => void
}

const sourceOf = (scene: SceneAnswer): string =>
  scene.clip_url ?? `/api/v3/jobs/${scene.job_id}/scenes/${scene.id}/preview`

export function Player({ job, scenes, chosen, onScene }: PlayerProps) {
  const { width, height } = job.storyboard.format
  const shape = { aspectRatio: `${width} / ${height}`, maxInlineSize: `${(60 * width) / height}dvh` }
  if (job.film !== null)
    return (
      <figure className="player" style={shape}>
        <video
          controls
          playsInline
          preload="metadata"
          src={job.film.url}
          poster={job.thumbnail_url ?? undefined}
        />
      </figure>
    )
  const index = Math.max(
    0,
    scenes.findIndex(({ id }) => id === chosen),
  )
  const scene = scenes[index]
  if (!scene) return <figure className="player" style={shape} />
  return (
    <figure className="player" style={shape}>
      <Scenes scenes={scenes} index={index} onScene={onScene} />
    </figure>
  )
}

interface ScenesProps {
  readonly scenes: readonly SceneAnswer[]
  readonly index: number
  readonly onScene: (sceneId: string) => void
}

function Scenes({ scenes, index, onScene }: ScenesProps) {
  const words = useWords()
  const [isPlaying, setPlaying] = useState(false)
  const video = useRef<HTMLVideoElement>(null)
  const scene = scenes[index]!
  const next = scenes[index + 1]
  const source = sourceOf(scene)
  useEffect(() => {
    const element = video.current
    if (!element) return
    if (isPlaying) element.play().catch(() => setPlaying(false))
    else element.pause()
  }, [isPlaying, source])
  return (
    <>
      <video
        ref={video}
        key={source}
        src={source}
        poster={frameOf(scene)}
        muted
        playsInline
        preload={isPlaying ? 'auto' : 'none'}
        onEnded={() => (next ? onScene(next.id) : setPlaying(false))}
      />
      {isPlaying && next && (
        <link rel="preload" as="fetch" href={sourceOf(next)} crossOrigin="use-credentials" />
      )}
      <figcaption className="player-bar">
        <Button onClick={() => setPlaying(!isPlaying)}>
          {isPlaying ? words.player.pause : words.player.preview}
        </Button>
        <span className="small">{words.player.isPreview}</span>
      </figcaption>
    </>
  )
}
