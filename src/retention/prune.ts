/**
 * Every hour, on one node, removes what retention does not keep. First, rows that are too old or too many release their files, a few
 * rows at a time; then the files that no row names are removed. A crash between the two leaves orphaned files: a walk
 * through all files finds them, one part an hour.
 */
import { type ArtifactStore, type ListedArtifact, artifactPrefixes } from '../artifact/artifact.ts'
import { type InputsInUse, type Removable, type RetentionVerbs, kindOf } from './retention.ts'
import type { Host } from '../host.ts'
import type { Amount, PruneReport, PrunedFile, RetentionLimits, StorageReport } from '../job/storage.ts'
import { type Log, logLine } from '../log.ts'
import { type Lead, createLedLoop } from '../loop.ts'

export interface PruneOptions {
  readonly coordinator: RetentionVerbs
  readonly artifacts: ArtifactStore
  readonly limits: RetentionLimits
  readonly host: Host
  readonly log: Log
  readonly freeBytes: () => Promise<number>
  /** Runs the hourly removal on one node. */
  readonly lead: Lead
}

export interface Prune {
  /** Removes all that may go now, after a run under way. `isDryRun`: only reports the most that would be removed. */
  now(options?: { readonly isDryRun?: boolean }): Promise<PruneReport>
  /** What is stored. Cached for a minute, or for twenty times as long as measuring took, if that is longer; not beyond a removal. */
  storage(): Promise<StorageReport>
  stop(): Promise<void>
}

const hour = 3_600_000
const day = 24 * hour

const firstAfterMs = 60_000
const everyMs = hour

/** A row names a file within this time after it was adopted or used. */
const untouchedMs = hour
/** A younger file that no row names may belong to a task that waits for disk space or for its next try. */
const orphanMs = day

const pageSize = 50
/** Fewer than `pageSize`, because a job has many clips. */
const jobsAtOnce = 5
const filesAtOnce = 200
/** How many rows release their files before the freed bytes are checked again. */
const groupSize = 10
/** The walk through all files takes a day, one part each hour. */
const prefixesAnHour = Math.ceil(artifactPrefixes.length / 24)

/** Of each kind in a report. */
const mostExamples = 3

const measuredForMs = { least: 60_000, times: 20 }

const agedKinds = ['film', 'clips', 'render', 'seam', 'asset'] as const

/** Call it before the engine starts. */
export function createPrune(options: PruneOptions): Prune {
  const { host, log, lead } = options
  const closed = new AbortController()
  const survey = createSurvey(options)
  let before: Promise<unknown> = Promise.resolve()
  let isNamed = false

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = before.catch(() => undefined).then(work)
    before = turn
    return turn
  }

  const prune = (scope: Omit<Scope, 'signal'>): Promise<PruneReport> =>
    inTurn(async () => {
      // Files stored by an earlier version of this program must be named before anything is removed.
      if (!isNamed) await options.coordinator.nameAll()
      isNamed = true
      const report = await remove(options, { ...scope, signal: closed.signal })
      if (!scope.isDryRun) {
        logReport(log, report)
        survey.forget()
      }
      return report
    })

  const loop = createLedLoop({
    host,
    firstAfterMs,
    async look() {
      const part = (Math.floor(host.now() / hour) % 24) * prefixesAnHour
      await prune({ isDryRun: false, prefixes: artifactPrefixes.slice(part, part + prefixesAnHour) })
      return everyMs
    },
    onError: (error) => closed.signal.aborted || logLine.cannotPrune(log, error),
    backOffMs: everyMs,
  })
  lead('prune', loop.run)

  return {
    now: ({ isDryRun = false } = {}) => prune({ isDryRun, prefixes: artifactPrefixes }),
    storage: survey.report,
    async stop() {
      closed.abort(Object.assign(new Error('the server is stopping'), { code: 'closed' }))
      await before.catch(() => undefined)
    },
  }
}

function logReport(log: Log, report: PruneReport): void {
  const amounts = Object.values(report.stored)
  if (report.events > 0 || amounts.some(({ count }) => count > 0)) logLine.pruned(log, report)
  if (report.overBytes > 0) logLine.storedTooMuch(log, report.overBytes)
}

interface Scope {
  readonly isDryRun: boolean
  readonly prefixes: readonly string[]
  readonly signal: AbortSignal
}

type Tally = { [kind in keyof PruneReport['stored']]: { count: number; bytes: number } }
type Oldest = { -readonly [kind in keyof Tally]: number | null }

const emptyTally = (): Tally => ({
  films: { count: 0, bytes: 0 },
  clips: { count: 0, bytes: 0 },
  inputs: { count: 0, bytes: 0 },
  orphans: { count: 0, bytes: 0 },
})

/** What a file that is removed is reported as. */
type Removed = Pick<PrunedFile, 'jobId' | 'at'>

const removedOf = (removable: Removable): Removed => ({
  at: removable.at,
  jobId: 'jobId' in removable ? removable.jobId : null,
})

/** One pruning. It is long because its steps share the tally and the moment that it prunes by. */
async function remove(options: PruneOptions, scope: Scope): Promise<PruneReport> {
  const { coordinator, artifacts, limits, host } = options
  const { isDryRun, signal } = scope
  const tally = emptyTally()
  const oldestOf: Oldest = { films: null, clips: null, inputs: null, orphans: null }
  const examples: PrunedFile[] = []
  const now = host.now()

  const freed = (kind: keyof Tally, artifact: string, bytes: number, removed: Removed): void => {
    tally[kind].count++
    tally[kind].bytes += bytes
    oldestOf[kind] = Math.min(oldestOf[kind] ?? removed.at, removed.at)
    if (tally[kind].count <= mostExamples) examples.push({ kind, artifact, bytes, ...removed })
  }
  const freedBytes = (): number => Object.values(tally).reduce((sum, { bytes }) => sum + bytes, 0)

  /** Removes those files of `ids` that no row names and that were not used since `unusedSince` (ms since the epoch). */
  const sweep = async (
    ids: readonly string[],
    kind: keyof Tally,
    unusedSince: number,
    removedAs: (id: string) => Removed,
  ): Promise<void> => {
    for (let first = 0; first < ids.length; first += filesAtOnce) {
      signal.throwIfAborted()
      const some = ids.slice(first, first + filesAtOnce)
      const named = await coordinator.namedArtifacts(some)
      for (const id of some) {
        if (named.has(id)) continue
        const bytes = isDryRun
          ? sizeBefore(await artifacts.stat(id), unusedSince)
          : await artifacts.remove(id, unusedSince)
        if (bytes > 0) freed(kind, id, bytes, removedAs(id))
      }
    }
  }

  const wouldGo = new Set<string>()
  const take = async (removables: readonly Removable[], before: number, inputs: InputsInUse) => {
    if (removables.length === 0) return
    const kind = kindOf[removables[0]!.what]
    if (!isDryRun) {
      const named = await coordinator.letGo(removables, { before, inputs })
      const owners = new Map(removables.flatMap((one) => one.artifacts.map((id) => [id, one])))
      return sweep(named, kind, now - untouchedMs, (id) => removedOf(owners.get(id) ?? removables[0]!))
    }
    for (const one of removables)
      for (const id of one.artifacts) {
        if (wouldGo.has(id)) continue
        wouldGo.add(id)
        const bytes = sizeBefore(await artifacts.stat(id), now - untouchedMs)
        if (bytes > 0) freed(kind, id, bytes, removedOf(one))
      }
  }

  /** Drops the photographs that a job needs, or that were uploaded or rendered since `before`. */
  const unused = async (
    page: readonly Removable[],
    before: number,
    inputs: InputsInUse,
  ): Promise<readonly Removable[]> => {
    if (page[0]?.what !== 'asset') return page
    await coordinator.renewInputs(inputs)
    const kept: Removable[] = []
    for (const asset of page) {
      if (asset.what !== 'asset' || inputs.assets.has(asset.key)) continue
      const at = await lastUse(artifacts, asset)
      if (at < before) kept.push({ ...asset, at })
    }
    return kept
  }

  const read = async function* (what: Removable['what'], before: number, inputs: InputsInUse) {
    let after: Removable | undefined
    for (;;) {
      signal.throwIfAborted()
      const limit = what === 'clips' ? jobsAtOnce : pageSize
      const page = await coordinator.removable(what, { before, after, limit })
      if (page.length === 0) return
      after = page.at(-1)
      yield await unused(page, before, inputs)
    }
  }

  const removeAged = async (what: Removable['what'], days: number | null): Promise<void> => {
    if (days === null) return
    const before = now - days * day
    const inputs = what === 'asset' ? await coordinator.inputsInUse(before) : noInputs()
    for await (const page of read(what, before, inputs)) await take(page, before, inputs)
  }

  /** Removes the oldest of all kinds first, until `overBytes` are freed. */
  const removeOver = async (overBytes: number): Promise<void> => {
    const enough = freedBytes() + overBytes
    const before = now - untouchedMs
    const inputs = await coordinator.inputsInUse(before)
    const queues = await Promise.all(agedKinds.map((what) => openQueue(read(what, before, inputs))))
    while (freedBytes() < enough) {
      const open = queues.filter(({ head }) => head() !== undefined)
      if (open.length === 0) return
      const oldest = open.reduce((one, other) => (other.head()!.at < one.head()!.at ? other : one))
      const next = Math.min(...open.filter((queue) => queue !== oldest).map(({ head }) => head()!.at))
      await take(await oldest.takeUntil(next, groupSize), before, inputs)
    }
  }

  // Orphans first: removing them writes nothing to the database, whose disk may be full.
  for (const prefix of scope.prefixes) {
    const listed = await artifacts.list(prefix)
    const old = new Map(
      listed.filter(({ usedAt }) => usedAt < now - orphanMs).map(({ id, usedAt }) => [id, usedAt]),
    )
    await sweep([...old.keys()], 'orphans', now - orphanMs, (id) => ({ at: old.get(id)!, jobId: null }))
  }

  const events = await removeEvents(options, scope)
  await removeAged('film', limits.filmsDays)
  for (const what of ['clips', 'render', 'seam'] as const) await removeAged(what, limits.clipsDays)
  await removeAged('asset', limits.inputsDays)

  let overBytes = 0
  if (limits.maxStoredBytes !== null) {
    // A dry run has removed nothing, so the measured bytes include what it counted as freed.
    const before = isDryRun ? 0 : freedBytes()
    overBytes = (await storedBytes(artifacts, signal)) - limits.maxStoredBytes
    const freedOfIt = (): number => freedBytes() - before
    if (overBytes - freedOfIt() > 0) await removeOver(overBytes - freedOfIt())
    overBytes = Math.max(0, overBytes - freedOfIt())
  }
  return { isDryRun, events, stored: tally, oldest: oldestOf, examples, overBytes }
}

async function removeEvents(
  { coordinator, limits, host }: PruneOptions,
  { isDryRun, signal }: Scope,
): Promise<number> {
  if (limits.eventsDays === null) return 0
  const before = host.now() - limits.eventsDays * day
  let events = 0
  let old = await coordinator.oldEvents(before, 0)
  for (;;) {
    signal.throwIfAborted()
    events += isDryRun ? old.ids.length : await coordinator.removeEvents(old.ids)
    if (!old.isMore) return events
    old = await coordinator.oldEvents(before, old.after)
  }
}

const noInputs = (): InputsInUse => ({ assets: new Set(), asOf: 0 })

const sizeBefore = (found: ListedArtifact | undefined, before: number): number =>
  found && found.usedAt < before ? found.size : 0

async function lastUse(artifacts: ArtifactStore, { at, artifacts: ids }: Removable): Promise<number> {
  const found = await Promise.all(ids.map((id) => artifacts.stat(id)))
  return Math.max(at, ...found.map((one) => one?.usedAt ?? 0))
}

async function storedBytes(artifacts: ArtifactStore, signal: AbortSignal): Promise<number> {
  let bytes = 0
  for (const prefix of artifactPrefixes) {
    signal.throwIfAborted()
    for (const { size } of await artifacts.list(prefix)) bytes += size
  }
  return bytes
}

interface Queue {
  head(): Removable | undefined
  /** Takes its first items not newer than `at`: at least one, at most `most`. */
  takeUntil(at: number, most: number): Promise<readonly Removable[]>
}

async function openQueue(pages: AsyncGenerator<readonly Removable[], void>): Promise<Queue> {
  let page: Removable[] = []
  const fill = async (): Promise<void> => {
    while (page.length === 0) {
      const { done, value } = await pages.next()
      if (done) return
      page = value.toSorted((one, other) => one.at - other.at)
    }
  }
  await fill()
  return {
    head: () => page[0],
    async takeUntil(at, most) {
      const newer = page.findIndex((one, index) => index > 0 && one.at > at)
      const taken = page.splice(0, Math.min(most, newer === -1 ? page.length : newer))
      await fill()
      return taken
    },
  }
}

function createSurvey({ coordinator, artifacts, limits, host, freeBytes }: PruneOptions) {
  let last: { readonly report: Promise<StorageReport>; until: number } | undefined

  const measure = async (): Promise<StorageReport> => {
    const stored = {
      films: { count: 0, bytes: 0 },
      clips: { count: 0, bytes: 0 },
      inputs: { count: 0, bytes: 0 },
      other: { count: 0, bytes: 0 },
    } satisfies Record<string, Amount>
    for (const prefix of artifactPrefixes) {
      const listed = await artifacts.list(prefix)
      for (let first = 0; first < listed.length; first += filesAtOnce) {
        const some = listed.slice(first, first + filesAtOnce)
        const named = await coordinator.namedArtifacts(some.map(({ id }) => id))
        for (const { id, size } of some) {
          const amount = stored[named.get(id) ?? 'other']
          amount.count++
          amount.bytes += size
        }
      }
    }
    return {
      stored,
      freeBytes: await freeBytes(),
      limits,
      oldest: await coordinator.oldest(),
      measuredAt: host.now(),
    }
  }

  const report = (): Promise<StorageReport> => {
    const began = host.monotonic()
    if (last && began < last.until) return last.report
    const measured = { report: measure(), until: Number.POSITIVE_INFINITY }
    last = measured
    measured.report.then(
      () => {
        const now = host.monotonic()
        measured.until = now + Math.max(measuredForMs.least, (now - began) * measuredForMs.times)
      },
      () => {
        measured.until = 0
      },
    )
    return measured.report
  }
  return {
    report,
    /** The next report is measured again. */
    forget(): void {
      last = undefined
    },
  }
}
