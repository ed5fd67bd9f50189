/** What ends a program: signals, and the end of the shell that npm put between. */
import { systemHost } from './host.ts'

type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

export interface StopOptions {
  readonly signals: readonly Signal[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called once, with what to say of it. */
  readonly onStop: (cause: Signal | 'the end of the parent process') => void
  /** Called when a signal comes again: its sender does not wait for a clean end. */
  readonly onImpatience: (signal: Signal) => void
}

/** Ctrl-C reaches all processes of a terminal, and npm passes it on to its own: one key press comes twice. */
const samePressMs = 500
const lookMs = 500

/** Whether a script leaves its program in the background: what goes on is meant to outlive its shell. */
export const isBackground = (script = ''): boolean => /(?<![&>])&(?![&>\d])/.test(script)

export function onStopRequest({ signals, env, onStop, onImpatience }: StopOptions): void {
  let stoppedAt: number | undefined
  const stop = (cause: Parameters<StopOptions['onStop']>[0]): void => {
    stoppedAt ??= systemHost.monotonic()
    onStop(cause)
  }
  for (const signal of signals)
    process.on(signal, () => {
      if (stoppedAt === undefined) stop(signal)
      else if (systemHost.monotonic() - stoppedAt > samePressMs) onImpatience(signal)
    })
  // npm sends its signals to a shell, and dash ends without passing them on.
  if (env['npm_lifecycle_event'] === undefined || isBackground(env['npm_lifecycle_script'])) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    if (stoppedAt === undefined) stop('the end of the parent process')
  }, lookMs).unref()
}
