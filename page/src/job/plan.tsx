/** When the job runs: its priority, its start and its deadline, each changed in place. */
import { useId, useState } from 'react'
import { type JobAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { Problem } from '../ui/problem.tsx'
import { localInput, useClockTime } from '../ui/times.tsx'
import { type Words, useWords } from '../words/words.tsx'

type Timed = 'run_at' | 'deadline_at'

const levels = { low: 20, normal: 50, high: 80 } as const
type Level = keyof typeof levels
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its own names
const levelNames = Object.keys(levels) as Level[]

const priorityIn = (priority: number, { plan }: Words): string => {
  const level = levelNames.find((name) => levels[name] === priority)
  return level ? plan.levels[level] : String(priority)
}

export function Plan({ job }: { readonly job: JobAnswer }) {
  const words = useWords()
  const { plan } = words
  const clock = useClockTime()
  const { can } = useSession()
  const [edited, setEdited] = useState<Timed>()
  const isEditable = can('submit')
  const mayMove = isEditable && (job.status === 'pending' || can('approve'))
  const timeOf = (name: Timed, none: string): string => {
    const at = job[name]
    return at === null ? none : clock(at)
  }
  const time = (name: Timed, label: string, none: string, isChangeable: boolean) =>
    isChangeable ? (
      <button
        type="button"
        className="plan-value"
        aria-label={plan.change(`${label}, ${timeOf(name, none)}`)}
        onClick={() => setEdited(name)}
      >
        {timeOf(name, none)}
      </button>
    ) : (
      <span>{timeOf(name, none)}</span>
    )
  return (
    <dl className="plan" aria-label={plan.title}>
      <dt>{plan.priority}</dt>
      <dd>{isEditable ? <Priority job={job} /> : priorityIn(job.priority, words)}</dd>
      <dt>{plan.start}</dt>
      <dd>{time('run_at', plan.start, plan.atOnce, mayMove)}</dd>
      <dt>{plan.deadline}</dt>
      <dd>{time('deadline_at', plan.deadline, plan.none, isEditable)}</dd>
      {edited && <TimeSheet key={edited} job={job} name={edited} onClose={() => setEdited(undefined)} />}
    </dl>
  )
}

const other = 'other'

function Priority({ job }: { readonly job: JobAnswer }) {
  const { plan } = useWords()
  const [isOther, setOther] = useState(false)
  const set = useAction((priority: number) => client.updateJob(job.job_id, { priority }))
  const id = useId()
  const [number, setNumber] = useState(job.priority)
  return (
    <>
      <select
        className="plan-value"
        aria-label={plan.priority}
        value={job.priority}
        disabled={set.isRunning}
        onChange={({ target }) => {
          if (target.value === other) setOther(true)
          else void set.run(Number(target.value))
        }}
      >
        {levelNames.map((name) => (
          <option key={name} value={levels[name]}>
            {plan.levels[name]}
          </option>
        ))}
        {!levelNames.some((name) => levels[name] === job.priority) && (
          <option value={job.priority}>{job.priority}</option>
        )}
        <option value={other}>{plan.number}</option>
      </select>
      {set.error !== undefined && !isOther && <Problem error={set.error} />}
      <Sheet title={plan.priority} isOpen={isOther} onClose={() => setOther(false)}>
        <form
          className="sheet-form"
          onSubmit={(event) => {
            event.preventDefault()
            void set.run(number).then((isDone) => isDone && setOther(false))
          }}
        >
          <div className="field">
            <label htmlFor={id}>{plan.number}</label>
            <input
              id={id}
              className="input"
              type="number"
              min={0}
              max={100}
              value={number}
              onChange={({ target }) => setNumber(target.valueAsNumber)}
            />
          </div>
          {set.error !== undefined && <Problem error={set.error} />}
          <div className="sheet-actions">
            <Button onClick={() => setOther(false)}>{plan.close}</Button>
            <Button type="submit" kind="main" disabled={set.isRunning || Number.isNaN(number)}>
              {plan.save}
            </Button>
          </div>
        </form>
      </Sheet>
    </>
  )
}

function TimeSheet({
  job,
  name,
  onClose,
}: {
  readonly job: JobAnswer
  readonly name: Timed
  readonly onClose: () => void
}) {
  const { plan } = useWords()
  const id = useId()
  const [at, setAt] = useState(() => localInput(job[name]))
  const set = useAction((time: string | null) => client.updateJob(job.job_id, { [name]: time }))
  const change = (time: string | null): void =>
    void set.run(time).then((isDone) => {
      if (isDone) onClose()
    })
  const label = name === 'run_at' ? plan.start : plan.deadline
  return (
    <Sheet title={label} isOpen onClose={onClose}>
      <form
        className="sheet-form"
        onSubmit={(event) => {
          event.preventDefault()
          change(new Date(at).toISOString())
        }}
      >
        <div className="field">
          <label htmlFor={id}>{label}</label>
          <input
            id={id}
            className="input"
            type="datetime-local"
            value={at}
            onChange={({ target }) => setAt(target.value)}
          />
        </div>
        {name === 'deadline_at' && <p className="small quiet">{plan.noDeadlineTells}</p>}
        {set.error !== undefined && <Problem error={set.error} />}
        <div className="sheet-actions">
          {job[name] !== null && (
            <Button disabled={set.isRunning} onClick={() => change(null)}>
              {plan.remove}
            </Button>
          )}
          <Button onClick={onClose}>{plan.close}</Button>
          <Button type="submit" kind="main" disabled={set.isRunning || at === ''}>
            {plan.save}
          </Button>
        </div>
      </form>
    </Sheet>
  )
}
