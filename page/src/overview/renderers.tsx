/** The places of each renderer, their limits and pauses: seen by everybody, changed by those who may. */
import { type FormEvent, useId } from 'react'
import { type LimitsAnswer, client } from '../server/client.ts'
import { useSession } from '../server/session.tsx'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { personIn } from '../ui/person.ts'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Card, Changed, Editor, numberIn, refusalOf } from './card.tsx'
import type { Figures } from './sources.ts'

type RendererLimits = LimitsAnswer['renderers'][string]
type Paused = LimitsAnswer['paused']

export function Renderers({ limits, nodes, changes }: Figures) {
  const words = useWords()
  const isLocal = (name: string): boolean =>
    nodes.data?.nodes.some(({ slots }) => Object.hasOwn(slots, name)) === true
  const onSet = (): void => {
    limits.again()
    changes.again()
  }
  return (
    <Card title={words.overview.slots} live={limits}>
      {({ jobs, renderers }) => (
        <ul className="lines">
          {Object.entries(renderers).map(([name, renderer]) => (
            <Renderer key={name} name={name} renderer={renderer} isLocal={isLocal(name)} onSet={onSet} />
          ))}
          <Jobs jobs={jobs} onSet={onSet} />
        </ul>
      )}
    </Card>
  )
}

/** More places are told by the number alone. */
const mostDrawn = 48

function Places({ taken, most }: { readonly taken: number; readonly most: number }) {
  const count = Math.max(taken, most)
  if (count > mostDrawn) return null
  return (
    <span className="places" aria-hidden="true">
      {Array.from({ length: count }, (_, index) => (
        <span key={index} data-taken={index < taken} data-beyond={index >= most} />
      ))}
    </span>
  )
}

function Renderer({
  name,
  renderer,
  isLocal,
  onSet,
}: {
  readonly name: string
  readonly renderer: RendererLimits
  readonly isLocal: boolean
  readonly onSet: () => void
}) {
  const words = useWords()
  const { can } = useSession()
  const { in_flight: taken, max_concurrency: most, changed } = renderer
  const pace = words.overview.pace(renderer.start_delay_ms, renderer.starts_per_minute)
  return (
    <li className="renderer">
      <div className="renderer-head">
        <strong>{name}</strong>
        {can('admin') && (
          <span className="line-actions">
            <LimitsEditor name={name} renderer={renderer} isLocal={isLocal} onSet={onSet} />
            <PauseButton paused={renderer.paused} renderer={name} onSet={onSet} />
          </span>
        )}
      </div>
      <Places taken={taken} most={most} />
      <p className="small quiet">
        {[words.overview.places(taken, most), ...(pace === '' ? [] : [pace])].join(' · ')}
      </p>
      <Changed
        changed={changed}
        from={typeof changed?.from === 'number' ? String(changed.from) : words.overview.theConfigured}
      />
      {renderer.paused && (
        <p className="note">
          {words.overview.pausedBy(personIn(renderer.paused.by ?? '', words), renderer.paused.reason ?? '')},{' '}
          <Time at={renderer.paused.since} />
        </p>
      )}
      {renderer.provider_pause && (
        <p className="note">
          {words.overview.providerPause(renderer.provider_pause.reason)},{' '}
          <Time at={renderer.provider_pause.until} />
        </p>
      )}
    </li>
  )
}

const isEmpty = (change: object): boolean => Object.keys(change).length === 0

function LimitsEditor({
  name,
  renderer,
  isLocal,
  onSet,
}: {
  readonly name: string
  readonly renderer: RendererLimits
  readonly isLocal: boolean
  readonly onSet: () => void
}) {
  const words = useWords()
  const set = useAction(async (change: Readonly<Record<string, number | null>>, close: () => void) => {
    if (!isEmpty(change)) await client.setLimits({ renderers: { [name]: change } })
    close()
    onSet()
  })
  const { max_concurrency: most, start_delay_ms: delay, starts_per_minute: perMinute } = renderer
  // Renders on a server's own machine start at any pace.
  const fields = [
    { limit: 'max_concurrency', label: words.overview.atOnce, before: most, least: 1 },
    ...(isLocal
      ? []
      : [
          { limit: 'start_delay_ms', label: words.overview.startDelay, before: delay, least: 0 },
          { limit: 'starts_per_minute', label: words.overview.perMinute, before: perMinute, least: 1 },
        ]),
  ]
  const submit = (event: FormEvent<HTMLFormElement>, close: () => void): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const change = fields
      .map(({ limit, before }) => ({ limit, before, value: numberIn(form, limit) }))
      .filter(({ before, value }) => value !== before)
      .map(({ limit, value }) => [limit, value] as const)
    void set.run(Object.fromEntries(change), close)
  }
  const refusalIn = (limit: string): string | undefined => refusalOf(set.error, `renderers.${name}.${limit}`)
  return (
    <Editor label={words.overview.change} title={words.overview.changeOf(name)}>
      {(close) => (
        <form className="editor-form" onSubmit={(event) => submit(event, close)}>
          {fields.map(({ limit, label, before, least }) => (
            <LimitField
              key={limit}
              name={limit}
              label={label}
              before={before}
              least={least}
              refusal={refusalIn(limit)}
            />
          ))}
          {set.error !== undefined && !fields.some(({ limit }) => refusalIn(limit)) && (
            <Problem error={set.error} />
          )}
          <div className="line-actions">
            <Button kind="main" type="submit" disabled={set.isRunning}>
              {words.overview.save}
            </Button>
            <Button
              disabled={set.isRunning}
              onClick={() =>
                void set.run(Object.fromEntries(fields.map(({ limit }) => [limit, null])), close)
              }
            >
              {words.overview.configured(renderer.configured.max_concurrency)}
            </Button>
          </div>
        </form>
      )}
    </Editor>
  )
}

function LimitField({
  name,
  label,
  before,
  least,
  refusal,
}: {
  readonly name: string
  readonly label: string
  readonly before: number | null
  readonly least: number
  readonly refusal: string | undefined
}) {
  const id = useId()
  return (
    <label className="editor-field">
      <span className="small quiet">{label}</span>
      <input
        name={name}
        className="input"
        type="number"
        min={least}
        defaultValue={before ?? ''}
        aria-invalid={refusal !== undefined}
        aria-describedby={refusal === undefined ? undefined : id}
      />
      {refusal !== undefined && (
        <span id={id} className="small bad" role="alert">
          {refusal}
        </span>
      )}
    </label>
  )
}

function Jobs({ jobs, onSet }: { readonly jobs: LimitsAnswer['jobs']; readonly onSet: () => void }) {
  const words = useWords()
  const { can } = useSession()
  const set = useAction(async (limit: number | null, close: () => void) => {
    if (limit !== jobs.limit) await client.setLimits({ jobs: limit })
    close()
    onSet()
  })
  return (
    <li className="renderer">
      <div className="renderer-head">
        <span>{words.overview.jobsLimit(jobs.processing, jobs.limit)}</span>
        {can('admin') && (
          <Editor label={words.overview.change} title={words.overview.changeOf(words.overview.jobsAtOnce)}>
            {(close) => (
              <form
                className="editor-form"
                onSubmit={(event) => {
                  event.preventDefault()
                  void set.run(numberIn(new FormData(event.currentTarget), 'jobs'), close)
                }}
              >
                <label className="editor-field">
                  <span className="small quiet">
                    {words.overview.jobsAtOnce} ({words.overview.noLimit})
                  </span>
                  <input
                    name="jobs"
                    className="input"
                    type="number"
                    min={0}
                    defaultValue={jobs.limit ?? ''}
                  />
                </label>
                {set.error !== undefined && <Problem error={set.error} />}
                <Button kind="main" type="submit" disabled={set.isRunning}>
                  {words.overview.save}
                </Button>
              </form>
            )}
          </Editor>
        )}
      </div>
      <Changed
        changed={jobs.changed}
        from={typeof jobs.changed?.from === 'number' ? String(jobs.changed.from) : words.overview.nothing}
      />
    </li>
  )
}

/** Pauses, with a reason, or resumes: everything, or one renderer. */
export function PauseButton({
  paused,
  renderer,
  onSet,
}: {
  readonly paused: Paused
  readonly renderer?: string
  readonly onSet: () => void
}) {
  const words = useWords()
  const request = renderer === undefined ? {} : { renderer }
  const change = useAction(async (work: () => Promise<unknown>) => {
    await work()
    onSet()
  })
  const problem = change.error !== undefined && <Problem error={change.error} />
  if (paused)
    return (
      <>
        {problem}
        <Button
          disabled={change.isRunning}
          aria-label={renderer === undefined ? words.overview.resumeAll : words.overview.resumeOf(renderer)}
          onClick={() => void change.run(() => client.resume(request))}
        >
          {renderer === undefined ? words.overview.resumeAll : words.overview.resume}
        </Button>
      </>
    )
  return (
    <Editor
      label={renderer === undefined ? words.overview.pauseAll : words.overview.pause}
      title={renderer === undefined ? words.overview.pauseAll : words.overview.pauseOf(renderer)}
    >
      {(close) => (
        <form
          className="editor-form"
          onSubmit={(event) => {
            event.preventDefault()
            const reason = new FormData(event.currentTarget).get('reason')
            const why = typeof reason === 'string' && reason.trim() !== '' ? { reason: reason.trim() } : {}
            void change.run(() => client.pause({ ...request, ...why })).then((isDone) => isDone && close())
          }}
        >
          <p className="small quiet">{words.overview.pauseAbout}</p>
          <label className="editor-field">
            <span className="small quiet">{words.overview.reason}</span>
            <input name="reason" className="input" maxLength={500} />
          </label>
          {problem}
          <Button kind="main" type="submit" disabled={change.isRunning}>
            {words.overview.pause}
          </Button>
        </form>
      )}
    </Editor>
  )
}
