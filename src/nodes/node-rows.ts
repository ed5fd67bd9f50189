import type { NodeFacts, NodeLoad, Role } from '../job/node.ts'
import type { Reader, Row, Transaction } from '../store/database.ts'
import { json, number, text, textOrNull } from '../store/sql.ts'

/** By the names of variables: what should be the same on all nodes. */
export type SharedSettings = Readonly<Record<string, string>>

export interface NodeRow extends Omit<NodeFacts, 'isAlive'> {
  readonly settings: SharedSettings
}

const nodeOf = (row: Row): NodeRow => ({
  id: text(row, 'id'),
  name: text(row, 'name'),
  role: text(row, 'role') as Role,
  version: text(row, 'version'),
  startedAt: number(row, 'started_at'),
  heardAt: number(row, 'heard_at'),
  isDraining: number(row, 'draining') === 1,
  address: textOrNull(row, 'address'),
  slots: json<Record<string, number>>(row, 'slots'),
  settings: json<Record<string, string>>(row, 'settings'),
  load: json<NodeLoad>(row, 'load'),
})

/** Inserts a node, or writes its latest state. */
export const putNode = (tx: Transaction, node: NodeRow): Promise<number> =>
  tx.run(
    `insert into nodes (id, name, role, version, started_at, heard_at, draining, address, slots, load, settings)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (id) do update set heard_at = $6, draining = $7, address = $8, slots = $9, load = $10`,
    [
      node.id,
      node.name,
      node.role,
      node.version,
      node.startedAt,
      node.heardAt,
      node.isDraining ? 1 : 0,
      node.address,
      JSON.stringify(node.slots),
      JSON.stringify(node.load),
      JSON.stringify(node.settings),
    ],
  )

/** Oldest first. */
export const listNodes = async (reader: Reader): Promise<readonly NodeRow[]> =>
  (await reader.all('select * from nodes order by started_at, id')).map(nodeOf)

export const deleteNode = (tx: Transaction, id: string): Promise<number> =>
  tx.run('delete from nodes where id = $1', [id])

/** Forgets nodes that died long ago. */
export const deleteNodesBefore = (tx: Transaction, heardBefore: number): Promise<number> =>
  tx.run('delete from nodes where heard_at < $1', [heardBefore])

/** When a node was last heard of; undefined if it left. */
export async function nodeHeardAt(reader: Reader, id: string): Promise<number | undefined> {
  const row = await reader.get('select heard_at from nodes where id = $1', [id])
  return row && number(row, 'heard_at')
}
