/** The port to the engine, which runs tasks durably across crashes. */
import { type Task, type TaskKind, taskKinds } from '../job/task.ts'
import type { Reader, Transaction } from '../store/database.ts'

export interface TaskContext {
  /**
   * Fires when the task is cancelled, another node has taken it over, or the grace time is over: end soon and reject with
   * its reason.
   */
  readonly signal: AbortSignal
  /** Fires when the engine begins to stop: a handler that only waits should reject now; the task resumes at the next start. */
  readonly stopping: AbortSignal
}

/**
 * Does a task's work. It may run again after a crash, so it reads its rows first. If it resolves, the task is done. If it
 * rejects, it is retried later; if the engine was stopping, at the next start.
 */
export type TaskHandler = (task: Task, context: TaskContext) => Promise<void>

export interface TaskOptions {
  /** Concurrent tasks of the kind in this process; a function is called again for each task. */
  readonly concurrency: number | (() => number)
  /** It might crash the process: after each crash while it runs, it waits longer before it restarts. */
  readonly isRisky?: boolean
  /** How often a task may reject before the engine gives it up. Default: the engine's own limit. */
  readonly maxTries?: number
  /** Called when a task has rejected and will be retried; `tries`: rejections so far. `until`: ms since the epoch. */
  readonly onPutOff?: (
    task: Task,
    error: unknown,
    next: { readonly tries: number; readonly until: number },
  ) => Promise<void>
  /** Called when a task has rejected `maxTries` times; the task is then removed. */
  readonly onExhausted: (task: Task, error: unknown) => Promise<void>
}

/** What other nodes may have to look at: tasks of a kind, the leads, or whether a task of theirs was cancelled. */
export type EngineHint = TaskKind | 'lead' | 'cancelled'
export const engineHints: readonly EngineHint[] = [...taskKinds, 'lead', 'cancelled']

export interface Engine {
  /**
   * Adds a task in the caller's transaction. If one of the same kind and subject waits already, nothing happens; if one
   * runs, it runs again afterwards.
   */
  enqueue(tx: Transaction, task: Task): Promise<void>
  /** Removes a task in the caller's transaction; the signal of a running one fires, and it is not retried. */
  cancel(tx: Transaction, task: Pick<Task, 'kind' | 'subject'>): Promise<void>
  /**
   * Ends a task in the transaction of its last effect, which saves a transaction. If the task was enqueued again while it
   * ran, it stays and runs again.
   */
  finish(tx: Transaction, task: Pick<Task, 'kind' | 'subject'>): Promise<void>
  /** Registers the handler of a kind of task; call it before `start()`. */
  handle(kind: TaskKind, options: TaskOptions, handler: TaskHandler): void
  /**
   * Calls `run` on one node at a time, from `start()` on; another node follows when this one stops or dies. `signal` fires
   * when the engine stops or another node has taken the lead: end soon. If `run` ends by itself, it is called again a few
   * seconds later. Call it before `start()`.
   */
  lead(name: string, run: (signal: AbortSignal) => Promise<void>): void
  /** Begins to run tasks; those left by an earlier process come first. */
  start(): Promise<void>
  /** Looks for tasks that may begin now, such as after more slots, the end of a pause, or another node's hint. */
  wake(kind?: EngineHint): void
  /**
   * Starts no more tasks, gives running ones `graceMs` to end, then aborts them. Unfinished tasks stay for the next start, or
   * for another node, which may begin them at once.
   */
  stop(options: { readonly graceMs: number }): Promise<void>
  /** The tasks that run in this process now. */
  running(): readonly Task[]
  /** The tasks of a job that run now, on any node. `reader`: the snapshot of the job's other rows. */
  runningOf(reader: Reader, jobId: number): Promise<readonly Task[]>
}
