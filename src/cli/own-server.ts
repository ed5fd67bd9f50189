/** A server of our own for one command: a process that ends with us, also when we are killed. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from './client.ts'
import { CommandError } from './command-error.ts'

export interface OwnServer {
  readonly url: string
  /** Rejects when the server ends. */
  readonly died: Promise<never>
  /** The better reason, where it is the server's end that made `error`. */
  explain(error: unknown): Promise<unknown>
  stop(): Promise<void>
}

const startMs = 30_000
const stopMs = 10_000
/** Between a connection that is refused and the news that the process has ended. */
const exitMs = 500

/** Starts the real server on a free port over `dataDir`; what it logs goes to `server.log` there. */
export async function startOwnServer(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<OwnServer> {
  const logPath = join(dataDir, 'server.log')
  const log = await open(logPath, 'a')
  const program = join(import.meta.dirname, '..', `cli${extname(import.meta.filename)}`)
  // The channel between us is what it watches: when we are gone, however that came, it stops.
  const child = fork(program, ['serve'], {
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    env: {
      ...env,
      PORT: '0',
      HOST: '127.0.0.1',
      DATA_DIR: dataDir,
      LOG_LEVEL: 'info',
      SHUTDOWN_GRACE_MS: '0',
    },
  })
  await log.close()
  const died = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      void lastWords(logPath).then((words) =>
        reject(
          new CommandError(
            `The server ended unexpectedly (${signal ?? `exit code ${code}`}). ${words}`.trim(),
          ),
        ),
      )
    })
  })
  died.catch(() => {})
  const stop = () => stopChild(child)
  try {
    const ready = once(child, 'message', { signal: AbortSignal.timeout(startMs) })
    const [message] = await Promise.race([ready, died])
    const explain = async (thrown: unknown): Promise<unknown> => {
      if (!(thrown instanceof UnreachableError)) return thrown
      return Promise.race([died.catch((reason: unknown) => reason), sleep(exitMs, thrown)])
    }
    return { url: message.url, died, explain, stop }
  } catch (error) {
    await stop()
    if (error instanceof CommandError) throw error
    throw new CommandError(
      `The server did not start within ${startMs / 1000} s. ${await lastWords(logPath)}`,
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
