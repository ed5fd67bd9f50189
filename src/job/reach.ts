/** Which jobs a key reaches: what its scopes and its client come to. */
import type { Key } from './key.ts'
import type { Scope } from './scope.ts'

/** The key that a request is sent with. A request without one, where none is needed, may do everything. */
export type Actor = Pick<Key, 'id' | 'scopes' | 'clientId'>

/** Whose a job is. */
export interface Owner {
  /** Empty: nobody's. */
  readonly clientId: string
  /** The id of the key that made it; null: made without a key. */
  readonly madeBy: string | null
}

/** Only jobs of this client, only jobs made with this key; with neither, all jobs. */
export interface Reach {
  readonly clientId?: string
  readonly madeBy?: string
}

const may = ({ scopes }: Actor, ...wanted: readonly Scope[]): boolean =>
  [...wanted, 'admin' as const].some((scope) => scopes.includes(scope))

/** Whether what the actor asks for may spend money. */
export const mayApprove = (actor: Actor | undefined): boolean => !actor || may(actor, 'approve')

const reachOf = (actor: Actor | undefined, isOfAll: (actor: Actor) => boolean): Reach => {
  if (!actor) return {}
  if (actor.clientId !== null) return { clientId: actor.clientId }
  return isOfAll(actor) ? {} : { madeBy: actor.id }
}

/** What it sees: who lets money be spent has to see on what. */
export const seenBy = (actor: Actor | undefined): Reach =>
  reachOf(actor, (key) => may(key, 'read', 'approve'))

/** What it may change: `read` adds nothing to that. */
export const changedBy = (actor: Actor | undefined): Reach => reachOf(actor, mayApprove)

export const isEverything = ({ clientId, madeBy }: Reach): boolean =>
  clientId === undefined && madeBy === undefined

export const isWithin = (reach: Reach, { clientId, madeBy }: Owner): boolean =>
  (reach.clientId === undefined || reach.clientId === clientId) &&
  (reach.madeBy === undefined || reach.madeBy === madeBy)
