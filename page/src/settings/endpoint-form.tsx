/** Adds a webhook, or changes one: its address, what it is for, and its events. */
import { type FormEvent, useId, useState } from 'react'
import { type EndpointAnswer, type EventType, client } from '../server/client.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { useWords } from '../words/words.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { endings, jobTypes, namesOf, sceneTypes, typesIn } from './events-chosen.ts'
import { textOf } from './form.ts'

interface EndpointFormProps {
  /** Undefined: a new one. */
  readonly endpoint?: EndpointAnswer
  readonly onClose: () => void
  readonly onDone: (endpoint: EndpointAnswer) => void
}

export function EndpointForm({ endpoint, onClose, onDone }: EndpointFormProps) {
  const words = useWords()
  const id = useId()
  const [isAll, setAll] = useState(endpoint?.event_types.length === 0)
  const [chosen, setChosen] = useState(() => typesIn(endpoint?.event_types ?? [...endings]))
  const save = useAction(async (form: FormData) => {
    const request = {
      url: textOf(form, 'url'),
      description: textOf(form, 'description'),
      event_types: isAll ? [] : [...namesOf(chosen)],
    }
    onDone(
      await (endpoint
        ? client.changeWebhookEndpoint(endpoint.endpoint_id, request)
        : client.addWebhookEndpoint(request)),
    )
  })
  const choose = (type: EventType, isChosen: boolean): void => {
    const next = new Set(chosen)
    if (isChosen) next.add(type)
    else next.delete(type)
    setChosen(next)
  }
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void save.run(new FormData(event.currentTarget))
  }
  const group = (name: string, types: readonly EventType[]) => (
    <fieldset className="settings-event-group">
      <legend className="small quiet">{name}</legend>
      {types.map((type) => (
        <label key={type} className="settings-event-choice" title={type}>
          <input
            type="checkbox"
            checked={chosen.has(type)}
            onChange={({ target }) => choose(type, target.checked)}
          />
          {words.settings.webhooks.event[type]}
        </label>
      ))}
    </fieldset>
  )
  return (
    <Sheet
      stays
      title={endpoint ? words.settings.webhooks.editTitle : words.settings.webhooks.addTitle}
      onClose={onClose}
    >
      <form className="sheet-form" onSubmit={submit}>
        <div className="field">
          <label htmlFor={`${id}-url`}>{words.settings.webhooks.address}</label>
          <input
            id={`${id}-url`}
            name="url"
            type="url"
            className="input"
            required
            maxLength={2048}
            placeholder="https://"
            defaultValue={endpoint?.url}
            aria-describedby={`${id}-url-hint`}
          />
          <p id={`${id}-url-hint`} className="small quiet">
            {words.settings.webhooks.addressHint}
          </p>
        </div>
        <div className="field">
          <label htmlFor={`${id}-description`}>{words.settings.webhooks.description}</label>
          <input
            id={`${id}-description`}
            name="description"
            className="input"
            maxLength={200}
            defaultValue={endpoint?.description}
          />
        </div>
        <fieldset className="settings-choices">
          <legend>{words.settings.webhooks.events}</legend>
          <label className="settings-choice">
            <input type="radio" name="which" checked={isAll} onChange={() => setAll(true)} />
            {words.settings.webhooks.everything}
          </label>
          <label className="settings-choice">
            <input type="radio" name="which" checked={!isAll} onChange={() => setAll(false)} />
            {words.settings.webhooks.theseEvents}
          </label>
          {!isAll && (
            <>
              {group(words.settings.webhooks.ofJobs, jobTypes)}
              {group(words.settings.webhooks.ofScenes, sceneTypes)}
            </>
          )}
        </fieldset>
        {save.error !== undefined && <Problem error={save.error} />}
        <div className="sheet-actions">
          <Button onClick={onClose}>{words.settings.cancel}</Button>
          <Button type="submit" kind="main" disabled={save.isRunning || (!isAll && chosen.size === 0)}>
            {endpoint ? words.settings.webhooks.save : words.settings.webhooks.addIt}
          </Button>
        </div>
      </form>
    </Sheet>
  )
}
