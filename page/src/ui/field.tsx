/** What a person enters, with its name, and what is wrong with it beside it. */
import type { ReactNode } from 'react'
import { useLanguage } from '../words/words.tsx'

export interface FieldParts {
  readonly id: string
  readonly 'aria-invalid': boolean
  readonly 'aria-describedby': string | undefined
}

export interface FieldProps {
  readonly id: string
  readonly label: string
  readonly problem?: string | undefined
  readonly hint?: ReactNode
  readonly children: (parts: FieldParts) => ReactNode
}

export function Field({ id, label, problem, hint, children }: FieldProps) {
  const isTold = problem !== undefined || hint !== undefined
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-invalid': problem !== undefined,
        'aria-describedby': isTold ? `${id}-about` : undefined,
      })}
      {isTold && (
        <div id={`${id}-about`} className="field-about small">
          {problem !== undefined && <p className="field-problem">{problem}</p>}
          {hint !== undefined && <div className="quiet">{hint}</div>}
        </div>
      )}
    </div>
  )
}

export interface TextFieldProps extends Omit<FieldProps, 'children'> {
  readonly value: string
  readonly onChange: (value: string) => void
  readonly most?: number
  readonly readOnly?: boolean
  readonly number?: { readonly min: number; readonly max: number; readonly step?: number }
  readonly placeholder?: string
}

export const TextField = ({
  value,
  onChange,
  most,
  readOnly,
  number,
  placeholder,
  ...field
}: TextFieldProps) => (
  <Field {...field}>
    {(parts) => (
      <input
        {...parts}
        {...number}
        type={number ? 'number' : 'text'}
        className="input"
        maxLength={most}
        readOnly={readOnly}
        placeholder={placeholder}
        value={value}
        onChange={({ target }) => onChange(target.value)}
      />
    )}
  </Field>
)

export interface ChoiceFieldProps<Value extends string> extends Omit<FieldProps, 'children'> {
  readonly value: Value
  readonly options: readonly (readonly [value: Value, name: string])[]
  readonly onChange: (value: Value) => void
}

export const ChoiceField = <Value extends string>({
  value,
  options,
  onChange,
  ...field
}: ChoiceFieldProps<Value>) => (
  <Field {...field}>
    {(parts) => (
      <select
        {...parts}
        className="input"
        value={value}
        onChange={({ target }) => {
          const chosen = options.find(([one]) => one === target.value)
          if (chosen) onChange(chosen[0])
        }}
      >
        {options.map(([one, name]) => (
          <option key={one} value={one}>
            {name}
          </option>
        ))}
      </select>
    )}
  </Field>
)

/** A time in the person's own zone, which is told: `2026-11-27T14:30`. */
export function TimeField({
  value,
  onChange,
  hint,
  ...field
}: Omit<TextFieldProps, 'number' | 'most' | 'placeholder'>) {
  const { code, words } = useLanguage()
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions()
  const offset = new Intl.DateTimeFormat(code, { timeZoneName: 'shortOffset' })
    .formatToParts(value === '' ? new Date() : new Date(value))
    .find(({ type }) => type === 'timeZoneName')?.value
  return (
    <Field
      {...field}
      hint={
        <>
          {hint} {words.timeZone(timeZone, offset ?? '')}
        </>
      }
    >
      {(parts) => (
        <input
          {...parts}
          type="datetime-local"
          className="input"
          value={value}
          onChange={({ target }) => onChange(target.value)}
        />
      )}
    </Field>
  )
}

export interface SwitchFieldProps {
  readonly id: string
  readonly label: string
  readonly isOn: boolean
  readonly onChange: (isOn: boolean) => void
  readonly problem?: string | undefined
}

export const SwitchField = ({ id, label, isOn, onChange, problem }: SwitchFieldProps) => (
  <div className="field">
    <label className="field-switch">
      <input
        id={id}
        type="checkbox"
        checked={isOn}
        aria-invalid={problem !== undefined}
        onChange={({ target }) => onChange(target.checked)}
      />
      {label}
    </label>
    {problem !== undefined && <p className="field-problem small">{problem}</p>}
  </div>
)
