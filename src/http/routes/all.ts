import { assetEndpoints } from './assets.ts'
import { attentionEndpoints } from './attention.ts'
import { batchEndpoints } from './batches.ts'
import type { Endpoint } from './endpoint.ts'
import { changeEndpoints } from './changes.ts'
import { eventEndpoints } from './events.ts'
import { jobControlEndpoints } from './job-control.ts'
import { jobEndpoints } from './jobs.ts'
import { keyEndpoints } from './keys.ts'
import { linkEndpoints } from './links.ts'
import { limitEndpoints } from './limits.ts'
import { modelEndpoints } from './models.ts'
import { moneyEndpoints } from './money.ts'
import { nodeEndpoints } from './nodes.ts'
import { operationEndpoints } from './operations.ts'
import { previewEndpoints } from './previews.ts'
import { providerEndpoints } from './provider.ts'
import { sceneEndpoints } from './scenes.ts'
import { secretEndpoints } from './secret.ts'
import { sessionEndpoints } from './session.ts'
import { spendEndpoints } from './spend.ts'
import { statisticsEndpoints } from './statistics.ts'
import { storageEndpoints } from './storage.ts'
import { videoEndpoints } from './videos.ts'
import { webhookEndpoints } from './webhooks.ts'

/** Every endpoint except the API's description, in the order of that description. */
export const allEndpoints: readonly Endpoint[] = [
  ...jobEndpoints,
  ...jobControlEndpoints,
  ...batchEndpoints,
  ...attentionEndpoints,
  ...limitEndpoints,
  ...changeEndpoints,
  ...sceneEndpoints,
  ...moneyEndpoints,
  ...modelEndpoints,
  ...spendEndpoints,
  ...videoEndpoints,
  ...linkEndpoints,
  ...assetEndpoints,
  ...previewEndpoints,
  ...keyEndpoints,
  ...sessionEndpoints,
  ...webhookEndpoints,
  ...secretEndpoints,
  ...operationEndpoints,
  ...nodeEndpoints,
  ...statisticsEndpoints,
  ...storageEndpoints,
  ...eventEndpoints,
  ...providerEndpoints,
]
