/** The film strip: each scene as it will look or looks, in the order of the film. */
import type { SceneAnswer } from '../server/client.ts'
import { useMoney } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

interface StripProps {
  readonly scenes: readonly SceneAnswer[]
  readonly shape: { readonly width: number; readonly height: number }
  readonly chosen: string | undefined
  readonly onChoose: (sceneId: string) => void
}

export function Strip({ scenes, shape, chosen, onChoose }: StripProps) {
  const words = useWords()
  return (
    <ol className="strip" aria-label={words.job.scenes}>
      {scenes.map((scene) => (
        <li key={scene.id}>
          <StripFrame
            scene={scene}
            shape={shape}
            isChosen={scene.id === chosen}
            onChoose={() => onChoose(scene.id)}
          />
        </li>
      ))}
    </ol>
  )
}

/** The address changes with what is seen, so that a browser shows the picture it has and fetches only a new one. */
export const frameOf = (scene: SceneAnswer): string => `/api/v3/jobs/${scene.job_id}/scenes/${scene.id}/frame`

interface FrameProps {
  readonly scene: SceneAnswer
  readonly shape: StripProps['shape']
  readonly isChosen: boolean
  readonly onChoose: () => void
}

function StripFrame({ scene, shape, isChosen, onChoose }: FrameProps) {
  const words = useWords()
  const money = useMoney()
  const { status, title, duration, price, position, progress_percentage: percentage } = scene
  return (
    <button
      type="button"
      className="strip-frame"
      data-status={status}
      aria-pressed={isChosen}
      onClick={onChoose}
    >
      <span className="strip-picture" style={{ aspectRatio: `${shape.width} / ${shape.height}` }}>
        <img key={`${scene.updated_at}`} src={frameOf(scene)} alt="" loading="lazy" decoding="async" />
        {status === 'processing' && (
          <span className="strip-progress" style={{ inlineSize: `${percentage}%` }} aria-hidden="true" />
        )}
      </span>
      <span className="strip-line">
        <span>{words.job.sceneName(position + 1, title)}</span>
        <span className="quiet">{words.seconds(duration)}</span>
      </span>
      <span className="strip-line small quiet">
        <span>{words.sceneStatus[status]}</span>
        <span>{money(price)}</span>
      </span>
    </button>
  )
}
