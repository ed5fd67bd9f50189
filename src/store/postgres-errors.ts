/** What PostgreSQL's errors and lost connections mean to the callers of the port. */
import { DatabaseError as ServerError } from 'pg'
import { DatabaseError } from './database.ts'
import { asFailure } from './work.ts'

/** For `catch`. @throws {DatabaseError} */
export function rethrow(error: unknown): never {
  throw asDatabaseError(error)
}

export function asDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  if (isConnectionLost(error)) {
    return new DatabaseError('busy', `PostgreSQL can't be reached: ${messageOf(error)}`, { cause: error })
  }
  if (!(error instanceof ServerError)) return asFailure(error)
  const { message, detail, code = '' } = error
  const more = [detail, toDo[code]].filter(Boolean)
  return new DatabaseError(codeOf(code), [message, ...more].join(': '), { cause: error })
}

/** For whoever starts a node on a server that is not set up yet. */
const toDo: Readonly<Record<string, string>> = {
  '3D000': 'create it, or correct the URL (DATABASE_URL)',
  '28P01': 'correct the user or the password in the URL (DATABASE_URL)',
}

/** By the codes in PostgreSQL's manual, appendix A. */
function codeOf(state: string): DatabaseError['code'] {
  if (state === '53100') return 'disk_full'
  if (state.startsWith('23')) return 'conflict'
  const isPassing = ['53', '40'].includes(state.slice(0, 2)) || ['55P03', '57014', '25P03'].includes(state)
  return isPassing ? 'busy' : 'failed'
}

/** The server is shutting down, gone, unreachable, or has no connection left; or it ended this one. */
export function isConnectionLost(error: unknown): boolean {
  const cause = causeOf(error)
  if (cause instanceof ServerError) return /^(08(?!P01)|57P0|25P03|53300)/.test(cause.code ?? '')
  if (!(cause instanceof Error)) return false
  if (cause instanceof AggregateError || 'syscall' in cause) return true
  return /^(Connection terminated|timeout e|Query read timeout|Client (was closed|has encountered))/i.test(
    cause.message,
  )
}

/** Two transactions could not both happen as if alone, or each waited for the other. */
export function isCollision(error: unknown): boolean {
  const cause = causeOf(error)
  return cause instanceof ServerError && (cause.code === '40001' || cause.code === '40P01')
}

/** The server has never given out this number of a transaction. */
export function isInFuture(error: unknown): boolean {
  const cause = causeOf(error)
  return cause instanceof ServerError && cause.code === '22023'
}

/** Another node has migrated the table after the statement was prepared. */
export function isStalePlan(error: unknown): boolean {
  const cause = causeOf(error)
  return (
    cause instanceof ServerError && cause.code === '0A000' && cause.message.startsWith('cached plan must not')
  )
}

function causeOf(error: unknown): unknown {
  return error instanceof DatabaseError ? error.cause : error
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
