/**
 * Plays the film, or before there is one its scenes one after another: the clip where it is rendered, else its preview. The
 * next scene is prepared and loaded while one plays, in an element of its own.
 */
import { type CSSProperties, useEffect, useRef, useState } from 'react'
import type { JobAnswer, SceneAnswer } from '../server/client.ts'
import { useKey } from '../ui/keys.ts'
import { Button } from '../ui/button.tsx'
import { useWords } from '../words/words.tsx'
import { frameOf, photographOf, previewOf } from './strip-frame.tsx'

interface PlayerProps {
  readonly job: JobAnswer
  readonly scenes: readonly SceneAnswer[]
  readonly chosen: string | undefined
  readonly onScene: (sceneId: string) => void
}

const sourceOf = (scene: SceneAnswer): string => scene.clip_url ?? previewOf(scene)

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
  if (!scenes[index]) return <figure className="player" style={shape} />
  return (
    <Scenes
      scenes={scenes}
      index={index}
      onScene={onScene}
      shape={shape}
      seconds={job.storyboard.total_duration}
    />
  )
}

interface ScenesProps {
  readonly scenes: readonly SceneAnswer[]
  readonly index: number
  readonly onScene: (sceneId: string) => void
  readonly shape: CSSProperties
  /** Of the film, in which scenes run into each other. */
  readonly seconds: number
}

/** Loaded while the first of them plays. */
const ahead = 2

function Scenes({ scenes, index, onScene, shape, seconds }: ScenesProps) {
  const words = useWords()
  const [isPlaying, setPlaying] = useState(false)
  const [time, setTime] = useState(0)
  const [isWaiting, setWaiting] = useState(false)
  const [hasFailed, setFailed] = useState(false)
  const stage = useRef<HTMLDivElement>(null)
  const scene = scenes[index]!
  const source = sourceOf(scene)
  const loaded = scenes.slice(index, isPlaying ? index + ahead : index + 1)
  const go = (to: number): void => {
    const target = scenes[to]
    if (target) onScene(target.id)
  }
  const toggle = (): void => {
    // From the beginning, once the last scene has ended.
    const element = stage.current?.querySelector<HTMLVideoElement>('[data-current="true"]')
    if (!isPlaying && element?.ended && index === scenes.length - 1) go(0)
    setPlaying(!isPlaying)
  }
  useKey(' ', isPlaying ? words.player.pause : words.player.preview, toggle)
  useKey('arrowleft', words.player.before, () => go(index - 1))
  useKey('arrowright', words.player.next, () => go(index + 1))
  useEffect(() => {
    setTime(0)
    setFailed(false)
    for (const element of stage.current?.querySelectorAll('video') ?? []) {
      const isCurrent = element.dataset['current'] === 'true'
      if (isCurrent && isPlaying) element.play().catch(() => {})
      else element.pause()
    }
  }, [isPlaying, source])
  const next = scenes[index + 1]
  const before = scenes.slice(0, index).reduce((sum, { duration }) => sum + duration, 0)
  const whole = scenes.reduce((sum, { duration }) => sum + duration, 0)
  const share = whole > 0 ? Math.min(1, (before + time) / whole) : 0
  return (
    <figure className="player-scenes">
      <div
        className="player"
        ref={stage}
        style={{ ...shape, backgroundImage: `url(${photographOf(scene)})` }}
      >
        {loaded.map((one, offset) => (
          <video
            key={`${one.id} ${sourceOf(one)}`}
            src={sourceOf(one)}
            data-current={offset === 0}
            poster={frameOf(one)}
            onClick={toggle}
            muted
            playsInline
            preload={isPlaying ? 'auto' : 'none'}
            onTimeUpdate={({ currentTarget }) => offset === 0 && setTime(currentTarget.currentTime)}
            onWaiting={() => offset === 0 && setWaiting(true)}
            onPlaying={() => offset === 0 && setWaiting(false)}
            onError={() => offset === 0 && setFailed(true)}
            onEnded={() => (next ? go(index + 1) : setPlaying(false))}
          />
        ))}
        {(hasFailed || (isPlaying && isWaiting)) && (
          <p className="player-told" role="status">
            {hasFailed ? words.player.failed : words.player.preparing}
          </p>
        )}
        <div className="player-bar">
          <span className="player-line" aria-hidden="true">
            <span style={{ inlineSize: `${100 * share}%` }} />
          </span>
          <Button aria-keyshortcuts="Space" onClick={toggle}>
            {isPlaying ? words.player.pause : words.player.preview}
          </Button>
          <span className="player-clock">
            {words.clock(share * seconds)} / {words.clock(seconds)}
          </span>
        </div>
      </div>
      <figcaption className="small quiet">
        {next && words.player.toNext(words.player.transitions[scene.transition])}{' '}
        {scene.clip_url === null ? words.player.isPreview : words.player.isClip}{' '}
        {scene.clip_url === null && scene.render !== null && words.player.isMovedByModel}
      </figcaption>
    </figure>
  )
}
