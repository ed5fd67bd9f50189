/** What is chosen about the film. What is seldom changed is folded. */
import type { ModelsAnswer } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { modelsSource } from '../server/sources.ts'
import { ChoiceField, Field, SwitchField, TextField, TimeField } from '../ui/field.tsx'
import { Problem } from '../ui/problem.tsx'
import { useMoney } from '../ui/values.tsx'
import { type Offered, useWords } from '../words/words.tsx'
import { type Choices, options } from './choices.ts'
import { choose } from './draft.ts'

type Model = ModelsAnswer['models'][number]

export interface ChoiceFieldsProps {
  readonly choices: Choices
  readonly problems: ReadonlyMap<string, string>
}

const idOf = (name: keyof Choices): string => `film-${name}`

/** A field of the same name in the words. */
function useFields({ choices, problems }: ChoiceFieldsProps) {
  const words = useWords().newFilm
  type Named = keyof typeof words.fields
  return {
    of: <Name extends Named>(name: Name) => ({
      id: idOf(name),
      label: words.fields[name],
      value: choices[name],
      problem: problems.get(name),
      onChange: (value: Choices[Name]) => choose({ [name]: value }),
    }),
    switchOf: (name: 'audio' | 'force') => ({
      id: idOf(name),
      label: words.fields[name],
      isOn: choices[name],
      problem: problems.get(name),
      onChange: (isOn: boolean) => choose({ [name]: isOn }),
    }),
  }
}

export function ChoiceFields(props: ChoiceFieldsProps) {
  const { choices } = props
  const words = useWords().newFilm
  const { session } = useSession()
  const { of } = useFields(props)
  const bound = session?.session?.client_id ?? null
  return (
    <>
      <TextField {...of('name')} most={200} placeholder={words.untitled} />
      {bound === null ? (
        <TextField {...of('client')} most={200} />
      ) : (
        <TextField {...of('client')} value={bound} readOnly hint={words.boundClient} />
      )}
      <ChoiceField {...of('type')} options={options.type.map((type) => [type, words.types[type]])} />
      <ModelField {...props} />
      <Length {...props} />
      <Shape {...props} />
      <ChoiceField {...of('resolution')} options={options.resolution.map((one) => [one, one])} />
      <details className="fold">
        <summary>{words.look}</summary>
        <TextField {...of('title')} most={120} hint={words.titleHint} />
        <ChoiceField
          {...of('transition')}
          options={options.transition.map((one) => [one, words.transitions[one]])}
        />
        <ChoiceField {...of('fit')} options={options.fit.map((one) => [one, words.fits[one]])} />
        <ChoiceField {...of('fps')} options={options.fps.map((one) => [one, one])} />
        <Field {...of('prompt')} hint={choices.model === 'local' ? words.promptUnused : words.promptHint}>
          {(parts) => (
            <textarea
              {...parts}
              className="input"
              rows={3}
              maxLength={4000}
              value={choices.prompt}
              onChange={({ target }) => choose({ prompt: target.value })}
            />
          )}
        </Field>
      </details>
      <More {...props} />
    </>
  )
}

function More(props: ChoiceFieldsProps) {
  const words = useWords().newFilm
  const { of, switchOf } = useFields(props)
  return (
    <details className="fold">
      <summary>{words.more}</summary>
      <TextField
        {...of('priority')}
        number={{ min: 0, max: 100 }}
        placeholder="50"
        hint={words.priorityHint}
      />
      <TimeField {...of('runAt')} />
      <TimeField {...of('deadlineAt')} hint={words.deadlineHint} />
      <SwitchField {...switchOf('force')} />
    </details>
  )
}

function ModelField(props: ChoiceFieldsProps) {
  const words = useWords().newFilm
  const priced = usePrices()
  const { of, switchOf } = useFields(props)
  const { data, error, again } = useLive(modelsSource)
  const { choices } = props
  const models = data?.models ?? []
  const model = models.find(({ name }) => name === choices.model)
  const names = models.some(({ name }) => name === choices.model)
    ? models
    : [{ name: choices.model, offers: [] }, ...models]
  if (error !== undefined && !data) return <Problem error={error} again={again} />
  return (
    <>
      <ChoiceField
        {...of('model')}
        options={names.map((one) => [one.name, data ? `${one.name} · ${priced(one)}` : one.name])}
        hint={model && `${words.sentence(priced(model))} ${words.offers(offered(model))}`}
      />
      {model?.offers.some(({ audio }) => audio) === true && <SwitchField {...switchOf('audio')} />}
    </>
  )
}

/** What a model costs, in words. */
function usePrices(): (model: Pick<Model, 'offers'>) => string {
  const words = useWords().newFilm
  const money = useMoney()
  const between = (sums: readonly number[]): string => {
    const [least, most] = [Math.min(...sums), Math.max(...sums)]
    return least === most ? money(least) : words.between(money(least), money(most))
  }
  return ({ offers }) => {
    if (offers.length === 0) return words.free
    const seconds = offers.flatMap(({ usd_per_second: sum }) => sum ?? [])
    const clips = offers.flatMap(({ usd_per_clip: sum }) => sum ?? [])
    if (seconds.length > 0) return words.perSecond(between(seconds))
    return clips.length > 0 ? words.perClip(between(clips)) : words.unknownPrice
  }
}

const offered = ({ offers }: Model): Offered => ({
  seconds: [...new Set(offers.flatMap(({ seconds }) => seconds))].toSorted((a, b) => a - b),
  resolutions: [...new Set(offers.map(({ resolution }) => resolution))],
  takesTwo: offers.length === 0 || offers.some(({ last_image: takes }) => takes),
})

function Length(props: ChoiceFieldsProps) {
  const words = useWords().newFilm
  const { of } = useFields(props)
  const isFilm = props.choices.lengthOf === 'film'
  return (
    <div className="length">
      <TextField
        {...of('seconds')}
        number={isFilm ? { min: 1, max: 3600, step: 0.5 } : { min: 0.5, max: 60, step: 0.5 }}
      />
      <ChoiceField {...of('lengthOf')} options={options.lengthOf.map((one) => [one, words.lengthsOf[one]])} />
    </div>
  )
}

/** A small frame of this shape: its longer side is always the same. */
function boxOf(shape: string): { readonly width: string; readonly height: string } {
  const [width = 1, height = 1] = shape.split(':').map(Number)
  const unit = 1.625 / Math.max(width, height)
  return { width: `${width * unit}rem`, height: `${height * unit}rem` }
}

function Shape({ choices, problems }: ChoiceFieldsProps) {
  const words = useWords().newFilm
  const problem = problems.get('shape')
  return (
    <fieldset className="shapes">
      <legend className="small quiet">{words.fields.shape}</legend>
      <div className="shapes-all">
        {options.shape.map((shape, index) => (
          <label key={shape} className="shape">
            <input
              type="radio"
              id={index === 0 ? idOf('shape') : undefined}
              name="shape"
              className="unseen"
              checked={choices.shape === shape}
              aria-invalid={problem !== undefined}
              onChange={() => choose({ shape })}
            />
            <span className="shape-room" aria-hidden="true">
              <span className="shape-box" style={boxOf(shape)} />
            </span>
            {shape}
          </label>
        ))}
      </div>
      {problem !== undefined && <p className="field-problem small">{problem}</p>}
    </fieldset>
  )
}
