/**
 * The seal of a database on which no server may start, because its history is being moved, or was moved away. It is a row
 * among the migrations, since every version of the program refuses a migration that it does not know.
 */
import { DatabaseError, type Reader, type Row, type Transaction } from './database.ts'
import { text } from './sql.ts'

/** Beyond all migrations. */
export const sealId = 1_000_000

/** `filling`: `by` is the installation whose history it receives. `moved`: `to` is the database that has its history now. */
export type Seal =
  | { readonly kind: 'filling'; readonly by: string }
  | { readonly kind: 'moved'; readonly to: string }

const filling = 'receives the history of installation '
const moved = 'moved to '

const sealOf = (row: Row): Seal => {
  const name = text(row, 'name')
  return name.startsWith(moved)
    ? { kind: 'moved', to: name.slice(moved.length) }
    : { kind: 'filling', by: name.slice(filling.length) }
}

export async function findSeal(reader: Reader): Promise<Seal | undefined> {
  const row = await reader.get('select name from migrations where id = $1', [sealId])
  return row && sealOf(row)
}

export async function setSeal(tx: Transaction, seal: Seal): Promise<void> {
  await removeSeal(tx)
  const name = seal.kind === 'moved' ? moved + seal.to : filling + seal.by
  await tx.run('insert into migrations (id, name) values ($1, $2)', [sealId, name])
}

export const removeSeal = (tx: Transaction): Promise<number> =>
  tx.run('delete from migrations where id = $1', [sealId])

/** @throws {DatabaseError} `sealed` */
export async function refuseSealed(reader: Reader): Promise<void> {
  const seal = await findSeal(reader)
  if (seal) throw new DatabaseError('sealed', sealMessage(seal))
}

/** What a sealed database's operator reads. */
export const sealMessage = (seal: Seal): string =>
  seal.kind === 'moved'
    ? `The history of this database was moved to ${seal.to}: set DATABASE_URL to it. docs/operating.md says how to go back`
    : `This database is still receiving the history of installation ${seal.by}: run coordinator migrate again, with the same folder`
