import type { Migration } from '../migrate.ts'
import { jobs } from './0001-jobs.ts'
import { money } from './0002-money.ts'

/** In the order they are applied. One that has been released is never changed: add another. */
export const migrations: readonly Migration[] = [jobs, money]
