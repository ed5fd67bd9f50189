/**
 * A list of jobs that is read as it is scrolled, newest or oldest first, and kept up to date by events. It is kept as pages,
 * each of which stands for a range of ids: a page that is read again can neither lose a job between it and the next, nor show it twice.
 */
import type { JobEvent, JobsAnswer } from '../../../src/client/client.ts'

export type JobRow = JobsAnswer['jobs'][number]

export interface JobListState {
  readonly rows: readonly JobRow[]
  /** Whether there are more to read. */
  readonly isMore: boolean
  readonly error: unknown
}

interface Page {
  readonly cursor: string | undefined
  /** The last rank of its range, which begins after that of the page before it. */
  readonly last: number
  readonly rows: readonly JobRow[]
}

export type Read = (cursor: string | undefined, limit: number) => Promise<JobsAnswer>

/** Begins to hear events, until what it returns is called. */
type Listen = (listener: {
  readonly onEvents: (events: readonly JobEvent[]) => void
  readonly onGap: () => void
}) => () => void

const pageSize = 200
/** Between two readings because of events. */
const restMs = 400

/** Where a job stands in the list's order: ranks rise. */
type Rank = (jobId: number) => number

/** The pages of a range, from where `cursor` begins to the rank `last`. */
async function readRange(read: Read, rank: Rank, cursor: string | undefined, last: number): Promise<Page[]> {
  const pages: Page[] = []
  for (let at = cursor; ;) {
    const { jobs, next_cursor } = await read(at, pageSize)
    const rows = jobs.filter(({ job_id }) => rank(job_id) <= last)
    const end = rows.length === 0 ? last : rank(rows.at(-1)!.job_id)
    const isLast = next_cursor === null || rows.length < jobs.length || end === last
    pages.push({ cursor: at, rows, last: isLast ? last : end })
    if (isLast) return pages
    at = next_cursor
  }
}

export class JobList {
  #read: Read
  #listen: Listen
  #rank: Rank
  #pages: readonly Page[] = []
  #next: string | null | undefined
  #state: JobListState = { rows: [], isMore: true, error: undefined }
  #watchers = new Set<() => void>()
  #isReading = false
  /** Pages that are read again once they are in sight, by their cursor. */
  #stale = new Set<string | undefined>()
  #seen: readonly [first: number, last: number] = [0, 0]
  #timer: ReturnType<typeof setTimeout> | undefined
  #end: (() => void) | undefined

  constructor(read: Read, listen: Listen, isOldestFirst: boolean) {
    this.#read = read
    this.#listen = listen
    this.#rank = isOldestFirst ? (jobId) => jobId : (jobId) => -jobId
  }

  state = (): JobListState => this.#state

  subscribe = (wake: () => void): (() => void) => {
    this.#watchers.add(wake)
    return () => this.#watchers.delete(wake)
  }

  start(): () => void {
    this.#end = this.#listen({ onEvents: this.onEvents, onGap: this.onGap })
    if (this.#pages.length === 0) this.more()
    return () => {
      this.#end?.()
      this.#end = undefined
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  /** Reads the next page, if there is one. */
  more = (): void => {
    if (this.#next !== null) void this.#alone(() => this.#readNext())
  }

  /** The rows that are in sight: only these are kept up to date at once. */
  see = (first: number, last: number): void => {
    this.#seen = [first, last]
    if (this.#stale.size > 0) this.#schedule()
  }

  onGap = (): void => {
    for (const { cursor } of this.#pages) this.#stale.add(cursor)
    this.#schedule()
  }

  onEvents = (events: readonly JobEvent[]): void => {
    const progress = new Map<number, number>()
    for (const { type, job_id, data } of events) {
      const page = this.#pageOf(job_id)
      if (!page) continue
      if (type === 'job_progress' && typeof data['percentage'] === 'number')
        progress.set(job_id, data['percentage'])
      else this.#stale.add(page.cursor)
    }
    if (this.#stale.size > 0) this.#schedule()
    if (progress.size > 0) this.#showProgress(progress)
  }

  #showProgress(progress: ReadonlyMap<number, number>): void {
    const changed = new Set([...progress.keys()].map((id) => this.#pageOf(id)))
    this.#pages = this.#pages.map((page) =>
      changed.has(page)
        ? {
            ...page,
            rows: page.rows.map((row) => {
              const percentage = progress.get(row.job_id)
              return percentage === undefined ? row : { ...row, progress_percentage: percentage }
            }),
          }
        : page,
    )
    this.#tell(this.#state.error)
  }

  /** The page whose range holds the id, whether the job is in it or not. */
  #pageOf(jobId: number): Page | undefined {
    const rank = this.#rank(jobId)
    let [low, high] = [0, this.#pages.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#pages[middle]!.last >= rank) high = middle
      else low = middle + 1
    }
    return this.#pages[low]
  }

  /** One reading at a time: each builds on the pages of the one before. */
  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    try {
      await work()
      this.#tell(undefined)
    } catch (error) {
      this.#tell(error)
    } finally {
      this.#isReading = false
    }
  }

  async #readNext(): Promise<void> {
    // The server may end a page before it has found any.
    for (let isFound = false; !isFound;) {
      const cursor = this.#next ?? undefined
      const { jobs, next_cursor } = await this.#read(cursor, pageSize)
      isFound = jobs.length > 0 || next_cursor === null
      const end = jobs.at(-1)
      const last =
        next_cursor === null
          ? Number.POSITIVE_INFINITY
          : end === undefined
            ? undefined
            : this.#rank(end.job_id)
      if (last !== undefined) this.#pages = [...this.#pages, { cursor, last, rows: jobs }]
      this.#next = next_cursor
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#end === undefined) return
    this.#timer = setTimeout(() => {
      void this.#alone(() => this.#readStale()).finally(() => {
        this.#timer = undefined
        if (this.#inSight().length > 0) this.#schedule()
      })
    }, restMs)
  }

  /** Stale pages in sight. */
  #inSight(): readonly Page[] {
    const [first, last] = this.#seen
    let before = 0
    return this.#pages.filter((page) => {
      const [begin, end] = [before, before + page.rows.length]
      before = end
      return this.#stale.has(page.cursor) && begin <= last && end >= first
    })
  }

  async #readStale(): Promise<void> {
    for (const page of this.#inSight()) {
      this.#stale.delete(page.cursor)
      const pages = await readRange(this.#read, this.#rank, page.cursor, page.last)
      this.#pages = this.#pages.flatMap((one) => (one.cursor === page.cursor ? pages : [one]))
    }
  }

  #tell(error: unknown): void {
    this.#state = {
      rows: this.#pages.flatMap(({ rows }) => rows),
      isMore: this.#next !== null,
      error,
    }
    for (const wake of this.#watchers) wake()
  }
}
