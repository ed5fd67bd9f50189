/** A child process for one command: it ends with this process, even if this one is killed. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { ownerFile } from '../owner-only.ts'
import { CommandError } from './command-error.ts'

export interface OwnProcess {
  /** Its base URL. */
  readonly url: string
  /** Rejects when the process ends. */
  readonly died: Promise<never>
  stop(): Promise<void>
}

export interface OwnProgram {
  /** Starts a sentence of an error message. */
  readonly name: string
  /** The module in `src/`, without its extension: TypeScript in a clone, JavaScript in the package. */
  readonly module: string
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** The file that receives its output. */
  readonly logPath: string
}

const startMs = 30_000
const stopMs = 10_000

/**
 * Starts the process. Resolves when it reports its URL.
 * @throws {CommandError} if it ends first, or does not start in time
 */
export async function startOwnProcess(own: OwnProgram): Promise<OwnProcess> {
  const { name, logPath } = own
  const log = await open(logPath, 'a', ownerFile)
  const program = join(import.meta.dirname, '..', `${own.module}${extname(import.meta.filename)}`)
  // The child watches this channel, and stops when it closes.
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
  // An open channel would keep the child alive after its work has ended.
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
