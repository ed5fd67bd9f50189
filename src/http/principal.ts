/** Who sends a request: said once, where it is let in, and kept with what it changes. */
import type { Context } from 'hono'
import type { Asked } from '../job/event.ts'
import { nameWithoutKey } from '../job/key.ts'
import type { Actor } from '../job/reach.ts'

export interface Principal {
  /** A key's name; `local` where no key is needed. */
  readonly name: string
  /** Undefined where no key is needed: that may do everything. */
  readonly actor: Actor | undefined
}

export const withoutKey: Principal = { name: nameWithoutKey, actor: undefined }

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
export const askedBy = (c: Context, reason?: string): Asked => {
  const { name, actor } = principalOf(c)
  return { by: name, actor, reason, request: requests.get(c.req.raw) }
}
