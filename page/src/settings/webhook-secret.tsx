/** What messages are signed with: of one endpoint, or of all that jobs name themselves. */
import { useEffect, useState } from 'react'
import { type SecretAnswer, client } from '../server/client.ts'
import { useAction } from '../ui/action.tsx'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/problem.tsx'
import { Time } from '../ui/values.tsx'
import { useWords } from '../words/words.tsx'
import { Copied } from './copied.tsx'
import { Sheet } from '../ui/sheet.tsx'

interface WebhookSecretProps {
  /** Undefined: the one that all jobs share. */
  readonly endpointId?: string
  readonly isNew?: boolean
  readonly onClose: () => void
}

export function WebhookSecret({ endpointId, isNew = false, onClose }: WebhookSecretProps) {
  const words = useWords()
  const [secret, setSecret] = useState<SecretAnswer>()
  const read = useAction(async () =>
    setSecret(
      await (endpointId === undefined
        ? client.readSharedWebhookSecret()
        : client.readWebhookSecret(endpointId)),
    ),
  )
  const rotate = useAction(async () =>
    setSecret(
      await (endpointId === undefined
        ? client.rotateSharedWebhookSecret()
        : client.rotateWebhookSecret(endpointId)),
    ),
  )
  // oxlint-disable-next-line react-hooks/exhaustive-deps -- once, when it is opened
  useEffect(() => void read.run(), [])
  const error = read.error ?? rotate.error
  return (
    <Sheet stays title={words.settings.webhooks.secretTitle} onClose={onClose}>
      <p>{isNew ? words.settings.webhooks.secretAfterAdd : words.settings.webhooks.secretAbout}</p>
      {secret && <Copied text={secret.secret} label={words.settings.webhooks.secret} />}
      {secret?.previous.map(({ secret: old, valid_until: until }) => (
        <p key={old} className="small quiet">
          {words.settings.webhooks.previous} <Time at={until} />.
        </p>
      ))}
      {error !== undefined && <Problem error={error} />}
      {!isNew && <p className="small quiet">{words.settings.webhooks.rotateAbout}</p>}
      <div className="sheet-actions">
        {!isNew && (
          <Button disabled={rotate.isRunning} onClick={() => void rotate.run()}>
            {words.settings.webhooks.rotate}
          </Button>
        )}
        <Button kind="main" onClick={onClose}>
          {words.settings.close}
        </Button>
      </div>
    </Sheet>
  )
}
