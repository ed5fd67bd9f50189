import type { Migration } from '../migrate.ts'
import { jobs } from './0001-jobs.ts'
import { money } from './0002-money.ts'
import { operating } from './0003-operating.ts'
import { webhooks } from './0004-webhooks.ts'
import { keys } from './0005-keys.ts'
import { timings } from './0006-timings.ts'
import { retention } from './0007-retention.ts'
import { crashes } from './0008-crashes.ts'
import { fetchedClips } from './0009-fetched-clips.ts'
import { bounds } from './0010-bounds.ts'
import { rights } from './0011-rights.ts'
import { secret } from './0012-secret.ts'
import { review } from './0013-review.ts'
import { effects } from './0014-effects.ts'
import { outputs } from './0015-outputs.ts'
import { witnesses } from './0016-witnesses.ts'
import { deletedJobs } from './0017-deleted-jobs.ts'
import { reopened } from './0018-reopened.ts'
import { nodes } from './0019-nodes.ts'
import { eventOrder } from './0020-event-order.ts'
import { hashedKeys } from './0021-hashed-keys.ts'
import { nodeSettings } from './0022-node-settings.ts'
import { attention } from './0023-attention.ts'
import { changes } from './0024-changes.ts'
import { makers } from './0025-makers.ts'

/** In the order they are applied. One that has been released is never changed: add another. */
export const migrations: readonly Migration[] = [
  jobs,
  money,
  operating,
  webhooks,
  keys,
  timings,
  retention,
  crashes,
  fetchedClips,
  bounds,
  rights,
  secret,
  review,
  effects,
  outputs,
  witnesses,
  deletedJobs,
  reopened,
  nodes,
  eventOrder,
  hashedKeys,
  nodeSettings,
  attention,
  changes,
  makers,
]
