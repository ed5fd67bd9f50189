/** The words, seconds, model and transition of a scene. */
import type { JobAnswer } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { modelsSource } from '../server/sources.ts'
import { moneyIn } from '../ui/amounts.ts'
import { useLanguage } from '../words/words.tsx'
import type { Editable } from './draft.ts'
import { type FittingModel, fittingModels } from './models.ts'

interface SceneFieldsProps {
  readonly format: JobAnswer['storyboard']['format']
  readonly values: Editable
  readonly isEditable: boolean
  /** The member that the server would refuse. */
  readonly refused: string | undefined
  readonly set: (change: Partial<Editable>) => void
}

const transitions = ['fade', 'slide', 'cut'] as const

export function SceneFields({ format, values, isEditable, refused, set }: SceneFieldsProps) {
  const { words, code } = useLanguage()
  const { data } = useLive(modelsSource)
  const shortSide = Math.min(format.width, format.height)
  const fitting = data
    ? fittingModels(data, { images: values.asset_ids.length, seconds: values.duration, shortSide })
    : []
  const isListed = fitting.some(({ name }) => name === values.model)
  const models = isListed ? fitting : [...fitting, { name: values.model, perSecond: undefined }]
  const priced = ({
    name,
    perSecond,
  }: {
    name: string
    perSecond?: FittingModel['perSecond'] | undefined
  }) => {
    if (perSecond === undefined) return name
    if (perSecond === null) return `${name} · ${words.unknownPrice}`
    return `${name} · ${perSecond === 0 ? words.free : words.scene.perSecond(moneyIn(code, perSecond))}`
  }
  const invalid = (name: keyof Editable) => (refused === name ? true : undefined)
  return (
    <div className="scene-fields">
      <div className="field">
        <label htmlFor="scene-title">{words.scene.title}</label>
        <input
          id="scene-title"
          className="input"
          maxLength={120}
          readOnly={!isEditable}
          aria-invalid={invalid('title')}
          value={values.title ?? ''}
          onChange={({ target }) => set({ title: target.value === '' ? null : target.value })}
        />
      </div>
      <div className="field">
        <label htmlFor="scene-seconds">{words.scene.seconds}</label>
        <input
          id="scene-seconds"
          className="input"
          type="number"
          min={1}
          max={60}
          step={0.5}
          readOnly={!isEditable}
          aria-invalid={invalid('duration')}
          value={values.duration}
          onChange={({ target }) => set({ duration: Number(target.value) })}
        />
      </div>
      <div className="field">
        <label htmlFor="scene-transition">{words.scene.transition}</label>
        <select
          id="scene-transition"
          className="input"
          disabled={!isEditable}
          value={values.transition}
          onChange={({ target }) =>
            set({ transition: transitions.find((name) => name === target.value) ?? 'fade' })
          }
        >
          {transitions.map((name) => (
            <option key={name} value={name}>
              {words.player.transitions[name]}
            </option>
          ))}
        </select>
      </div>
      <div className="field scene-model">
        <label htmlFor="scene-model">{words.newFilm.model}</label>
        <select
          id="scene-model"
          className="input"
          disabled={!isEditable}
          aria-invalid={invalid('model')}
          value={values.model}
          onChange={({ target }) => set({ model: target.value })}
        >
          {models.map((model) => (
            <option key={model.name} value={model.name}>
              {priced(model)}
            </option>
          ))}
        </select>
      </div>
      <div className="field scene-prompt">
        <label htmlFor="scene-prompt">{words.scene.prompt}</label>
        <textarea
          id="scene-prompt"
          className="input"
          rows={3}
          readOnly={!isEditable}
          aria-invalid={invalid('prompt')}
          value={values.prompt}
          onChange={({ target }) => set({ prompt: target.value })}
        />
      </div>
    </div>
  )
}
