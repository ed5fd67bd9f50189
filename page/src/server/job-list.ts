/** A list of jobs that is read as it is scrolled, and kept up to date by events. */
import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { type JobEvent, type JobsAnswer, type JobsQuery, client } from './client.ts'
import { listen } from './live.ts'

export type JobRow = JobsAnswer['jobs'][number]

export interface JobListState {
  readonly rows: readonly JobRow[]
  /** Whether there are more to read. */
  readonly isMore: boolean
  readonly error: unknown
}

interface Page {
  readonly cursor: string | undefined
  readonly rows: readonly JobRow[]
}

const pageSize = 100
/** Between two readings because of events. */
const restMs = 400

export class JobList {
  #query: JobsQuery
  #pages: Page[] = []
  #next: string | null | undefined
  #state: JobListState = { rows: [], isMore: true, error: undefined }
  #watchers = new Set<() => void>()
  #loading: Promise<void> | undefined
  #stale = new Set<number>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #isStopped = false

  constructor(query: JobsQuery) {
    this.#query = query
  }

  state = (): JobListState => this.#state

  subscribe = (wake: () => void): (() => void) => {
    this.#watchers.add(wake)
    return () => this.#watchers.delete(wake)
  }

  start(): () => void {
    this.#isStopped = false
    const end = listen({ onEvents: this.#onEvents, onGap: () => this.#markAll() })
    if (this.#pages.length === 0) this.more()
    return () => {
      this.#isStopped = true
      clearTimeout(this.#timer)
      this.#timer = undefined
      end()
    }
  }

  /** Reads the next page, if there is one. */
  more = (): void => {
    if (this.#next === null || this.#loading) return
    this.#loading = this.#read(this.#next ?? undefined, this.#pages.length).finally(() => {
      this.#loading = undefined
    })
  }

  async #read(cursor: string | undefined, index: number): Promise<void> {
    try {
      const { jobs, next_cursor } = await client.listJobs({
        ...this.#query,
        limit: pageSize,
        ...(cursor !== undefined && { cursor }),
      })
      this.#pages[index] = { cursor, rows: jobs }
      if (index === this.#pages.length - 1) this.#next = next_cursor
      this.#tell(undefined)
    } catch (error) {
      this.#tell(error)
    }
  }

  #onEvents = (events: readonly JobEvent[]): void => {
    const changes = new Map<number, Partial<JobRow>>()
    for (const { type, job_id, data } of events) {
      const page = this.#pageOf(job_id)
      if (type === 'job_progress' && typeof data['percentage'] === 'number')
        changes.set(job_id, { progress_percentage: data['percentage'] })
      // A job that is not listed may belong at the top.
      else this.#markStale(page === -1 ? 0 : page)
    }
    if (changes.size === 0) return
    this.#pages = this.#pages.map(({ cursor, rows }) => ({
      cursor,
      rows: rows.map((row) => {
        const change = changes.get(row.job_id)
        return change ? { ...row, ...change } : row
      }),
    }))
    this.#tell(this.#state.error)
  }

  #pageOf(jobId: number): number {
    return this.#pages.findIndex(({ rows }) => rows.some((row) => row.job_id === jobId))
  }

  #markAll(): void {
    for (const index of this.#pages.keys()) this.#markStale(index)
  }

  #markStale(index: number): void {
    this.#stale.add(index)
    this.#timer ??= setTimeout(() => void this.#readStale(), restMs)
  }

  async #readStale(): Promise<void> {
    await this.#loading
    const stale = [...this.#stale]
    this.#stale.clear()
    for (const index of stale) if (!this.#isStopped) await this.#read(this.#pages[index]?.cursor, index)
    this.#timer = undefined
    if (this.#stale.size > 0 && !this.#isStopped) this.#markStale(this.#stale.values().next().value!)
  }

  #tell(error: unknown): void {
    // A job that moved from one page to another while they were read would be shown twice.
    const rows = new Map(this.#pages.flatMap((page) => page.rows.map((row) => [row.job_id, row] as const)))
    this.#state = { rows: [...rows.values()], isMore: this.#next !== null, error }
    for (const wake of this.#watchers) wake()
  }
}

/** `query`: its members decide which list it is. */
export function useJobList(query: JobsQuery): JobListState & { readonly more: () => void } {
  const name = JSON.stringify(query)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the line above
  const list = useMemo(() => new JobList(JSON.parse(name) as JobsQuery), [name])
  useEffect(() => list.start(), [list])
  const state = useSyncExternalStore(list.subscribe, list.state)
  return { ...state, more: list.more }
}
