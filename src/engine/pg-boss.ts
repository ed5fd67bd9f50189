/**
 * The engine of several nodes, on pg-boss in the PostgreSQL that holds the rows. pg-boss claims tasks, notices by their
 * heartbeats that a process died, and gives them to others. Here one loop for each kind fetches as many as there are free
 * slots, and one loop for all refreshes the heartbeats: a thousand tasks that wait cost one statement every two seconds.
 *
 * The claim of a task is its fencing token (`fence.ts`): the id of its row, which is new each time it is put back, and the
 * number of times that others took it over.
 */
import { isDiskFull, waitsForStorage } from '../disk-full.ts'
import { type Host, atMost } from '../host.ts'
import type { Log } from '../log.ts'
import { logLine } from '../log.ts'
import { type Loop, backOffMs, createLoop } from '../loop.ts'
import type { Task, TaskKind } from '../job/task.ts'
import type { Database, Transaction } from '../store/database.ts'
import { isTaskPaused, listRunningTasks } from '../store/tasks.ts'
import { waitsAfterCrash } from './after-crash.ts'
import {
  type QueueName,
  type StoredData,
  type TaskData,
  changedBy,
  isHeld,
  lookAtQueues,
  openBoss,
  statementsOf,
  stored,
  writesOf,
} from './boss.ts'
import type { Engine, EngineHint, TaskHandler, TaskOptions } from './engine.ts'
import { type Fence, TaskLostError, fenceOf, insideFence } from './fence.ts'

export interface PgBossEngineOptions {
  /** Without a fence. */
  readonly database: Database
  readonly connectionString: string
  /** Schema of pg-boss's tables. */
  readonly schema: string
  readonly host: Host
  readonly log: Log
  /** Called when other nodes may have something to look at; they then call `wake`. */
  readonly hint: (hint: EngineHint) => void
}

/** Default number of tries before a task is exhausted. */
const usualTries = 5
/** First wait after a rejection, and after a repeated crash; it doubles each time. */
const firstBackoffMs = 500
const longestBackoffMs = 60_000
/** Between looks for tasks that no wake announced, and for heartbeats that are missing; and while some are. */
const pollMs = 1000
const overdueMs = 200
/** Between heartbeats; a tenth of a second longer than half of this is how late a cancel may be heard elsewhere. */
const heartbeatMs = 2000
/** pg-boss's own upkeep takes a dozen statements: it runs when a heartbeat is missing, and else so often. */
const superviseMs = 60_000
/** After an outage of the database, all nodes first refresh their heartbeats, so that no run is taken for dead. */
const graceAfterOutageMs = 2 * heartbeatMs
/** Tasks fetched at once. */
const mostFetched = 50
/** How long a run that was aborted at a stop may take to end. Then its task goes to another node. */
const lastMs = 2000

interface Claim {
  readonly id: string
  readonly retryCount: number
}

interface Kind {
  readonly name: QueueName
  readonly loop: Loop
  /** Slots of this node. */
  readonly slots: () => number
  readonly begin: (run: Run) => Promise<void>
  readonly isRisky: boolean
  running: number
  isBehind: boolean
}

interface Run {
  readonly kind: QueueName
  readonly subject: string
  readonly claim: Claim
  readonly data: TaskData
  readonly cancelled: AbortController
  readonly fence: Fence
  /** `ended`: its end is recorded, so it has nothing to lose any more. */
  state: 'held' | 'ended' | 'lost'
  /** Enqueued again in this process meanwhile. */
  again: boolean
  done: Promise<void>
}

/** It is long because its functions share the runs of this process. */
export async function openPgBossEngine(options: PgBossEngineOptions): Promise<Engine> {
  const { database, schema, host, log, hint } = options
  const { boss, close } = await openBoss(options)
  const kinds = new Map<QueueName, Kind>()
  const leads = new Map<string, (signal: AbortSignal) => Promise<void>>()
  const runs = new Set<Run>()
  const abort = new AbortController()
  const stopping = new AbortController()
  let state: 'idle' | 'started' | 'stopping' = 'idle'
  /** Monotonic time of the last failed statement of the heartbeat or of supervision. */
  let troubledAt = Number.NEGATIVE_INFINITY

  // Runs

  const runOf = (kind: QueueName, subject: string): Run | undefined => {
    const token = fenceOf()?.token
    let found: Run | undefined
    for (const run of runs) {
      if (run.kind !== kind || run.subject !== subject) continue
      // A lost run and the one that followed it may both be here: the caller's own comes first.
      if (run.fence.token === token) return run
      if (!found || run.state === 'held') found = run
    }
    return found
  }

  const lose = (run: Run): void => {
    if (run.state !== 'held') return
    run.state = 'lost'
    run.cancelled.abort(new TaskLostError())
  }

  const newRun = (kind: QueueName, job: { id: string; retryCount: number; data: StoredData }): Run => {
    const { subject, ...data } = job.data
    const claim = { id: job.id, retryCount: job.retryCount }
    const run: Run = {
      kind,
      subject,
      claim,
      // Each takeover was a crash; when the task is put back, its new row has to say so.
      data: { ...data, crashes: data.crashes + job.retryCount },
      cancelled: new AbortController(),
      fence: {
        token: `${job.id}:${job.retryCount}`,
        async check(tx) {
          if (run.state === 'ended') return
          if (run.state === 'held') {
            const row = await tx.get(`select ${schema}.holds_task($1::text, $2::integer) as held`, [
              claim.id,
              claim.retryCount,
            ])
            if (row?.['held'] === 1) return
          }
          lose(run)
          throw new TaskLostError()
        },
      },
      state: 'held',
      again: false,
      done: Promise.resolve(),
    }
    return run
  }

  const start = (kind: Kind, run: Run): void => {
    kind.running++
    runs.add(run)
    run.done = insideFence(run.fence, () => kind.begin(run)).then(() => {
      kind.running--
      runs.delete(run)
      if (kind.isBehind || run.again) kind.loop.wake()
    })
  }

  /** Repeats `settle` until the run's end is recorded or the task is lost: its heartbeats go on meanwhile. Never rejects. */
  const record = async (run: Run, settle: () => Promise<unknown>): Promise<void> => {
    while (run.state === 'held')
      try {
        await settle()
        if (run.state === 'held') run.state = 'ended'
      } catch (error) {
        if (isDiskFull(error)) logLine.waitsForRoom(log, taskOf(run), backOffMs)
        else logLine.taskNotSettled(log, taskOf(run), error)
        // Without its heartbeats, the task goes to another node by itself.
        if (state === 'stopping') return
        await host.sleep(backOffMs, stopping.signal)
      }
  }

  /** Tasks that ended together are removed by one statement. */
  const removed = batched(host, async (ended: readonly Run[]) => {
    for (const [kind, some] of byKind(ended)) await boss.deleteJob(kind, some.map(claimOf))
  })

  const handedOver = batched(host, (some: readonly PutBack[]) => putBack(some))

  interface PutBack {
    readonly run: Run
    readonly data?: Partial<TaskData>
    readonly afterMs?: number
  }

  /** Gives tasks new rows, which any node may claim after `afterMs`. What this process has lost stays as it is. */
  const putBack = (some: readonly PutBack[]): Promise<void> =>
    database.transaction(async (tx) => {
      const db = statementsOf(tx)
      for (const [kind, ofKind] of Map.groupBy(some, ({ run }) => run.kind)) {
        const own = changedBy(
          await boss.deleteJob(
            kind,
            ofKind.map(({ run }) => run.claim),
            { db },
          ),
        )
        const kept = ofKind.filter(({ run }) => own.has(run.claim.id))
        if (kept.length === 0) continue
        // One that was enqueued again meanwhile is the same task, and would begin without the wait.
        await tx.run(
          `delete from ${schema}.job_common where name = $1 and state < 'active'
             and singleton_key in (select json_array_elements_text($2::json))`,
          [kind, JSON.stringify(kept.map(({ run }) => run.subject))],
        )
        await boss.insert(
          kind,
          kept.map(({ run, data, afterMs = 0 }) => ({
            singletonKey: run.subject,
            data: stored(run.subject, { ...withoutCrash(run.data), ...data }),
            startAfter: `${afterMs} milliseconds`,
          })),
          { db },
        )
        tx.afterCommit(() => hint(kind))
      }
    })

  // Tasks of the pipeline

  const handled = (name: TaskKind, { onExhausted, ...how }: TaskOptions, handler: TaskHandler) => {
    /** Records how often it was tried, and gives it up after the last time. */
    const comeAgain = async (run: Run, error: unknown): Promise<void> => {
      const task = taskOf(run)
      const tries = run.data.tries + 1
      if (tries >= (how.maxTries ?? usualTries)) {
        await record(run, async () => {
          await onExhausted(task, error)
          if (run.state === 'held') await boss.deleteJob(name, run.claim)
        })
        return
      }
      const afterMs = jittered(Math.min(longestBackoffMs, firstBackoffMs * 2 ** tries))
      await record(run, () => putBack([{ run, data: { tries }, afterMs }]))
      await how.onPutOff?.(task, error, { tries, until: host.now() + afterMs })
    }

    return async (run: Run): Promise<void> => {
      const task = taskOf(run)
      const signal = AbortSignal.any([abort.signal, run.cancelled.signal])
      try {
        await handler(task, { signal, stopping: stopping.signal })
        await record(run, () => removed(run))
      } catch (error) {
        if (run.state !== 'held') return
        if (stopping.signal.aborted) return record(run, () => handedOver({ run }))
        // An outage does not count as a try: work resumes when it is over, however long that takes.
        if (waitsForStorage(error)) {
          if (isDiskFull(error)) logLine.waitsForRoom(log, task, backOffMs)
          else logLine.waitsForStore(log, task, backOffMs, error)
          return record(run, () => putBack([{ run, afterMs: jittered(backOffMs) }]))
        }
        logLine.taskPutOff(log, task, error)
        await comeAgain(run, error).catch((cause: unknown) => logLine.taskNotSettled(log, task, cause))
      }
    }
  }

  const jittered = (mostMs: number): number => Math.ceil(mostMs * (0.5 + host.random() / 2))

  /** Starts tasks in the free slots; returns the ms until the next look. */
  const look = async (kind: Kind): Promise<number> => {
    const free = kind.slots() - kind.running
    kind.isBehind = free <= 0
    if (kind.isBehind) return Number.POSITIVE_INFINITY
    const batchSize = Math.min(free, mostFetched)
    const fetched = (await boss.fetch<StoredData>(kind.name, { batchSize })).map((job) =>
      newRun(kind.name, job),
    )
    const ready = kind.isRisky ? await afterCrashes(fetched) : fetched
    if (state === 'stopping') await putBack(ready.map((run) => ({ run })))
    else for (const run of ready) start(kind, run)
    kind.isBehind = kind.running >= kind.slots()
    return fetched.length === batchSize ? 0 : Number.POSITIVE_INFINITY
  }

  /** Puts back what has to wait because processes died while it ran; resolves to the others. */
  const afterCrashes = async (fetched: readonly Run[]): Promise<readonly Run[]> => {
    const crashed = fetched.filter(({ claim }) => claim.retryCount > 0)
    const settled = waitsAfterCrash(
      crashed.map((run) => ({ run, crashes: run.data.crashes })),
      { firstMs: firstBackoffMs, random: host.random },
    )
    if (settled.length > 0)
      logLine.beginsAfterCrash(
        log,
        settled.map(({ waitMs }) => waitMs),
      )
    const waits = new Map(settled.map(({ task: { run }, waitMs }) => [run, waitMs]))
    const waiting: PutBack[] = []
    for (const run of fetched) {
      const crashedAt = waits.has(run) ? host.now() : run.data.crashedAt
      if (crashedAt === undefined) continue
      const isPaused = await isTaskPaused(database, taskOf(run))
      const afterMs = isPaused ? backOffMs : (waits.get(run) ?? 0)
      if (afterMs > 0) waiting.push({ run, data: { crashedAt }, afterMs })
    }
    if (waiting.length > 0) await putBack(waiting)
    const later = new Set(waiting.map(({ run }) => run))
    return fetched.filter((run) => !later.has(run))
  }

  const addKind = (name: QueueName, rest: Pick<Kind, 'slots' | 'begin' | 'isRisky'>): void => {
    const loop = createLoop({
      host,
      look: () => look(kind),
      onError: (error) => logLine.cannotTakeTasks(log, error),
    })
    const kind: Kind = { name, loop, ...rest, running: 0, isBehind: false }
    kinds.set(name, kind)
  }

  // Leads: one task each, which never ends

  const enqueueLeads = (): Promise<unknown> =>
    boss.insert(
      'lead',
      [...leads.keys()].map((name) => ({
        singletonKey: name,
        data: stored(name, { jobId: 0, tries: 0, crashes: 0 }),
      })),
    )

  const leadOn = async (run: Run): Promise<void> => {
    const lead = leads.get(run.subject)
    if (lead) {
      logLine.leads(log, run.subject)
      const signal = AbortSignal.any([stopping.signal, run.cancelled.signal])
      await lead(signal).catch((error: unknown) => {
        if (!signal.aborted) logLine.leadFailed(log, error)
      })
    }
    // Another version's lead, which this node does not know, is left to other nodes as well.
    const afterMs = stopping.signal.aborted ? 0 : backOffMs
    await record(run, () => handedOver({ run, afterMs }))
  }

  // What keeps the claims

  const heartbeat = createLoop({
    host,
    backOffMs: 500,
    async look() {
      for (const [kind, some] of byKind([...runs].filter((run) => run.state === 'held'))) {
        const kept = changedBy(await boss.touch(kind, some.map(claimOf)))
        const missing = some.filter(({ claim }) => !kept.has(claim.id))
        if (missing.length === 0) continue
        // Those that end right now are not lost: the end of their transaction is about to be heard.
        await host.sleep(50)
        for (const run of missing) {
          if (run.state !== 'held') continue
          if (run.kind !== 'lead') logLine.taskLost(log, taskOf(run))
          lose(run)
        }
      }
      return heartbeatMs
    },
    onError(error) {
      troubledAt = host.monotonic()
      logLine.queueTrouble(log, error)
    },
  })

  /** Monotonic time of the last call. */
  let supervisedAt = Number.NEGATIVE_INFINITY

  /** One statement for all kinds: most nodes find nothing at most times. */
  const watch = createLoop({
    host,
    backOffMs: pollMs,
    async look() {
      const free = [...kinds.values()].filter((kind) => !kind.isBehind)
      const { due, isOverdue } = await lookAtQueues(database, schema, free)
      for (const { name, loop } of free) if (due.has(name)) loop.wake()
      const now = host.monotonic()
      const isCalm = now - troubledAt >= graceAfterOutageMs
      if (isCalm && (isOverdue || now - supervisedAt >= superviseMs)) {
        await boss.supervise()
        supervisedAt = now
      }
      return isOverdue ? overdueMs : pollMs
    },
    onError(error) {
      troubledAt = host.monotonic()
      logLine.queueTrouble(log, error)
    },
  })

  const removeTask = (tx: Transaction, kind: TaskKind, subject: string): Promise<number> =>
    // By the index of the policy, which has one entry for each state.
    tx.run(
      `delete from ${schema}.job_common
       where name = $1 and state <= 'active' and policy = 'stately' and coalesce(singleton_key, '') = $2`,
      [kind, subject],
    )

  return {
    async enqueue(tx, { kind, subject, jobId }) {
      await boss.send(kind, stored(subject, { jobId, tries: 0, crashes: 0 }), {
        singletonKey: subject,
        db: writesOf(tx),
      })
      tx.afterCommit(() => {
        const same = runOf(kind, subject)
        if (same) same.again = true
        const own = state === 'started' ? kinds.get(kind) : undefined
        if (own && own.running < own.slots()) own.loop.wake()
        else {
          if (own) own.isBehind = true
          hint(kind)
        }
      })
    },

    async cancel(tx, { kind, subject }) {
      const removedRows = await removeTask(tx, kind, subject)
      tx.afterCommit(() => {
        const run = runOf(kind, subject)
        if (run) lose(run)
        else if (removedRows > 0) hint('cancelled')
      })
    },

    async finish(tx, { kind, subject }) {
      const run = runOf(kind, subject)
      if (!run) {
        await removeTask(tx, kind, subject)
        return
      }
      if (run.state === 'ended') return
      // Not by pg-boss: it finds the row in an index that others' enqueued tasks are written to.
      const own = await tx.run(`delete from ${schema}.job_common where ${isHeld('$1', '$2')}`, [
        run.claim.id,
        run.claim.retryCount,
      ])
      if (own === 0) throw new TaskLostError()
      tx.afterCommit(() => {
        if (run.state === 'held') run.state = 'ended'
      })
    },

    handle(name, taskOptions, handler) {
      const { concurrency, isRisky = false } = taskOptions
      const slots = typeof concurrency === 'number' ? () => concurrency : concurrency
      addKind(name, { slots, isRisky, begin: handled(name, taskOptions, handler) })
    },

    lead: (name, run) => void leads.set(name, run),

    async start() {
      if (leads.size > 0) {
        await enqueueLeads()
        addKind('lead', { slots: () => leads.size, isRisky: false, begin: leadOn })
      }
      state = 'started'
      heartbeat.start()
      watch.start()
      for (const { loop } of kinds.values()) loop.start()
    },

    wake(name) {
      for (const [kind, { loop }] of kinds) if (name === undefined || name === kind) loop.wake()
      if (name === undefined || name === 'cancelled') heartbeat.wake()
    },

    async stop({ graceMs }) {
      if (state === 'stopping') return
      state = 'stopping'
      stopping.abort(new Error('the engine is stopping'))
      await Promise.all([...kinds.values()].map(({ loop }) => loop.stop()))
      const ended = Promise.allSettled([...runs].map(({ done }) => done))
      await atMost(host, graceMs, ended)
      abort.abort(new Error('the engine is stopping'))
      await atMost(host, lastMs, ended)
      const left = [...runs].filter((run) => run.state === 'held')
      if (left.length > 0)
        await putBack(left.map((run) => ({ run }))).catch((error: unknown) =>
          logLine.queueTrouble(log, error),
        )
      for (const run of left) lose(run)
      await Promise.all([heartbeat.stop(), watch.stop()])
      await close()
    },

    running: () => [...runs].filter((run) => run.kind !== 'lead' && run.state !== 'lost').map(taskOf),
    runningOf: listRunningTasks,
  }
}

const withoutCrash = ({ jobId, tries, crashes }: TaskData): TaskData => ({ jobId, tries, crashes })

const taskOf = ({ kind, subject, data }: Run): Task => ({
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the lead's runs are no tasks, and left out where tasks are shown
  kind: kind as TaskKind,
  subject,
  jobId: data.jobId,
})

const claimOf = ({ claim }: Run): Claim => claim

const byKind = (some: readonly Run[]): ReadonlyMap<QueueName, readonly Run[]> =>
  Map.groupBy(some, ({ kind }) => kind)

/** Calls `flush` once for all items that are given until it begins. */
function batched<T>(host: Pick<Host, 'sleep'>, flush: (items: readonly T[]) => Promise<void>) {
  let waiting: T[] = []
  let next: Promise<void> | undefined
  return (item: T): Promise<void> => {
    waiting.push(item)
    next ??= host.sleep(0).then(() => {
      const items = waiting
      waiting = []
      next = undefined
      return flush(items)
    })
    return next
  }
}
