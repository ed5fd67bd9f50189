/** Addresses that receive events: added, tried out, changed, and what was sent to them. */
import { useState } from 'react'
import { setQuery, useAddress } from '../router.tsx'
import { type DeliveryDetailAnswer, type EndpointAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { useSession } from '../server/session.tsx'
import { endpointsSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { type Words, useWords } from '../words/words.tsx'
import { Copied } from './copied.tsx'
import { Deliveries } from './deliveries.tsx'
import { Question } from './question.tsx'
import { EndpointForm } from './endpoint-form.tsx'
import { eventWords, typesIn } from './events-chosen.ts'
import { usePolled } from '../server/polled.ts'
import { reasonWords } from './reason-words.ts'
import { WebhookSecret } from './webhook-secret.tsx'

const readEveryMs = 5000

interface Open {
  readonly what: 'form' | 'disable' | 'remove' | 'secret' | 'new secret'
  /** Undefined: a new webhook, or the secret of all jobs. */
  readonly of?: EndpointAnswer
}

export function Webhooks() {
  const words = useWords()
  const { data, error, again } = useLive(endpointsSource)
  usePolled(again, readEveryMs)
  const [open, setOpen] = useState<Open>()
  const close = (): void => setOpen(undefined)
  const endpoints = data?.endpoints
  return (
    <>
      <section className="card settings-part">
        <header className="settings-part-head">
          <p className="quiet">{words.settings.webhooks.about}</p>
          <Button kind="main" onClick={() => setOpen({ what: 'form' })}>
            {words.settings.webhooks.add}
          </Button>
        </header>
        {error !== undefined && <Problem error={error} again={again} />}
        {endpoints?.length === 0 && <NoWebhook />}
        <ul className="settings-entries">
          {endpoints?.map((endpoint) => (
            <EndpointEntry
              key={endpoint.endpoint_id}
              endpoint={endpoint}
              onOpen={(what) => setOpen({ what, of: endpoint })}
              onChange={again}
            />
          ))}
        </ul>
      </section>
      <section className="card settings-part">
        <header className="settings-part-head">
          <div>
            <h2>{words.settings.webhooks.jobs}</h2>
            <p className="quiet">{words.settings.webhooks.jobsAbout}</p>
          </div>
          <Button onClick={() => setOpen({ what: 'secret' })}>{words.settings.webhooks.secret}</Button>
        </header>
      </section>
      {open && <OpenDialog open={open} onClose={close} onOpen={setOpen} onChange={again} />}
    </>
  )
}

function NoWebhook() {
  const words = useWords()
  const { session } = useSession()
  const key = session?.keys_required === false ? '' : "-H 'Authorization: Bearer wck_...' "
  const command = `curl ${location.origin}/api/v3/webhooks/endpoints \\
  ${key}-H 'Content-Type: application/json' \\
  -d '{"url":"https://example.com/hooks","event_types":["job_completed","job_failed"]}'`
  return (
    <div className="empty">
      <h2>{words.settings.webhooks.emptyTitle}</h2>
      <p className="quiet">{words.settings.webhooks.empty}</p>
      <p className="small quiet">{words.settings.example}</p>
      <Copied text={command} label={words.settings.example} action={words.settings.copyCommand} />
    </div>
  )
}

interface OpenDialogProps {
  readonly open: Open
  readonly onClose: () => void
  readonly onOpen: (open: Open) => void
  readonly onChange: () => void
}

function OpenDialog({ open: { what, of: endpoint }, onClose, onOpen, onChange }: OpenDialogProps) {
  const words = useWords()
  const id = endpoint?.endpoint_id ?? ''
  const disable = useAction(async () => {
    await client.changeWebhookEndpoint(id, { status: 'disabled' })
    onChange()
  })
  const remove = useAction(async () => {
    await client.removeWebhookEndpoint(id)
    onChange()
  })
  if (what === 'secret' || what === 'new secret')
    return (
      <WebhookSecret
        {...(endpoint && { endpointId: endpoint.endpoint_id })}
        isNew={what === 'new secret'}
        onClose={onClose}
      />
    )
  if (what === 'form')
    return (
      <EndpointForm
        {...(endpoint && { endpoint })}
        onClose={onClose}
        onDone={(saved) => {
          onChange()
          if (endpoint) onClose()
          else onOpen({ what: 'new secret', of: saved })
        }}
      />
    )
  const isRemoval = what === 'remove'
  return (
    <Question
      title={isRemoval ? words.settings.webhooks.removeTitle : words.settings.webhooks.disableTitle}
      yes={isRemoval ? words.settings.webhooks.remove : words.settings.webhooks.disable}
      action={isRemoval ? remove : disable}
      onClose={onClose}
    >
      <p className="settings-address">{endpoint?.url}</p>
      <p>{isRemoval ? words.settings.webhooks.removeAbout : words.settings.webhooks.disableAbout}</p>
    </Question>
  )
}

const stateOf = ({ status, failing_since }: EndpointAnswer, { settings: { webhooks } }: Words) =>
  status === 'disabled'
    ? { tone: undefined, text: webhooks.disabled }
    : failing_since === null
      ? { tone: 'good', text: webhooks.working }
      : { tone: 'bad', text: webhooks.failing }

interface EndpointEntryProps {
  readonly endpoint: EndpointAnswer
  readonly onOpen: (what: Open['what']) => void
  readonly onChange: () => void
}

function EndpointEntry({ endpoint, onOpen, onChange }: EndpointEntryProps) {
  const words = useWords()
  const id = endpoint.endpoint_id
  const { searchParams } = useAddress()
  const isShown = searchParams.get('deliveries') === id
  const [result, setResult] = useState<DeliveryDetailAnswer>()
  const test = useAction(async () => {
    setResult(undefined)
    setResult(await tested(id))
    onChange()
  })
  const enable = useAction(async () => {
    await client.changeWebhookEndpoint(id, { status: 'enabled' })
    onChange()
  })
  const error = test.error ?? enable.error
  const isEnabled = endpoint.status === 'enabled'
  const state = stateOf(endpoint, words)
  const chosen = typesIn(endpoint.event_types)
  return (
    <li className="settings-entry">
      <div className="settings-entry-head">
        <strong className="settings-entry-name settings-address">{endpoint.url}</strong>
        <span className="badge" data-tone={state.tone}>
          {state.text}
        </span>
      </div>
      <p className="settings-entry-facts small quiet">
        {endpoint.description !== '' && <span>{endpoint.description}</span>}
        <span title={[...chosen].map((type) => eventWords(type, words)).join(', ')}>
          {endpoint.event_types.length === 0
            ? words.settings.webhooks.ofAll
            : chosen.size <= 3
              ? [...chosen].map((type) => eventWords(type, words)).join(', ')
              : words.settings.webhooks.eventCount(chosen.size)}
        </span>
        <span>
          {words.settings.keys.created} <Time at={endpoint.inserted_at} />
        </span>
      </p>
      {endpoint.reason !== null && <p className="note">{reasonWords(endpoint.reason, words)}</p>}
      {isEnabled && endpoint.failing_since !== null && (
        <p className="problem">
          {words.settings.webhooks.failingSince} <Time at={endpoint.failing_since} />
          {endpoint.last_error !== null && `: ${reasonWords(endpoint.last_error, words)}`}.{' '}
          {words.settings.webhooks.willDisable}
        </p>
      )}
      <div className="settings-entry-actions">
        {isEnabled ? (
          <Button disabled={test.isRunning} onClick={() => void test.run()}>
            {words.settings.webhooks.test}
          </Button>
        ) : (
          <Button disabled={enable.isRunning} onClick={() => void enable.run()}>
            {words.settings.webhooks.enable}
          </Button>
        )}
        <Button
          aria-expanded={isShown}
          onClick={() => setQuery({ deliveries: isShown ? undefined : id, state: undefined })}
        >
          {isShown ? words.settings.webhooks.hideDeliveries : words.settings.webhooks.deliveries}
        </Button>
        <Button onClick={() => onOpen('secret')}>{words.settings.webhooks.secret}</Button>
        <Button onClick={() => onOpen('form')}>{words.settings.webhooks.edit}</Button>
        {isEnabled && <Button onClick={() => onOpen('disable')}>{words.settings.webhooks.disable}</Button>}
        <Button kind="danger" onClick={() => onOpen('remove')}>
          {words.settings.webhooks.remove}
        </Button>
      </div>
      <div role="status">
        {test.isRunning && <p className="small quiet">{words.settings.webhooks.testing}</p>}
        {result && <TestResult of={result} />}
      </div>
      {error !== undefined && <Problem error={error} />}
      {isShown && <Deliveries endpointId={id} mayRedeliver={isEnabled} />}
    </li>
  )
}

function TestResult({ of: { log } }: { readonly of: DeliveryDetailAnswer }) {
  const words = useWords()
  const tried = log.at(-1)
  if (!tried) return <p className="note">{words.settings.webhooks.noAnswerYet}</p>
  return tried.error === null ? (
    <p className="note" data-tone="good">
      {words.settings.webhooks.accepted(tried.status ?? 0, tried.duration_ms)}
    </p>
  ) : (
    <p className="problem">{words.settings.webhooks.refused(reasonWords(tried.error, words))}</p>
  )
}

/** A receiver has 15 s to answer. */
const longestTestMs = 20_000
const lookEveryMs = 300

/** Sends a test, and resolves after its first try. */
async function tested(endpointId: string): Promise<DeliveryDetailAnswer> {
  const { delivery_id: id } = await client.testWebhookEndpoint(endpointId)
  const end = Date.now() + longestTestMs
  for (;;) {
    const delivery = await client.readWebhookDelivery(id)
    if (delivery.log.length > 0 || Date.now() > end) return delivery
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}
