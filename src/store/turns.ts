import type { Transaction } from './database.ts'

/** A client whose last turn is this many starts ago counts as one without a turn, which bounds the rows. */
const keptTurns = 100_000

const latest = 'select coalesce(max(turn), 0) from turns where renderer = $1'

/** Gives the client the latest turn at the renderer. Call it in the transaction that starts its scene. */
export async function setTurn(tx: Transaction, renderer: string, clientId: string): Promise<void> {
  await tx.write(
    `insert into turns (renderer, client_id, turn) values ($1, $2, (${latest}) + 1)
     on conflict (renderer, client_id) do update set turn = excluded.turn`,
    [renderer, clientId],
  )
}

export async function deleteOldTurns(tx: Transaction, renderer: string): Promise<void> {
  await tx.write(`delete from turns where renderer = $1 and turn <= (${latest}) - ${keptTurns}`, [renderer])
}

/**
 * Lets the transactions that start scenes come one after another over all nodes, instead of colliding. Call it before their
 * first read, on a server: unlike an advisory lock, it is granted before the snapshot. Only they write turns.
 */
export const waitForOtherStarts = (tx: Transaction): Promise<number> =>
  tx.run('lock table turns in share row exclusive mode')
