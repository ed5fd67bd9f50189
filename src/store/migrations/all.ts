import type { Migration } from '../migrate.ts'
import { jobs } from './0001-jobs.ts'
import { money } from './0002-money.ts'
import { operating } from './0003-operating.ts'
import { webhooks } from './0004-webhooks.ts'
import { keys } from './0005-keys.ts'
import { timings } from './0006-timings.ts'
import { retention } from './0007-retention.ts'
import { secret } from './0012-secret.ts'

/** In the order they are applied. One that has been released is never changed: add another. */
export const migrations: readonly Migration[] = [
  jobs,
  money,
  operating,
  webhooks,
  keys,
  timings,
  retention,
  secret,
]
