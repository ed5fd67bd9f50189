/**
 * The engine inside this process. A task is a row that is deleted when its work is done, so a task that a crash
 * interrupted is still there at the next start. Only one process holds the database: memory knows which tasks run, and
 * no lease is needed.
 */
import { isDiskFull, waitsForStorage } from '../disk-full.ts'
import { type Host, atMost } from '../host.ts'
import type { Log } from '../log.ts'
import { logLine } from '../log.ts'
import { type Loop, backOffMs, createLoop } from '../loop.ts'
import type { Task, TaskKind } from '../job/task.ts'
import type { Database } from '../store/database.ts'
import {
  type KeptTask,
  deleteTask,
  insertTask,
  listCutOff,
  listFirstTasks,
  postponeTask,
  setCrashed,
  setTaskRunning,
} from '../store/tasks.ts'
import { longestWaitMs, waitsAfterCrash } from './after-crash.ts'
import type { Engine, TaskHandler, TaskOptions } from './engine.ts'

export interface EmbeddedEngineOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
}

/** Default number of tries before a task is exhausted. */
const usualTries = 5
/** First wait after a rejection, and after a repeated crash; it doubles each time. */
const backoffMs = 500
const longestBackoffMs = 60_000

interface Kind {
  readonly options: TaskOptions
  readonly handler: TaskHandler
  /** Starts the tasks of this kind that are due. */
  readonly loop: Loop
  running: number
  /** Whether rows may be due while no slot is free: the end of a run looks again. */
  isBehind: boolean
  /** While rows are read: the tasks that have ended since, whose rows may still be in the result. */
  ended: Set<string> | undefined
}

interface Run {
  readonly task: KeptTask
  readonly cancelled: AbortController
  /** The task was enqueued again during the run, so what the run has read may be stale. */
  again: boolean
  /** `cancel` or `finish` has deleted its row. */
  isOver: boolean
  done: Promise<void>
}

export function createEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  const { database, host, log } = options
  const kinds = new Map<TaskKind, Kind>()
  const runs = new Map<string, Run>()
  const abort = new AbortController()
  const stopping = new AbortController()
  const leads: ((signal: AbortSignal) => Promise<void>)[] = []
  let leading: Promise<unknown> = Promise.resolve()
  let state: 'idle' | 'started' | 'stopping' = 'idle'
  /**
   * No task starts before this time: its end could not be recorded, and its row would be due again at once. Monotonic,
   * because the wall clock may jump.
   */
  let restUntil = Number.NEGATIVE_INFINITY
  const restMs = (): number => restUntil - host.monotonic()

  const kindOf = (name: TaskKind): Kind => {
    const kind = kinds.get(name)
    if (!kind) throw new Error(`nobody handles tasks of the kind ${name}`)
    return kind
  }

  /** Runs a task at once if a slot is free; otherwise its row waits for one. */
  const take = (task: KeptTask): void => {
    const kind = kindOf(task.kind)
    const same = runs.get(keyOf(task))
    if (same) same.again = true
    if (state !== 'started' || same) return
    if (restMs() > 0) return kind.loop.wake()
    if (kind.running >= slotsOf(kind)) {
      kind.isBehind = true
      return
    }
    kind.running++
    const begun: Run = {
      task,
      cancelled: new AbortController(),
      again: false,
      isOver: false,
      done: Promise.resolve(),
    }
    begun.done = perform(begun, kind).then((isKept) => {
      kind.running--
      runs.delete(keyOf(task))
      kind.ended?.add(keyOf(task))
      // Only after it has left `runs`: an earlier look would have skipped its row.
      if (isKept || kind.isBehind || begun.again) kind.loop.wake()
    })
    runs.set(keyOf(task), begun)
  }

  /** Starts due tasks in the free slots; returns the ms until the next is due. The end of a run looks again for the rest. */
  const look = async (name: TaskKind): Promise<number> => {
    const kind = kindOf(name)
    const rest = restMs()
    if (rest > 0) return rest
    kind.isBehind = kind.running >= slotsOf(kind)
    if (kind.isBehind) return Number.POSITIVE_INFINITY
    const ended = new Set<string>()
    kind.ended = ended
    // Running tasks still have rows: reading one row more than there are slots shows whether others wait.
    const most = slotsOf(kind) + 1
    const tasks = await listFirstTasks(database, name, most)
    kind.ended = undefined
    // One timestamp for both tests: between two, a row would be neither due nor upcoming.
    const now = host.now()
    const due = tasks.filter((task) => isDue(task, now))
    // If the result is full, all its tasks may have ended meanwhile, with others behind them.
    kind.isBehind ||= due.length === most
    for (const task of due) if (!ended.has(keyOf(task)) && !runs.has(keyOf(task))) take(task)
    if (kind.isBehind) kind.loop.wake()
    const next = tasks.find((task) => !isDue(task, now))
    return next ? next.runAt - now : Number.POSITIVE_INFINITY
  }

  /** Never rejects. Resolves to whether the row remains and becomes due again. */
  const perform = async (begun: Run, kind: Kind): Promise<boolean> => {
    const { task, cancelled } = begun
    const signal = AbortSignal.any([abort.signal, cancelled.signal])
    if (kind.options.isRisky) void note(task, { isRunning: true })
    try {
      await kind.handler(task, { signal, stopping: stopping.signal })
      if (!begun.isOver) await end(begun)
      return false
    } catch (error) {
      if (begun.isOver) return false
      if (stopping.signal.aborted && kind.options.isRisky) await note(task, { isRunning: false })
      if (stopping.signal.aborted || cancelled.signal.aborted) return false
      // Neither a full disk nor an unreachable store counts as a try: work resumes afterwards, however long that takes.
      const isFull = isDiskFull(error)
      const waits = waitsForStorage(error)
      if (isFull) logLine.waitsForRoom(log, task, backOffMs)
      else if (waits) logLine.waitsForStore(log, task, backOffMs, error)
      else logLine.taskPutOff(log, task, error)
      try {
        if (!waits) return await comeAgain(task, kind, error)
        await postpone(task, backOffMs, task.tries)
        return true
      } catch (cause) {
        // The database refused the write, so the row is unchanged.
        if (!isDiskFull(cause)) logLine.taskNotSettled(log, task, cause)
        else if (!isFull) logLine.waitsForRoom(log, task, backOffMs)
        restUntil = host.monotonic() + backOffMs
        return true
      }
    }
  }

  /** Not awaited when a run begins: it reaches the disk with the handler's first write. */
  const note = (task: KeptTask, { isRunning }: { readonly isRunning: boolean }): Promise<void> =>
    database
      .transaction((tx) => setTaskRunning(tx, task, { isRunning }))
      .then(
        () => undefined,
        // A crash that is not counted does no harm.
        () => undefined,
      )

  /** Counts a crash for each task that ran when the process died, and sets when it runs again. */
  const noteCrashes = async (): Promise<void> => {
    const now = host.now()
    const waits = await database.transaction(async (tx) => {
      const cutOff = (await listCutOff(tx)).map((task) => ({ ...task, crashes: task.crashes + 1 }))
      const settled = waitsAfterCrash(cutOff, { firstMs: backoffMs, random: host.random })
      for (const { task, waitMs } of settled)
        await setCrashed(tx, { ...task, runAt: waitMs === 0 ? task.runAt : now + waitMs }, now)
      return settled.map(({ waitMs }) => waitMs)
    })
    if (waits.length > 0) logLine.beginsAfterCrash(log, waits)
  }

  const leadOn = async (run: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      await run(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) logLine.leadFailed(log, error)
      })
      await host.sleep(backOffMs, stopping.signal)
    }
  }

  const end = (begun: Run): Promise<void> =>
    database.transaction((tx) =>
      // Tested within the transaction, so that enqueueing it again happens entirely before or entirely after.
      begun.again ? postponeTask(tx, begun.task, host.now(), 0) : deleteTask(tx, begun.task),
    )

  /** Resolves to whether the task is tried again. */
  const comeAgain = async (task: KeptTask, kind: Kind, error: unknown): Promise<boolean> => {
    const tries = task.tries + 1
    if (tries >= (kind.options.maxTries ?? usualTries)) {
      await kind.options.onExhausted(task, error)
      await database.transaction((tx) => deleteTask(tx, task))
      return false
    }
    const waitMs = await postpone(task, Math.min(longestBackoffMs, backoffMs * 2 ** tries), tries)
    await kind.options.onPutOff?.(task, error, { tries, until: host.now() + waitMs })
    return true
  }

  const postpone = async (task: KeptTask, mostMs: number, tries: number): Promise<number> => {
    const waitMs = Math.ceil(mostMs * (0.5 + host.random() / 2))
    await database.transaction((tx) => postponeTask(tx, task, host.now() + waitMs, tries))
    return waitMs
  }

  const running = (): readonly Task[] =>
    [...runs.values()].map(({ task: { kind, subject, jobId } }) => ({ kind, subject, jobId }))

  return {
    async enqueue(tx, task: Task) {
      kindOf(task.kind)
      const now = host.now()
      const added = await insertTask(tx, task, now)
      const same = runs.get(keyOf(task))
      if (same) same.again = true
      if (added > 0) tx.afterCommit(() => take({ ...task, tries: 0, crashes: 0, runAt: now }))
    },

    async cancel(tx, task) {
      await deleteTask(tx, task)
      tx.afterCommit(() => {
        const begun = runs.get(keyOf(task))
        if (!begun) return
        begun.isOver = true
        begun.cancelled.abort(new Error('the task was cancelled'))
      })
    },

    async finish(tx, task) {
      const begun = runs.get(keyOf(task))
      if (begun?.again) return
      await deleteTask(tx, task)
      if (begun) tx.afterCommit(() => (begun.isOver = true))
    },

    handle(name, taskOptions, handler) {
      const loop = createLoop({
        host,
        look: () => look(name),
        onError: (error) => logLine.cannotTakeTasks(log, error),
      })
      kinds.set(name, {
        options: taskOptions,
        handler,
        loop,
        running: 0,
        isBehind: false,
        ended: undefined,
      })
    },

    lead: (_name, run) => void leads.push(run),

    async start() {
      // On a full disk, a later start counts the crashes.
      await noteCrashes().catch((error: unknown) => isDiskFull(error) || logLine.cannotTakeTasks(log, error))
      state = 'started'
      for (const { loop } of kinds.values()) loop.start()
      leading = Promise.all(leads.map(leadOn))
    },

    wake(name) {
      for (const [kind, { loop }] of kinds) if (name === undefined || name === kind) loop.wake()
    },

    async stop({ graceMs }) {
      if (state === 'stopping') return
      state = 'stopping'
      const looks = Promise.all([...kinds.values()].map(({ loop }) => loop.stop()))
      stopping.abort(new Error('the engine is stopping'))
      const ended = Promise.allSettled([leading, ...[...runs.values()].map(({ done }) => done)])
      await atMost(host, graceMs, ended)
      abort.abort(new Error('the engine is stopping'))
      await Promise.all([ended, looks])
    },

    running,
    runningOf: (_reader, jobId) => Promise.resolve(running().filter((task) => task.jobId === jobId)),
  }
}

const slotsOf = ({ options: { concurrency } }: Kind): number =>
  typeof concurrency === 'number' ? concurrency : concurrency()

/** A row due later than the longest wait was written before the clock was set back. */
const isDue = ({ runAt }: KeptTask, now: number): boolean => runAt <= now || runAt > now + longestWaitMs

const keyOf = ({ kind, subject }: Pick<Task, 'kind' | 'subject'>): string => `${kind} ${subject}`
