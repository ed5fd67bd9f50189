/** Photographs that jobs show. */
import type { Asset } from '../../job/asset.ts'
import { showAssetsTo, insertAsset, findAsset } from '../../store/assets.ts'
import type { Context } from '../context.ts'

/** The keys that are bound to this client see the photograph from now on. */
export const letClientSee = (context: Context, clientId: string, assetId: string): Promise<void> =>
  context.database.transaction((tx) => showAssetsTo(tx, clientId, [assetId]))

/** Keeps what is known of an uploaded photograph; the same one twice is kept once. */
export const addAsset = (context: Context, asset: Omit<Asset, 'insertedAt'>): Promise<Asset> =>
  context.database.transaction(async (tx) => {
    await insertAsset(tx, { ...asset, insertedAt: context.host.now() })
    return (await findAsset(tx, asset.id))!
  })
