/** What was sent to a webhook, or will be: the newest first, a page at a time. */
import { useMemo, useState } from 'react'
import { Link, setQuery, useAddress } from '../router.tsx'
import {
  type DeliveriesAnswer,
  type DeliveryAnswer,
  type DeliveryDetailAnswer,
  client,
} from '../server/client.ts'
import { type Source, useLive } from '../server/live.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { eventWords } from './events-chosen.ts'
import { usePolled } from '../server/polled.ts'
import { reasonWords } from './reason-words.ts'

const pageSize = 20
const readEveryMs = 2000

const statuses = ['pending', 'sending', 'delivered', 'failed'] as const

const tones = { pending: 'warn', sending: 'accent', delivered: 'good', failed: 'bad' } as const

interface Wanted {
  readonly endpointId: string
  readonly status: (typeof statuses)[number] | undefined
  readonly cursor: string | undefined
}

const deliveriesSource = ({ endpointId, status, cursor }: Wanted): Source<DeliveriesAnswer> => ({
  name: `deliveries ${endpointId} ${status} ${cursor}`,
  load: (signal) =>
    client.listWebhookDeliveries(
      endpointId,
      { limit: pageSize, ...(status && { status }), ...(cursor !== undefined && { cursor }) },
      { signal },
    ),
  // A delivery changes without an event: the list is read again while it is shown.
  on: (_, data) => data,
})

interface DeliveriesProps {
  readonly endpointId: string
  readonly mayRedeliver: boolean
}

export function Deliveries({ endpointId, mayRedeliver }: DeliveriesProps) {
  const words = useWords()
  const { searchParams } = useAddress()
  const status = statuses.find((one) => one === searchParams.get('state'))
  const [cursor, setCursor] = useState<string>()
  const source = useMemo(() => deliveriesSource({ endpointId, status, cursor }), [endpointId, status, cursor])
  const { data, error, again } = useLive(source)
  usePolled(again, readEveryMs)
  return (
    <section className="settings-deliveries" aria-label={words.settings.webhooks.deliveries}>
      <label className="settings-deliveries-filter small quiet">
        {words.settings.webhooks.status}{' '}
        <select
          className="input"
          value={status ?? ''}
          onChange={({ target }) => {
            setCursor(undefined)
            setQuery({ state: target.value })
          }}
        >
          <option value="">{words.settings.webhooks.everyStatus}</option>
          {statuses.map((one) => (
            <option key={one} value={one}>
              {words.settings.webhooks.deliveryStatus[one]}
            </option>
          ))}
        </select>
      </label>
      {error !== undefined && <Problem error={error} again={again} />}
      {data?.deliveries.length === 0 && (
        <p className="quiet">
          {status ? words.settings.webhooks.noDeliveryOf : words.settings.webhooks.noDelivery}
        </p>
      )}
      <ul>
        {data?.deliveries.map((delivery) => (
          <DeliveryEntry
            key={delivery.delivery_id}
            of={delivery}
            mayRedeliver={mayRedeliver}
            onChange={again}
          />
        ))}
      </ul>
      <div className="settings-entry-actions">
        {cursor !== undefined && (
          <Button onClick={() => setCursor(undefined)}>{words.settings.webhooks.newest}</Button>
        )}
        {data?.next_cursor != null && (
          <Button onClick={() => setCursor(data.next_cursor ?? undefined)}>
            {words.settings.webhooks.older}
          </Button>
        )}
      </div>
    </section>
  )
}

interface DeliveryEntryProps {
  readonly of: DeliveryAnswer
  readonly mayRedeliver: boolean
  readonly onChange: () => void
}

function DeliveryEntry({ of: delivery, mayRedeliver, onChange }: DeliveryEntryProps) {
  const words = useWords()
  const [isOpen, setOpen] = useState(false)
  const again = useAction(async () => {
    await client.redeliverWebhook(delivery.delivery_id)
    onChange()
  })
  const what = eventWords(delivery.type, words)
  const isDelivered = delivery.status === 'delivered'
  const sendAgain = mayRedeliver && delivery.status !== 'sending' && (
    <Button disabled={again.isRunning} onClick={() => void again.run()}>
      {words.settings.webhooks.redeliver}
    </Button>
  )
  return (
    <li className="settings-delivery">
      <div className="settings-delivery-head">
        <span className="badge" data-tone={tones[delivery.status]}>
          {words.settings.webhooks.deliveryStatus[delivery.status]}
        </span>
        <button
          type="button"
          className="settings-delivery-what"
          aria-expanded={isOpen}
          aria-label={words.settings.webhooks.details(what)}
          onClick={() => setOpen(!isOpen)}
        >
          {what}
        </button>
        {delivery.job_id !== null && <Link to={`/jobs/${delivery.job_id}`}>#{delivery.job_id}</Link>}
        <span className="small quiet">
          <Time at={delivery.inserted_at} />
        </span>
        <span className="small quiet">{words.settings.webhooks.tries(delivery.tries)}</span>
        {delivery.last_error !== null && (
          <span className="small settings-delivery-why">{reasonWords(delivery.last_error, words)}</span>
        )}
        {delivery.next_try_at !== null && delivery.tries > 0 && (
          <span className="small quiet">
            {words.settings.webhooks.nextTry} <Time at={delivery.next_try_at} />
          </span>
        )}
        {!isDelivered && sendAgain}
      </div>
      {again.error !== undefined && <Problem error={again.error} />}
      {isOpen && <Details id={delivery.delivery_id} asOf={`${delivery.status} ${delivery.tries}`} />}
      {isOpen && isDelivered && sendAgain}
    </li>
  )
}

/** `asOf`: read again when it changes. */
function Details({ id, asOf }: { readonly id: string; readonly asOf: string }) {
  const words = useWords()
  const source = useMemo(
    (): Source<DeliveryDetailAnswer> => ({
      name: `delivery ${id} ${asOf}`,
      load: (signal) => client.readWebhookDelivery(id, { signal }),
      on: (_, data) => data,
    }),
    [id, asOf],
  )
  const { data, error, again } = useLive(source)
  if (!data) return error === undefined ? null : <Problem error={error} again={again} />
  return (
    <div className="settings-delivery-details small">
      {data.log.length === 0 ? (
        <p className="quiet">{words.settings.webhooks.notTried}</p>
      ) : (
        <table className="settings-table">
          <thead>
            <tr>
              <th scope="col">{words.settings.webhooks.number}</th>
              <th scope="col">{words.settings.webhooks.when}</th>
              <th scope="col">{words.settings.webhooks.took}</th>
              <th scope="col">{words.settings.webhooks.answer}</th>
            </tr>
          </thead>
          <tbody>
            {data.log.map((tried) => (
              <tr key={tried.number}>
                <td>{tried.number}</td>
                <td>
                  <Time at={tried.at} />
                </td>
                <td>{words.settings.webhooks.ms(tried.duration_ms)}</td>
                <td>{tried.error === null ? tried.status : reasonWords(tried.error, words)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="quiet">
        {words.settings.webhooks.messageId} <code>{data.message_id}</code>
      </p>
      <pre
        className="settings-copied-text"
        tabIndex={0}
        role="region"
        aria-label={words.settings.webhooks.body}
      >
        <code>{JSON.stringify(data.payload, null, 2)}</code>
      </pre>
    </div>
  )
}
