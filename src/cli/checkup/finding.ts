/** A finding of `doctor`, and what to do if something is wrong. */

export interface Finding {
  readonly check: string
  /** A warning may be intended; a problem means that something does not work. */
  readonly state: 'ok' | 'warning' | 'problem'
  readonly found: string
  /** Null where no action is needed. */
  readonly to_do: string | null
}

export type Found = Omit<Finding, 'check'>

export const ok = (found: string): Found => ({ state: 'ok', found, to_do: null })
export const warning = (found: string, to_do: string): Found => ({ state: 'warning', found, to_do })
export const problem = (found: string, to_do: string): Found => ({ state: 'problem', found, to_do })

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const toError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown))

const askMs = 10_000

export const within = (signal: AbortSignal): AbortSignal =>
  AbortSignal.any([signal, AbortSignal.timeout(askMs)])

export function jsonIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
