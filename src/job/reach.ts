/** Which jobs a key may access, by its scopes and its client. */
import type { Key } from './key.ts'
import type { Scope } from './scope.ts'

/** The key of a request. A request without a key, if none is required, may do everything. */
export type Rights = Pick<Key, 'id' | 'scopes' | 'clientId'>

/** The owner of a job. */
export interface Owner {
  /** Empty: no client. */
  readonly clientId: string
  /** Id of the key that created the job; null: created without a key. */
  readonly madeBy: string | null
}

/** Restricts access to jobs of this client, or created with this key; with neither, access to all jobs. */
export interface Reach {
  readonly clientId?: string
  readonly madeBy?: string
}

const may = ({ scopes }: Rights, ...wanted: readonly Scope[]): boolean =>
  [...wanted, 'admin' as const].some((scope) => scopes.includes(scope))

/** Whether the actor may spend money. */
export const mayApprove = (rights: Rights | undefined): boolean => !rights || may(rights, 'approve')

const reachOf = (rights: Rights | undefined, isOfAll: (rights: Rights) => boolean): Reach => {
  if (!rights) return {}
  if (rights.clientId !== null) return { clientId: rights.clientId }
  return isOfAll(rights) ? {} : { madeBy: rights.id }
}

/** The jobs it may read: an approver has to see what the money buys. */
export const seenBy = (rights: Rights | undefined): Reach =>
  reachOf(rights, (key) => may(key, 'read', 'approve'))

/** The jobs it may change, which the scope `read` does not extend. */
export const changedBy = (rights: Rights | undefined): Reach => reachOf(rights, mayApprove)

export const isEverything = ({ clientId, madeBy }: Reach): boolean =>
  clientId === undefined && madeBy === undefined

export const isWithin = (reach: Reach, { clientId, madeBy }: Owner): boolean =>
  (reach.clientId === undefined || reach.clientId === clientId) &&
  (reach.madeBy === undefined || reach.madeBy === madeBy)
