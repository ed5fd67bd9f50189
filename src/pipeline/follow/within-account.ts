/** Wraps a provider so that it is believed only about its own account: another account's token cannot see the renders. */
import type { Provider } from '../../renderer/provider.ts'

const waitMs = 60_000

/** `account`: null if the provider named none at the request. With another account's token, absence becomes `failed`. */
export function withinAccount(provider: Provider, account: string | null): Provider {
  if (account === null) return provider
  const elsewhere = async (signal: AbortSignal) => {
    const now = await provider.account(signal)
    if (now.kind === 'known' && now.name === account) return undefined
    const found =
      now.kind === 'failed'
        ? `the account of the token could not be read (${now.reason})`
        : `the token belongs to ${now.name === null ? 'an account without a name' : `the account ${now.name}`}`
    return { kind: 'failed', reason: `${found}, and this was sent from ${account}`, waitMs } as const
  }
  return {
    ...provider,
    async read(renderId, signal) {
      const read = await provider.read(renderId, signal)
      return (read.kind === 'absent' ? await elsewhere(signal) : undefined) ?? read
    },
    async cancel(renderId, signal, maySend) {
      const read = await provider.cancel(renderId, signal, maySend)
      return (read.kind === 'absent' ? await elsewhere(signal) : undefined) ?? read
    },
    list: async (window, recognise, signal) =>
      (await elsewhere(signal)) ?? (await provider.list(window, recognise, signal)),
  }
}
