/** The list of jobs that a page shows. */
import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { type JobsQuery, client } from './client.ts'
import { JobList, type JobListState } from './job-pages.ts'
import { listen } from './live.ts'

const listOf = (query: JobsQuery): JobList =>
  new JobList(
    (cursor, limit) => client.listJobs({ ...query, limit, ...(cursor !== undefined && { cursor }) }),
    listen,
    query.order === 'oldest',
  )

/** `query`: its members decide which list it is. */
export function useJobList(
  query: JobsQuery,
): JobListState & { readonly more: () => void; readonly see: JobList['see'] } {
  const name = JSON.stringify(query)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the line above
  const list = useMemo(() => listOf(JSON.parse(name) as JobsQuery), [name])
  useEffect(() => list.start(), [list])
  const state = useSyncExternalStore(list.subscribe, list.state)
  return { ...state, more: list.more, see: list.see }
}
