/** Who sends a request: said once, where it is let in, and kept with what it changes. */
import type { Context } from 'hono'
import type { Asked } from '../job/event.ts'
import { type Scope, nameWithoutKey, scopes } from '../job/key.ts'

export interface Principal {
  /** A key's name; `local` where no key is needed. */
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

export const withoutKey: Principal = { name: nameWithoutKey, scopes: new Set(scopes) }

const principals = new WeakMap<Request, Principal>()
const requests = new WeakMap<Request, number>()

export const setPrincipal = (c: Context, principal: Principal): void => {
  principals.set(c.req.raw, principal)
}

/** Who sends this request; whoever it is, where nobody was asked for a key. */
export const principalOf = (c: Context): Principal => principals.get(c.req.raw) ?? withoutKey

/** This request is to be answered once, and has a row of its own. */
export const setRequestRow = (c: Context, id: number): void => {
  requests.set(c.req.raw, id)
}

/** Who asks, and why, for the verbs of the coordinator. */
export const askedBy = (c: Context, reason?: string): Asked => ({
  by: principalOf(c).name,
  reason,
  request: requests.get(c.req.raw),
})
