/** Uploaded photographs that jobs use. */
import type { Asset } from '../../job/asset.ts'
import { showAssetsTo, insertAsset, findAsset } from '../../store/assets.ts'
import type { Context } from '../context.ts'

/** Makes the photograph visible to the keys bound to this client. */
export const letClientSee = (context: Context, clientId: string, assetId: string): Promise<void> =>
  context.database.transaction((tx) => showAssetsTo(tx, clientId, [assetId]))

/** Stores an uploaded photograph's row; a second upload of the same bytes adds none. */
export const addAsset = (context: Context, asset: Omit<Asset, 'insertedAt'>): Promise<Asset> =>
  context.database.transaction(async (tx) => {
    await insertAsset(tx, { ...asset, insertedAt: context.host.now() })
    return (await findAsset(tx, asset.id))!
  })
