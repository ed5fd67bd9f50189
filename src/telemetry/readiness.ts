/** Readiness: checks every dependency, each with a deadline. */
import type { DiskRoom } from '../disk-full.ts'
import type { Host } from '../host.ts'
import { type Log, logLine } from '../log.ts'

export interface Check {
  readonly name: string
  /** Rejects if the dependency is unusable; the message is public. */
  readonly look: () => Promise<unknown>
  /** How long a result is cached. */
  readonly keptMs: number
  /** A slow check of something that worked at start: the last result counts until the next check ends. */
  readonly isSlow?: boolean
}

export interface Standing {
  readonly isReady: boolean
  /** By name: `ok`, or the problem. */
  readonly checks: Readonly<Record<string, string>>
}

export interface Readiness {
  now(): Promise<Standing>
  /** Reports `draining` from now on. */
  drain(): void
}

export interface ReadinessOptions {
  readonly checks: readonly Check[]
  readonly host: Host
  readonly log: Log
}

const deadlineMs = 2000

export function createReadiness({ checks, host, log }: ReadinessOptions): Readiness {
  const states = checks.map((check) => createState(check, host, log))
  let isDraining = false
  let told = ''

  /** Logs changes only, since probes may come every second. */
  const tell = (reason: string): void => {
    if (reason === told) return
    told = reason
    if (reason === '') logLine.readyAgain(log)
    else logLine.notReady(log, reason)
  }

  return {
    drain: () => {
      isDraining = true
    },
    async now() {
      const found = await Promise.all(states.map(async ({ name, now }) => [name, await now()] as const))
      const all: readonly (readonly [string, string])[] = [
        ...found,
        ['draining', isDraining ? 'The server is stopping' : 'ok'],
      ]
      const wrong = all.filter(([, state]) => state !== 'ok')
      tell(wrong.map(([, state]) => state).join('; '))
      return { isReady: wrong.length === 0, checks: Object.fromEntries(all) }
    },
  }
}

function createState({ name, look, keptMs, isSlow = false }: Check, host: Host, log: Log) {
  let found: { readonly state: string; readonly at: number } | undefined = isSlow
    ? { state: 'ok', at: host.monotonic() }
    : undefined
  let looking: Promise<string> | undefined

  /** One check at a time, so that probes do not pile up on a disk that hangs. */
  const lookAgain = (): Promise<string> =>
    (looking ??= look()
      .then(
        () => 'ok',
        (error: unknown) => {
          log.debug({ err: error, check: name }, 'A readiness check failed')
          return error instanceof Error ? error.message : String(error)
        },
      )
      .then((state) => {
        found = { state, at: host.monotonic() }
        looking = undefined
        return state
      }))

  const inTime = async (state: Promise<string>): Promise<string> => {
    const done = new AbortController()
    const late = host.sleep(deadlineMs, done.signal).then(() => `${name} did not answer within 2 s`)
    try {
      return await Promise.race([state, late])
    } finally {
      done.abort()
    }
  }

  return {
    name,
    async now(): Promise<string> {
      if (found && host.monotonic() - found.at < keptMs) return found.state
      const state = lookAgain()
      return found && isSlow ? found.state : inTime(state)
    },
  }
}

/** Checks that the disk has more free space than the reserve, and is writable. */
export const roomFor =
  (room: Pick<DiskRoom, 'require'>, canWrite: () => Promise<void>): Check['look'] =>
  async () => {
    await room.require()
    await canWrite().catch((cause: unknown) => {
      throw new Error('The data folder is not writable', { cause })
    })
  }

/** Replaces an error's message by a public one, since the original may contain paths. */
export const saying =
  (reason: string, look: () => Promise<unknown>): Check['look'] =>
  () =>
    look().catch((cause: unknown) => {
      throw new Error(reason, { cause })
    })
