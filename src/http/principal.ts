/** Who sends a request: said once, where it is let in, and kept with what it changes. */
import type { Context } from 'hono'
import type { Asked } from '../job/event.ts'

/** What a key may do; `admin` may do everything. */
export const scopes = ['read', 'submit', 'approve', 'admin'] as const
export type Scope = (typeof scopes)[number]

export interface Principal {
  /** A key's name; `local` where no key is needed. */
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

const everything: Principal = { name: 'local', scopes: new Set(scopes) }

const principals = new WeakMap<Request, Principal>()

export const setPrincipal = (c: Context, principal: Principal): void => {
  principals.set(c.req.raw, principal)
}

/** Who sends this request; whoever it is, where nobody was asked for a key. */
export const principalOf = (c: Context): Principal => principals.get(c.req.raw) ?? everything

/** Who asks, and why, for the verbs of the coordinator. */
export const askedBy = (c: Context, reason?: string): Asked => ({ by: principalOf(c).name, reason })
