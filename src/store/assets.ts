import type { Asset } from '../job/asset.ts'
import type { Reader, Row, Transaction } from './database.ts'
import { number, text } from './sql.ts'

const assetOf = (row: Row): Asset => ({
  id: text(row, 'id'),
  contentType: text(row, 'content_type'),
  width: number(row, 'width'),
  height: number(row, 'height'),
  size: number(row, 'size'),
  master: text(row, 'master'),
  insertedAt: number(row, 'inserted_at'),
})

const insert = `insert into assets (id, content_type, width, height, size, master, inserted_at)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing`

/** Keeps the first record of an asset: its id is a hash, so a second one would be equal. */
export const insertAsset = (tx: Transaction, asset: Asset): Promise<number> =>
  tx.run(insert, [
    asset.id,
    asset.contentType,
    asset.width,
    asset.height,
    asset.size,
    asset.master,
    asset.insertedAt,
  ])

export async function findAsset(reader: Reader, id: string): Promise<Asset | undefined> {
  const row = await reader.get('select * from assets where id = $1', [id])
  return row && assetOf(row)
}

/** Whether the asset exists and, with `clientId`, whether this client may see it. */
export const hasAsset = async (reader: Reader, id: string, clientId?: string): Promise<boolean> =>
  (clientId === undefined
    ? await reader.get('select 1 as found from assets where id = $1', [id])
    : await reader.get('select 1 as found from asset_clients where asset_id = $1 and client_id = $2', [
        id,
        clientId,
      ])) !== undefined

/** Lets a client see photographs that it uploaded or that its jobs use. An empty `clientId` means no client. */
export async function showAssetsTo(
  tx: Transaction,
  clientId: string,
  assetIds: readonly string[],
): Promise<void> {
  if (clientId === '') return
  for (const id of new Set(assetIds))
    await tx.write(
      `insert into asset_clients (asset_id, client_id) select id, $2 from assets where id = $1
       on conflict (asset_id, client_id) do nothing`,
      [id, clientId],
    )
}

/** Ids of the newest photographs, which a store of this history's files must have. */
export const newestAssets = async (reader: Reader): Promise<readonly string[]> =>
  (await reader.all('select id from assets order by inserted_at desc, id desc limit 3')).map((row) =>
    text(row, 'id'),
  )
