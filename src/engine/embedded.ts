/**
 * The engine inside this process. A task is a row that is deleted when its work is done, so what a crash cut
 * off is simply still there at the next start. Only one process holds the database: which tasks run now is
 * known in memory, and no lease is needed.
 */
import { isDiskFull } from '../disk-full.ts'
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

/** How often a task may reject before it is given up, where its kind says nothing else. */
const usualTries = 5
/** The first wait after a rejection, up to the longest, and after the process died again; it doubles with each. */
const backoffMs = 500
const longestBackoffMs = 60_000

interface Kind {
  readonly options: TaskOptions
  readonly handler: TaskHandler
  /** Takes what is due of its rows. */
  readonly loop: Loop
  running: number
  /** Whether rows may be due that have no slot: the end of a run looks again. */
  isBehind: boolean
  /** While rows are being read: the tasks that ended since, whose rows may still be in the answer. */
  ended: Set<string> | undefined
}

interface Run {
  readonly task: KeptTask
  readonly cancelled: AbortController
  /** It was enqueued again meanwhile, so what it has read may be old. */
  again: boolean
  /** Its row is gone, by a transaction of its own work. */
  isOver: boolean
  done: Promise<void>
}

export function createEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  const { database, host, log } = options
  const kinds = new Map<TaskKind, Kind>()
  const runs = new Map<string, Run>()
  const abort = new AbortController()
  const stopping = new AbortController()
  let state: 'idle' | 'started' | 'stopping' = 'idle'
  /**
   * Until then nothing is begun: how it ends could not be noted, and its row would be due again at once. By the monotonic
   * clock: the wall clock may leap.
   */
  let restUntil = Number.NEGATIVE_INFINITY
  const restMs = (): number => restUntil - host.monotonic()

  const kindOf = (name: TaskKind): Kind => {
    const kind = kinds.get(name)
    if (!kind) throw new Error(`nobody handles tasks of the kind ${name}`)
    return kind
  }

  /** Runs a task at once where there is a slot; otherwise its row waits for one. */
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
    begun.done = run(begun, kind).then((isKept) => {
      kind.running--
      runs.delete(keyOf(task))
      kind.ended?.add(keyOf(task))
      // Only now, when it is no longer taken for running: a look before would have passed it over.
      if (isKept || kind.isBehind || begun.again) kind.loop.wake()
    })
    runs.set(keyOf(task), begun)
  }

  /** Takes rows that are due into the slots that are free. However it ends, the loop or the end of a run looks again for what it left. */
  const look = async (name: TaskKind): Promise<number> => {
    const kind = kindOf(name)
    const rest = restMs()
    if (rest > 0) return rest
    kind.isBehind = kind.running >= slotsOf(kind)
    if (kind.isBehind) return Number.POSITIVE_INFINITY
    const ended = new Set<string>()
    kind.ended = ended
    // The tasks that run are still rows: ask for one more than there are slots, to know whether that is all.
    const most = slotsOf(kind) + 1
    const tasks = await listFirstTasks(database, name, most)
    kind.ended = undefined
    // One moment for all: between two a row would be neither due nor to come.
    const now = host.now()
    const due = tasks.filter((task) => isDue(task, now))
    // Of a full answer all rows may have ended meanwhile, with others behind them.
    kind.isBehind ||= due.length === most
    for (const task of due) if (!ended.has(keyOf(task)) && !runs.has(keyOf(task))) take(task)
    if (kind.isBehind) kind.loop.wake()
    const next = tasks.find((task) => !isDue(task, now))
    return next ? next.runAt - now : Number.POSITIVE_INFINITY
  }

  /** Never rejects. Resolves to whether its row is still there, and becomes due. */
  const run = async (begun: Run, kind: Kind): Promise<boolean> => {
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
      // A full disk is nobody's failure: work resumes by itself when there is room, however long that takes.
      const isFull = isDiskFull(error)
      if (isFull) logLine.waitsForRoom(log, task, backOffMs)
      else logLine.taskPutOff(log, task, error)
      try {
        if (!isFull) return await comeAgain(task, kind, error)
        await postpone(task, backOffMs, task.tries)
        return true
      } catch (cause) {
        // The database itself refuses: the row is as it was.
        if (!isDiskFull(cause)) logLine.taskNotSettled(log, task, cause)
        else if (!isFull) logLine.waitsForRoom(log, task, backOffMs)
        restUntil = host.monotonic() + backOffMs
        return true
      }
    }
  }

  /** Not waited for at the begin: it is on disk with the first thing that the handler writes. */
  const note = (task: KeptTask, { isRunning }: { readonly isRunning: boolean }): Promise<void> =>
    database
      .transaction((tx) => setTaskRunning(tx, task, { isRunning }))
      .then(
        () => undefined,
        // A crash that isn't counted is no harm.
        () => undefined,
      )

  /** What ran when the process died is counted, and waits for its time. */
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

  const end = (begun: Run): Promise<number> =>
    database.transaction((tx) =>
      // Within the transaction: enqueueing it again happens wholly before or wholly after.
      begun.again ? postponeTask(tx, begun.task, host.now(), 0) : deleteTask(tx, begun.task),
    )

  /** Whether it is tried again. */
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

    async start() {
      // Without room on the disk it is counted at another start.
      await noteCrashes().catch((error: unknown) => isDiskFull(error) || logLine.cannotTakeTasks(log, error))
      state = 'started'
      for (const { loop } of kinds.values()) loop.start()
    },

    wake() {
      for (const { loop } of kinds.values()) loop.wake()
    },

    async stop({ graceMs }) {
      if (state === 'stopping') return
      state = 'stopping'
      const looks = Promise.all([...kinds.values()].map(({ loop }) => loop.stop()))
      stopping.abort(new Error('the engine is stopping'))
      const ended = Promise.allSettled([...runs.values()].map(({ done }) => done))
      await atMost(host, graceMs, ended)
      abort.abort(new Error('the engine is stopping'))
      await Promise.all([ended, looks])
    },

    running: () => [...runs.values()].map(({ task: { kind, subject, jobId } }) => ({ kind, subject, jobId })),
  }
}

const slotsOf = ({ options: { concurrency } }: Kind): number =>
  typeof concurrency === 'number' ? concurrency : concurrency()

/** One that is due later than any wait was written before the clock was put back. */
const isDue = ({ runAt }: KeptTask, now: number): boolean => runAt <= now || runAt > now + longestWaitMs

const keyOf = ({ kind, subject }: Pick<Task, 'kind' | 'subject'>): string => `${kind} ${subject}`
