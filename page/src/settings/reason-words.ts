import type { Words } from '../words/en.ts'

/** Why a webhook failed, or is disabled: in the page's language where it is one of the usual reasons, otherwise as the server says. */
export function reasonWords(reason: string, { settings: { webhooks } }: Words): string {
  const status = /^It answered (\d{3})$/.exec(reason)?.[1]
  if (status !== undefined) return webhooks.answered(Number(status))
  return reason === 'Disabled on request' ? webhooks.onRequest : reason
}
