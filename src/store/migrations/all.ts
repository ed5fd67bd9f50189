import type { Migration } from '../migrate.ts'
import { jobs } from './0001-jobs.ts'

/** In the order they are applied. One that has been released is never changed: add another. */
export const migrations: readonly Migration[] = [jobs]
