/** One frame of the film strip. Drawn again only if its own scene has changed. */
import { memo, useState } from 'react'
import type { SceneAnswer } from '../server/client.ts'
import { noteIn } from '../ui/notes.ts'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { usePicture } from './pictures.ts'

const fingerprint = (text: string): string => {
  let hash = 5381
  for (let index = 0; index < text.length; index++)
    hash = (Math.imul(hash, 33) ^ text.charCodeAt(index)) >>> 0
  return hash.toString(36)
}

/** The address changes with what is seen, so that a browser shows the picture it has and fetches only a new one. */
const lookOf = ({ asset_ids, title, render, duration, transition, position }: SceneAnswer): string =>
  fingerprint(JSON.stringify([asset_ids, render === null && title, duration, transition, position % 2]))

const sceneAt = ({ job_id, id }: SceneAnswer): string => `/api/v3/jobs/${job_id}/scenes/${id}`

export const frameOf = (scene: SceneAnswer): string => `${sceneAt(scene)}/frame?look=${lookOf(scene)}`
export const previewOf = (scene: SceneAnswer): string => `${sceneAt(scene)}/preview?look=${lookOf(scene)}`

/** The scene's first one, small. */
export const photographOf = ({ asset_ids }: SceneAnswer): string => `/api/v3/assets/${asset_ids[0]}/picture`

export interface StripFrameProps {
  readonly scene: SceneAnswer
  readonly shape: string
  readonly isChosen: boolean
  /** A kept clip serves it. */
  readonly isReused: boolean
  readonly isDraft: boolean
  readonly onChoose: (sceneId: string) => void
}

export const StripFrame = memo(function StripFrame({
  scene,
  shape,
  isChosen,
  isReused,
  isDraft,
  onChoose,
}: StripFrameProps) {
  const words = useWords()
  const money = useMoney()
  // Shown until the server has made the frame.
  const photograph = usePicture('photograph', photographOf(scene))
  const [isPhotographShown, setPhotographShown] = useState(false)
  const frame = usePicture('frame', isPhotographShown ? frameOf(scene) : undefined)
  const settle = (): void => {
    setPhotographShown(true)
    photograph.onSettled()
    if (frame.src !== undefined) frame.onSettled()
  }
  const { status, title, duration, price, model, position, notes, progress_percentage: percentage } = scene
  return (
    <button
      type="button"
      className="strip-frame"
      data-status={status}
      data-scene={scene.id}
      aria-pressed={isChosen}
      tabIndex={isChosen ? 0 : -1}
      onClick={() => onChoose(scene.id)}
    >
      <span className="strip-picture" style={{ aspectRatio: shape }}>
        <img
          src={frame.src ?? photograph.src}
          alt=""
          draggable={false}
          decoding="async"
          onLoad={settle}
          onError={settle}
        />
        {status === 'processing' && (
          <span className="strip-progress" style={{ inlineSize: `${percentage}%` }} aria-hidden="true" />
        )}
      </span>
      <span className="strip-line">
        <span className="strip-name">{words.job.sceneName(position + 1, title)}</span>
        <span className="quiet">{words.seconds(duration)}</span>
      </span>
      <span className="strip-line small quiet">
        <span className="strip-name">{status === 'pending' ? model : words.sceneStatus[status]}</span>
        <span>{isReused ? words.storyboard.reused : money(price)}</span>
      </span>
      {notes.length > 0 && status !== 'completed' && (
        <span
          className="strip-line strip-note small"
          title={notes.map((note) => noteIn(note, words)).join('\n')}
        >
          <span aria-hidden="true">!</span>
          <span className="strip-name">{noteIn(notes[0]!, words)}</span>
          {notes.length > 1 && <span>+{notes.length - 1}</span>}
        </span>
      )}
      {isDraft && <span className="strip-mark">{words.storyboard.unsaved}</span>}
    </button>
  )
})
