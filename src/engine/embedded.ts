/**
 * The engine inside this process. A task is a row that is deleted when its work is done, so what a crash cut
 * off is simply still there at the next start. Only one process holds the database: which tasks run now is
 * known in memory, and no lease is needed.
 */
import { isDiskFull } from '../disk-full.ts'
import type { Host } from '../host.ts'
import type { Log } from '../log.ts'
import { logLine } from '../log.ts'
import type { Task, TaskKind } from '../job/task.ts'
import type { Database } from '../store/database.ts'
import {
  type KeptTask,
  deleteTask,
  insertTask,
  listCrashing,
  listDueTasks,
  nextTaskAt,
  noteCrashes,
  postponeTask,
  setTaskRunning,
} from '../store/tasks.ts'
import { type Engine, ProcessKilledError, type TaskHandler, type TaskOptions } from './engine.ts'

export interface EmbeddedEngineOptions {
  readonly database: Database
  readonly host: Host
  readonly log: Log
  /** How often a task may reject before it is given up. */
  readonly maxTries?: number
  /** The first wait after a rejection; it doubles with each, up to a minute. */
  readonly backoffMs?: number
}

const longestBackoffMs = 60_000

/** So often the process may die while a job is worked on. */
const mostCrashes = 3

/** How long to wait for a database that refused, or for room on a disk: short beside a person's patience, long beside a try. */
const refusedMs = 3000

interface Kind {
  readonly options: TaskOptions
  readonly handler: TaskHandler
  running: number
  /** Whether rows may be due that have not been taken: for lack of a place, or of an answer. */
  behind: boolean
  /** While rows are being read: the tasks that ended since, whose rows may still be in the answer. */
  looking: Set<string> | undefined
}

interface Run {
  readonly task: KeptTask
  readonly cancelled: AbortController
  /** It was enqueued again meanwhile, so what it has read may be old. */
  again: boolean
  done: Promise<void>
}

export function createEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  const { database, host, log, maxTries = 5, backoffMs = 500 } = options
  const kinds = new Map<TaskKind, Kind>()
  const runs = new Map<string, Run>()
  const abort = new AbortController()
  const stopping = new AbortController()
  /**
   * The one task running that ran when the process died before. There is only one at a time, so that those that merely
   * ran beside the one that brings it down come through.
   */
  let suspect: string | undefined
  let state: 'idle' | 'started' | 'stopping' = 'idle'
  let alarm: { readonly at: number; readonly cancel: AbortController } | undefined
  /** Until then nothing is begun: how it ends could not be noted, and its row would be due again at once. */
  let restUntil = Number.NEGATIVE_INFINITY
  const isResting = (): boolean => host.now() < restUntil

  const kindOf = (name: TaskKind): Kind => {
    const kind = kinds.get(name)
    if (!kind) throw new Error(`nobody handles tasks of the kind ${name}`)
    return kind
  }

  /** Runs a task at once where there is a place; otherwise its row waits for one. */
  const take = (task: KeptTask): void => {
    const kind = kindOf(task.kind)
    const same = runs.get(keyOf(task))
    if (same) same.again = true
    if (state !== 'started' || isResting() || same) return
    if (task.crashes > 0 && suspect !== undefined) return
    if (kind.running >= placesOf(kind)) {
      kind.behind = true
      return
    }
    kind.running++
    if (task.crashes > 0) suspect = keyOf(task)
    const begun: Run = { task, cancelled: new AbortController(), again: false, done: Promise.resolve() }
    begun.done = run(begun, kind).then((comesAgainAt) => {
      kind.running--
      runs.delete(keyOf(task))
      kind.looking?.add(keyOf(task))
      // Only now, when it is no longer taken for running: an alarm that rang before would have passed it over.
      if (comesAgainAt !== undefined) wakeAt(comesAgainAt)
      if (suspect === keyOf(task)) {
        suspect = undefined
        for (const name of kinds.keys()) look(name)
      }
      if (kind.behind || begun.again) look(task.kind)
    })
    runs.set(keyOf(task), begun)
  }

  /** Takes rows that are due into the places that are free. */
  const look = (name: TaskKind): void => {
    const kind = kindOf(name)
    kind.behind = true
    if (state !== 'started' || isResting() || kind.looking) return
    if (kind.running >= placesOf(kind)) return
    kind.behind = false
    kind.looking = new Set()
    // The tasks that run are still rows: ask for one more than there is place for, to know whether that is all.
    const most = placesOf(kind) + 1
    listDueTasks(database, name, { now: host.now(), suspects: suspect === undefined }, most).then(
      (tasks) => {
        const ended = kind.looking
        kind.looking = undefined
        // Of a full answer all rows may have ended meanwhile, with others behind them.
        kind.behind ||= tasks.length === most
        for (const task of tasks) if (!ended?.has(keyOf(task)) && !runs.has(keyOf(task))) take(task)
        if (kind.behind) look(name)
      },
      (error: unknown) => {
        kind.looking = undefined
        logLine.cannotTakeTasks(log, error)
        wakeAt(host.now() + refusedMs)
      },
    )
  }

  /** Never rejects. Resolves to when the task is to be looked for again; undefined where it is done. */
  const run = async (begun: Run, kind: Kind): Promise<number | undefined> => {
    const { task, cancelled } = begun
    const signal = AbortSignal.any([abort.signal, cancelled.signal])
    if (kind.options.isRisky) void noteRunning(task, true)
    try {
      await kind.handler(task, { signal, stopping: stopping.signal })
      return await end(begun)
    } catch (error) {
      if (stopping.signal.aborted && kind.options.isRisky) await noteRunning(task, false)
      if (stopping.signal.aborted || cancelled.signal.aborted) return undefined
      // A full disk is nobody's failure: work resumes by itself when there is room, however long that takes.
      const isFull = isDiskFull(error)
      if (isFull) logLine.waitsForRoom(log, task, refusedMs)
      else logLine.taskPutOff(log, task, error)
      try {
        if (!isFull) return await comeAgain(task, kind, error)
        return await postpone(task, refusedMs, task.tries)
      } catch (cause) {
        // The database itself refuses: the row is as it was.
        if (!isDiskFull(cause)) logLine.taskNotSettled(log, task, cause)
        else if (!isFull) logLine.waitsForRoom(log, task, refusedMs)
        return (restUntil = host.now() + refusedMs)
      }
    }
  }

  /** Not waited for at the begin: it is on disk with the first thing that the handler writes. */
  const noteRunning = (task: KeptTask, running: boolean): Promise<void> =>
    database
      .transaction((tx) => setTaskRunning(tx, task, running))
      .then(
        () => undefined,
        // A crash that isn't counted is no harm.
        () => undefined,
      )

  /** What ran when the process died is counted, and a job that died with it too often is given up. */
  const setAside = async (): Promise<void> => {
    await database.transaction((tx) => noteCrashes(tx))
    for (const task of await listCrashing(database, mostCrashes)) {
      logLine.taskSetAside(log, task, mostCrashes)
      await kindOf(task.kind).options.onExhausted(task, new ProcessKilledError(mostCrashes))
      await database.transaction((tx) => deleteTask(tx, task))
    }
  }

  const end = (begun: Run): Promise<number | undefined> =>
    database.transaction(async (tx) => {
      // Within the transaction: whoever enqueues it again does so wholly before or wholly after.
      if (!begun.again) await deleteTask(tx, begun.task)
      else await postponeTask(tx, begun.task, host.now(), 0)
      return begun.again ? host.now() : undefined
    })

  const comeAgain = async (task: KeptTask, kind: Kind, error: unknown): Promise<number | undefined> => {
    const tries = task.tries + 1
    if (tries >= (kind.options.maxTries ?? maxTries)) {
      await kind.options.onExhausted(task, error)
      await database.transaction((tx) => deleteTask(tx, task))
      return undefined
    }
    const until = await postpone(task, Math.min(longestBackoffMs, backoffMs * 2 ** tries), tries)
    await kind.options.onPutOff?.(task, error, { tries, until })
    return until
  }

  const postpone = async (task: KeptTask, mostMs: number, tries: number): Promise<number> => {
    const runAt = host.now() + Math.ceil(mostMs * (0.5 + host.random() / 2))
    await database.transaction((tx) => postponeTask(tx, task, runAt, tries))
    return runAt
  }

  const wakeAt = (at: number): void => {
    if (state !== 'started' || (alarm && alarm.at <= at)) return
    alarm?.cancel.abort()
    const cancel = new AbortController()
    alarm = { at, cancel }
    void host.sleep(Math.max(0, at - host.now()), cancel.signal).then(async () => {
      if (cancel.signal.aborted) return
      alarm = undefined
      for (const name of kinds.keys()) look(name)
      await setAlarm().catch(() => wakeAt(host.now() + refusedMs))
    })
  }

  const setAlarm = async (): Promise<void> => {
    if (isResting()) wakeAt(restUntil)
    const next = await nextTaskAt(database, host.now())
    if (next !== undefined) wakeAt(next)
  }

  return {
    async enqueue(tx, task: Task) {
      kindOf(task.kind)
      const added = await insertTask(tx, task, host.now())
      const same = runs.get(keyOf(task))
      if (added === 0 && same) same.again = true
      if (added > 0) tx.afterCommit(() => take({ ...task, tries: 0, crashes: 0 }))
    },

    async cancel(tx, task) {
      await deleteTask(tx, task)
      tx.afterCommit(() => runs.get(keyOf(task))?.cancelled.abort(new Error('the task was cancelled')))
    },

    handle(name, taskOptions, handler) {
      kinds.set(name, { options: taskOptions, handler, running: 0, behind: false, looking: undefined })
    },

    async start() {
      // Without room on the disk it is counted at another start.
      await setAside().catch((error: unknown) => isDiskFull(error) || logLine.cannotTakeTasks(log, error))
      state = 'started'
      for (const name of kinds.keys()) look(name)
      await setAlarm()
    },

    async stop({ graceMs }) {
      if (state === 'stopping') return
      state = 'stopping'
      alarm?.cancel.abort()
      stopping.abort(new Error('the engine is stopping'))
      const ended = Promise.allSettled([...runs.values()].map(({ done }) => done))
      const grace = new AbortController()
      await Promise.race([ended, host.sleep(graceMs, grace.signal)])
      grace.abort()
      abort.abort(new Error('the engine is stopping'))
      await ended
    },

    running: () => [...runs.values()].map(({ task: { kind, subject, jobId } }) => ({ kind, subject, jobId })),
  }
}

const placesOf = ({ options: { concurrency } }: Kind): number =>
  typeof concurrency === 'number' ? concurrency : concurrency()

const keyOf = ({ kind, subject }: Pick<Task, 'kind' | 'subject'>): string => `${kind} ${subject}`
