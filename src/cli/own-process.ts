/** A process for one command: it ends with this one, also when this one is killed. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { ownerFile } from '../owner-only.ts'
import { CommandError } from './command-error.ts'

export interface OwnProcess {
  /** Where it listens. */
  readonly url: string
  /** Rejects when it ends. */
  readonly died: Promise<never>
  stop(): Promise<void>
}

export interface OwnProgram {
  /** As a sentence begins with it. */
  readonly name: string
  /** Its module in `src/`, without the extension: the source in a clone, JavaScript in the package. */
  readonly module: string
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Its output goes there. */
  readonly logPath: string
}

const startMs = 30_000
const stopMs = 10_000

/** Resolves when it reports where it listens. */
export async function startOwnProcess(own: OwnProgram): Promise<OwnProcess> {
  const { name, logPath } = own
  const log = await open(logPath, 'a', ownerFile)
  const program = join(import.meta.dirname, '..', `${own.module}${extname(import.meta.filename)}`)
  // It watches the channel to this process: when the channel closes, it stops.
  const child = fork(program, own.args ?? [], {
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    env: own.env,
  })
  await log.close()
  const died = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      void lastWords(logPath).then((words) =>
        reject(
          new CommandError(`${name} ended unexpectedly (${signal ?? `exit code ${code}`}). ${words}`.trim()),
        ),
      )
    })
  })
  died.catch(() => {})
  const stop = () => stopChild(child)
  try {
    const ready = once(child, 'message', { signal: AbortSignal.timeout(startMs) })
    const [message] = await Promise.race([ready, died])
    return { url: message.url, died, stop }
  } catch (error) {
    await stop()
    if (error instanceof CommandError) throw error
    throw new CommandError(
      `${name} did not start within ${startMs / 1000} s. ${await lastWords(logPath)}`,
      1,
      { cause: error },
    )
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  // An open channel would keep the process alive when all its work has ended.
  if (child.connected) child.disconnect()
  const deadline = setTimeout(() => child.kill('SIGKILL'), stopMs)
  await exited
  clearTimeout(deadline)
}

async function lastWords(logPath: string): Promise<string> {
  const text = await readFile(logPath, 'utf8').catch(() => '')
  const line = text.trimEnd().split('\n').at(-1) ?? ''
  try {
    const { msg, err } = JSON.parse(line)
    return [msg, err?.message].filter(Boolean).join(': ')
  } catch {
    return line
  }
}
