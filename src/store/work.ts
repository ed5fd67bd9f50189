/**
 * Shared by both drivers: the handle of a transaction and its end, the deadline of a stalled transaction, and the
 * detection of work that bypasses its transaction.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Host } from '../host.ts'
import { DatabaseError, type Row, type SqlValue, type Transaction } from './database.ts'

/** A driver's connection of one transaction; its methods throw `DatabaseError`s. */
export interface Connection {
  all(sql: string, params: readonly SqlValue[]): readonly Row[] | Promise<readonly Row[]>
  get(sql: string, params: readonly SqlValue[]): Row | undefined | Promise<Row | undefined>
  run(sql: string, params: readonly SqlValue[]): number | Promise<number>
  /** Queues the statement, where that is cheaper than to run it. */
  write(sql: string, params: readonly SqlValue[]): void
  insert(sql: string, params: readonly SqlValue[]): number | Promise<number>
  append(sql: string, params: readonly SqlValue[]): number | Promise<number>
}

/** The work that the current asynchronous call belongs to. Costs 0.2 us a transaction. */
const current = new AsyncLocalStorage<Work>()

/** @throws {DatabaseError} inside a work, which would wait for itself or miss its own writes. */
export function refuseInsideWork(connectionOwner: object, call: string): void {
  const work = current.getStore()
  if (work === undefined || !work.isOpen || work.owner !== connectionOwner) return
  throw new DatabaseError('failed', `${call} was called inside a transaction's work; use its tx`)
}

/** One run of a transaction's work. */
export class Work implements Transaction {
  readonly owner: object
  readonly effects: (() => void)[] = []
  /** The first failed statement: it prevents the commit, even if the work caught its error. */
  failure: DatabaseError | undefined
  isAbandoned = false
  #connection: Connection
  #host: Host
  #open = true
  #statements = 0
  #quietSince: number
  #abandon: ((error: DatabaseError) => void) | undefined

  constructor(owner: object, connection: Connection, host: Host) {
    this.owner = owner
    this.#connection = connection
    this.#host = host
    this.#quietSince = host.monotonic()
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** Settles like `work`, or rejects when it is abandoned; the handle is unusable afterwards. */
  settle<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#abandon = reject
      current.run(this, work, this).then(resolve, reject)
    })
  }

  /** Refuses further statements through this handle. */
  end(): void {
    this.#open = false
  }

  abandon(error: DatabaseError): void {
    this.end()
    this.isAbandoned = true
    this.failure ??= error
    this.#abandon?.(error)
  }

  /** Time since the last statement ended, in ms; 0 while one runs. */
  quietMs(): number {
    return this.#statements > 0 ? 0 : this.#host.monotonic() - this.#quietSince
  }

  all(sql: string, params: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#statement(() => this.#connection.all(sql, params))
  }

  get(sql: string, params: readonly SqlValue[] = []): Promise<Row | undefined> {
    return this.#statement(() => this.#connection.get(sql, params))
  }

  run(sql: string, params: readonly SqlValue[] = []): Promise<number> {
    return this.#statement(() => this.#connection.run(sql, params))
  }

  write(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    return this.#statement<void>(() => this.#connection.write(sql, params))
  }

  insert(sql: string, params: readonly SqlValue[] = []): Promise<number> {
    return this.#statement(() => this.#connection.insert(sql, params))
  }

  append(sql: string, params: readonly SqlValue[] = []): Promise<number> {
    return this.#statement(() => this.#connection.append(sql, params))
  }

  afterCommit(effect: () => void): void {
    this.effects.push(effect)
  }

  /** One promise per statement if the connection answers synchronously: a lifecycle runs nearly a hundred. */
  #statement<T>(execute: () => T | Promise<T>): Promise<T> {
    try {
      if (!this.#open) throw new DatabaseError('failed', 'A statement ran after its transaction had ended')
      // SQLite may have rolled back itself, and would then commit each further statement on its own.
      if (this.failure) throw this.failure
      const result = execute()
      if (result instanceof Promise) return this.#answered(result)
      this.#quietSince = this.#host.monotonic()
      return Promise.resolve(result)
    } catch (error) {
      return Promise.reject(this.#noted(error))
    }
  }

  async #answered<T>(result: Promise<T>): Promise<T> {
    this.#statements++
    try {
      return await result
    } catch (error) {
      throw this.#noted(error)
    } finally {
      this.#statements--
      this.#quietSince = this.#host.monotonic()
    }
  }

  #noted(error: unknown): DatabaseError {
    const failure = error instanceof DatabaseError ? error : asFailure(error)
    if (this.#open) this.failure ??= failure
    return failure
  }
}

/** Abandons the work that `running` returns after it stalled for `stallMs`, until `signal` fires. */
export async function watchForStall(
  host: Host,
  stallMs: number,
  running: () => Work | undefined,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const quietMs = running()?.quietMs() ?? 0
    if (quietMs >= stallMs) {
      const message = `The transaction was rolled back: its work ran no statement for ${stallMs} ms`
      running()?.abandon(new DatabaseError('failed', message))
    }
    await host.sleep(Math.max(1, quietMs >= stallMs ? stallMs : stallMs - quietMs), signal)
  }
}

/** Calls each effect of a committed transaction; an error is reported and stops no other effect. */
export function runEffects(effects: readonly (() => void)[], onEffectError: (error: unknown) => void): void {
  for (const effect of effects) {
    try {
      effect()
    } catch (error) {
      reportEffectError(error, onEffectError)
    }
  }
}

function reportEffectError(error: unknown, onEffectError: (error: unknown) => void): void {
  try {
    onEffectError(error)
  } catch (reportingError) {
    warnOfEffectError(reportingError)
  }
}

/** The default handler: an effect's error becomes a warning of the process. */
export function warnOfEffectError(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)))
}

export function asFailure(error: unknown): DatabaseError {
  return new DatabaseError('failed', error instanceof Error ? error.message : String(error), { cause: error })
}
