/** The sender of a request: set once, at the check of its key, and stored with its changes. */
import type { Context } from 'hono'
import type { Actor } from '../../job/event.ts'
import { nameWithoutKey } from '../../job/key.ts'
import type { Rights } from '../../job/reach.ts'
import { callerAt } from './rate-limit.ts'

export interface Principal {
  /** The key's name; `local` without keys. */
  readonly name: string
  /** Undefined without keys: everything is allowed. */
  readonly rights: Rights | undefined
  /** Whether the key is still valid: it may have been revoked, rotated or expired since. */
  readonly isLetIn?: () => Promise<boolean>
}

export const withoutKey: Principal = { name: nameWithoutKey, rights: undefined }

interface Bindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } }
}

/** The connection's own address, as any client can write headers. Undefined without a connection. */
export const remoteAddress = (c: Context<{ Bindings: Bindings }>): string | undefined =>
  // Without a server there are no bindings, whatever the type says.
  // oxlint-disable-next-line typescript/no-unnecessary-condition
  c.env?.incoming?.socket?.remoteAddress

const callers = new WeakMap<Request, string>()

export const setCaller = (c: Context, caller: string): void => {
  callers.set(c.req.raw, caller)
}

/** The caller that limits count by: the key, or the address without one. */
export const callerOf = (c: Context): string =>
  callers.get(c.req.raw) ?? `address ${callerAt(remoteAddress(c))}`

const principals = new WeakMap<Request, Principal>()
const requests = new WeakMap<Request, number>()

export const setPrincipal = (c: Context, principal: Principal): void => {
  principals.set(c.req.raw, principal)
}

/** The sender of this request; `withoutKey` without keys. */
export const principalOf = (c: Context): Principal => principals.get(c.req.raw) ?? withoutKey

/** Sets the row of a request with an Idempotency-Key. */
export const setRequestRow = (c: Context, id: number): void => {
  requests.set(c.req.raw, id)
}

const doneBefore = new WeakSet<Request>()

/** Marks a request whose effect is done: only its answer is missing. */
export const setDoneBefore = (c: Context): void => void doneBefore.add(c.req.raw)
export const isDoneBefore = (c: Context): boolean => doneBefore.has(c.req.raw)

/** The actor and the reason, for the coordinator's verbs. */
export const actorOf = (c: Context, reason?: string): Actor => {
  const { name, rights } = principalOf(c)
  return { by: name, rights, reason, request: requests.get(c.req.raw) }
}
