/** Stop requests: signals, and the end of the shell that npm puts in between. */
import { systemHost } from './host.ts'

type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

export interface StopOptions {
  readonly signals: readonly Signal[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called once, with the cause. */
  readonly onStop: (cause: Signal | 'the end of the parent process') => void
  /** Called for a repeated signal, whose sender does not wait for a clean stop. */
  readonly onImpatience: (signal: Signal) => void
}

/** Ctrl-C reaches all processes of a terminal, and npm forwards it to its child: one key press arrives twice. */
const samePressMs = 500
const lookMs = 500

/** Whether a script leaves its program in the background, to outlive its shell. */
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
  // npm sends its signals to a shell, and dash exits without forwarding them.
  if (env['npm_lifecycle_event'] === undefined || isBackground(env['npm_lifecycle_script'])) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    if (stoppedAt === undefined) stop('the end of the parent process')
  }, lookMs).unref()
}
