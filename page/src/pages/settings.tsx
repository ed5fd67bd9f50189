/** Keys, and addresses that receive events. */
import { useState } from 'react'
import { type EndpointAnswer, type KeyAnswer, client } from '../server/client.ts'
import { useLive } from '../server/live.ts'
import { endpointsSource, keysSource } from '../server/sources.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'

export function Settings() {
  const words = useWords()
  return (
    <div className="overview">
      <h1>{words.nav.settings}</h1>
      <Keys />
      <Webhooks />
    </div>
  )
}

const scopes = ['read', 'submit', 'approve', 'admin'] as const

/** A secret that is shown this once. */
function Secret({ secret, onDone }: { readonly secret: string; readonly onDone: () => void }) {
  const words = useWords()
  return (
    <div className="note secret">
      <p>{words.settings.shownOnce}</p>
      <code>{secret}</code>
      <Button onClick={() => void navigator.clipboard.writeText(secret)}>{words.settings.copy}</Button>
      <Button onClick={onDone}>{words.settings.done}</Button>
    </div>
  )
}

function Keys() {
  const words = useWords()
  const { data, error, again } = useLive(keysSource)
  const [secret, setSecret] = useState<string>()
  const create = useAction(async (name: string, wanted: readonly (typeof scopes)[number][]) => {
    const made = await client.createKey({ name, scopes: [...wanted] })
    setSecret(made.key)
    again()
  })
  return (
    <section className="card">
      <h2>{words.settings.keys}</h2>
      {error !== undefined && <Problem error={error} again={again} />}
      {secret !== undefined && <Secret secret={secret} onDone={() => setSecret(undefined)} />}
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          const name = form.get('name')
          if (typeof name === 'string' && name.trim() !== '')
            void create.run(
              name.trim(),
              scopes.filter((scope) => form.has(scope)),
            )
        }}
      >
        <input
          name="name"
          className="input"
          placeholder={words.settings.keyName}
          aria-label={words.settings.keyName}
        />
        {scopes.map((scope) => (
          <label key={scope}>
            <input type="checkbox" name={scope} defaultChecked={scope === 'read'} /> {scope}
          </label>
        ))}
        <Button type="submit" disabled={create.isRunning}>
          {words.settings.createKey}
        </Button>
      </form>
      {create.error !== undefined && <Problem error={create.error} />}
      <ul className="lines">
        {data?.keys.map((key) => (
          <KeyLine key={key.id} of={key} onSecret={setSecret} onChange={again} />
        ))}
      </ul>
    </section>
  )
}

interface KeyLineProps {
  readonly of: KeyAnswer
  readonly onSecret: (secret: string) => void
  readonly onChange: () => void
}

function KeyLine({ of: key, onSecret, onChange }: KeyLineProps) {
  const words = useWords()
  const rotate = useAction(async () => {
    onSecret((await client.rotateKey(key.id)).key)
    onChange()
  })
  const revoke = useAction(async () => {
    await client.revokeKey(key.id)
    onChange()
  })
  const error = rotate.error ?? revoke.error
  return (
    <li className="line">
      <span>
        <strong>{key.name}</strong> <code className="small quiet">{key.prefix}…</code>
      </span>
      <span className="small quiet">
        {key.scopes.join(', ')}
        {key.client_id !== null && ` · ${key.client_id}`}
      </span>
      <span className="small quiet">
        {key.last_used_at === null ? words.settings.neverUsed : <Time at={key.last_used_at} />}
      </span>
      {key.revoked_at === null ? (
        <span className="line-actions">
          <Button disabled={rotate.isRunning} onClick={() => void rotate.run()}>
            {words.settings.rotate}
          </Button>
          <Button kind="danger" disabled={revoke.isRunning} onClick={() => void revoke.run()}>
            {words.settings.revoke}
          </Button>
        </span>
      ) : (
        <span className="badge">{words.settings.revoked}</span>
      )}
      {error !== undefined && <Problem error={error} />}
    </li>
  )
}

function Webhooks() {
  const words = useWords()
  const { data, error, again } = useLive(endpointsSource)
  const [secret, setSecret] = useState<string>()
  const add = useAction(async (url: string) => {
    setSecret((await client.addWebhookEndpoint({ url })).secret)
    again()
  })
  return (
    <section className="card">
      <h2>{words.settings.webhooks}</h2>
      {error !== undefined && <Problem error={error} again={again} />}
      {secret !== undefined && <Secret secret={secret} onDone={() => setSecret(undefined)} />}
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          const url = new FormData(event.currentTarget).get('url')
          if (typeof url === 'string' && url !== '') void add.run(url)
        }}
      >
        <input
          name="url"
          type="url"
          className="input"
          placeholder="https://"
          aria-label={words.settings.address}
        />
        <Button type="submit" disabled={add.isRunning}>
          {words.settings.addWebhook}
        </Button>
      </form>
      {add.error !== undefined && <Problem error={add.error} />}
      <ul className="lines">
        {data?.endpoints.map((endpoint) => (
          <EndpointLine key={endpoint.endpoint_id} endpoint={endpoint} onChange={again} />
        ))}
      </ul>
    </section>
  )
}

function EndpointLine({
  endpoint,
  onChange,
}: {
  readonly endpoint: EndpointAnswer
  readonly onChange: () => void
}) {
  const words = useWords()
  const test = useAction(() => client.testWebhookEndpoint(endpoint.endpoint_id))
  const remove = useAction(async () => {
    await client.removeWebhookEndpoint(endpoint.endpoint_id)
    onChange()
  })
  const error = test.error ?? remove.error
  return (
    <li className="line">
      <span>{endpoint.url}</span>
      {endpoint.failing_since === null ? (
        <span className="badge" data-tone="good">
          {words.settings.working}
        </span>
      ) : (
        <span className="badge" data-tone="bad">
          {words.settings.failing} <Time at={endpoint.failing_since} />
        </span>
      )}
      <span className="line-actions">
        <Button disabled={test.isRunning} onClick={() => void test.run()}>
          {words.settings.test}
        </Button>
        <Button kind="danger" disabled={remove.isRunning} onClick={() => void remove.run()}>
          {words.settings.remove}
        </Button>
      </span>
      {error !== undefined && <Problem error={error} />}
    </li>
  )
}
