/** Sends events to a URL, signed by Standard Webhooks, possibly out of order; only the last one is retried. */
import { createHmac } from 'node:crypto'
import type { Host } from '../host.ts'
import { drawId } from './chance.ts'
import type { FaultOf } from './fault.ts'
import type { Entry, WebhookEvent } from './ledger.ts'
import type { Prediction } from './prediction.ts'

export interface Webhook {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Sends one event without following redirects. Resolves to the status; rejects without a response. */
export type Deliver = (webhook: Webhook) => Promise<number>

export const webhookSecret = `whsec_${Buffer.from('what the fake signs with').toString('base64')}`
const forgedSecret = `whsec_${Buffer.from('what a stranger signs with').toString('base64')}`

/** A minute in total. */
const retryAfterMs = [2000, 4000, 8000, 16_000, 30_000]

const latestMs = 30_000

export interface WebhooksOptions {
  readonly host: Host
  readonly deliver: Deliver
  readonly random: () => number
  readonly record: (entry: Entry) => void
}

export interface Telling {
  readonly prediction: Prediction
  readonly event: WebhookEvent
  /** The prediction as it was when the event happened. */
  readonly shown: object
  readonly fault: FaultOf<'webhook'> | null
}

export function createWebhooks({ host, deliver, random, record }: WebhooksOptions) {
  const send = async (telling: Telling, id: string, secret: string, shown: object): Promise<boolean> => {
    const { prediction, event, fault } = telling
    const url = prediction.webhook?.url ?? ''
    const body = JSON.stringify(shown)
    const status = await deliver({ url, headers: sign(secret, id, host.now(), body), body }).catch(() => null)
    record({ at: host.now(), what: 'webhook', prediction: prediction.id, event, status, fault })
    return status !== null && status >= 200 && status < 300
  }

  const sendUntilTaken = async (telling: Telling, id: string): Promise<void> => {
    if (await send(telling, id, webhookSecret, telling.shown)) return
    if (telling.event !== 'completed') return
    for (const waitMs of retryAfterMs) {
      await host.sleep(waitMs)
      if (await send(telling, id, webhookSecret, telling.shown)) return
    }
  }

  const tell = async (telling: Telling): Promise<void> => {
    const { prediction, event, fault, shown } = telling
    const id = `msg_${drawId(random)}`
    if (fault === 'webhook_lost') {
      record({ at: host.now(), what: 'webhook', prediction: prediction.id, event, status: null, fault })
      return
    }
    if (fault === 'webhook_late') await host.sleep(random() * latestMs)
    if (fault === 'webhook_forged')
      await send(telling, `msg_${drawId(random)}`, forgedSecret, {
        ...shown,
        status: 'failed',
        error: 'forged',
      })
    if (fault === 'webhook_doubled') await send(telling, id, webhookSecret, shown)
    await sendUntilTaken(telling, id)
  }

  return { tell }
}

function sign(secret: string, id: string, now: number, body: string): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
}
