/**
 * Everything that a run starts ends with it, even when it is killed or a process of it is stopped: a keeper reads which processes
 * and folders there are, and removes what is left of them when its input ends.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Keeper {
  /** Starts a process as the leader of a group, which ends with this one. */
  start(program: string, parameters: readonly string[], options: SpawnOptions): ChildProcess
  /** A folder that goes with the run. */
  holdFolder(path: string): void
  /** Kills what still runs, and removes the folders. */
  close(): Promise<void>
}

export function openKeeper(): Keeper {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  })
  const ended = once(child, 'exit')
  const say = (line: string): void => void child.stdin.write(`${line}\n`)
  return {
    start: (program, parameters, options) => {
      const started = spawn(program, parameters, { ...options, detached: true })
      const { pid } = started
      if (pid !== undefined) {
        say(`+${pid}`)
        started.once('exit', () => say(`-${pid}`))
      }
      return started
    },
    holdFolder: (path) => say(`/${path}`),
    close: async () => {
      child.stdin.end()
      await ended
    },
  }
}

async function keep(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  const pids = new Set<number>()
  const folders = new Set<string>()
  for await (const line of createInterface(process.stdin)) {
    if (line.startsWith('+')) pids.add(Number(line.slice(1)))
    else if (line.startsWith('-')) pids.delete(Number(line.slice(1)))
    else folders.add(line.slice(1))
  }
  for (const pid of pids)
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  for (const folder of folders)
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}

if (import.meta.main) await keep()
