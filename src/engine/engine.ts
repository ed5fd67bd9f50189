/** The port to what runs tasks and survives the death of a process. */
import type { Task, TaskKind } from '../job/task.ts'
import type { Transaction } from '../store/database.ts'

export interface TaskContext {
  /** Fires when the task is cancelled, or the engine's grace time is over: end soon, and reject with its reason. */
  readonly signal: AbortSignal
  /** Fires when the engine begins to stop: who only waits ends now, and rejects; the task is there at the next start. */
  readonly stopping: AbortSignal
}

/**
 * Does a task's work. It may run again after a crash, so it reads its rows first. When it resolves, the task is
 * done; when it rejects, it comes again later, unless the engine was stopping.
 */
export type TaskHandler = (task: Task, context: TaskContext) => Promise<void>

export interface TaskOptions {
  /** How many tasks of the kind run at once in this process; asked again for each where it may change. */
  readonly concurrency: number | (() => number)
  /** It might bring the process down: if the process dies while it runs, it begins again later each time. */
  readonly isRisky?: boolean
  /** How often a task may reject before it is given up, where that is another number than the engine's own. */
  readonly maxTries?: number
  /** Called when a task has rejected and comes again; `tries`: how often it has. */
  readonly onPutOff?: (
    task: Task,
    error: unknown,
    next: { readonly tries: number; readonly until: number },
  ) => Promise<void>
  /** Called when a task was tried `maxTries` times and rejected each time; the task is then gone. */
  readonly onExhausted: (task: Task, error: unknown) => Promise<void>
}

export interface Engine {
  /**
   * Adds a task in the caller's transaction: it exists exactly if that commits. A second of the same kind and subject is
   * ignored where the first has not begun; where it runs, it runs again afterwards.
   */
  enqueue(tx: Transaction, task: Task): Promise<void>
  /** Takes a task away in the caller's transaction; one that runs is told by its signal, and doesn't come again. */
  cancel(tx: Transaction, task: Pick<Task, 'kind' | 'subject'>): Promise<void>
  /**
   * Ends a task in the transaction of its last effect, so that no other has to. Where it was enqueued again while it runs,
   * it stays, and runs again.
   */
  finish(tx: Transaction, task: Pick<Task, 'kind' | 'subject'>): Promise<void>
  /** Says who does a kind of task; before `start()`. */
  handle(kind: TaskKind, options: TaskOptions, handler: TaskHandler): void
  /** Begins to run tasks, those left by an earlier process first. */
  start(): Promise<void>
  /** Looks for tasks that may begin now: there are more places, or a pause is over. */
  wake(): void
  /** Takes no more work, gives what runs `graceMs` to end, then aborts it; what is unfinished stays for the next start. */
  stop(options: { readonly graceMs: number }): Promise<void>
  /** The tasks running in this process now. */
  running(): readonly Task[]
}
