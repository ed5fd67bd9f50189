/** A PostgreSQL of one run on a port of its own, that is restarted and killed. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { machineEnvironment } from '../environment.ts'
import { programFolder, unprivilegedUser } from '../store/postgres-server.ts'
import type { Keeper } from './keeper.ts'

/** As PostgreSQL names them; `kill`: its first process is killed, and the others end by themselves. */
export type ShutDown = 'fast' | 'immediate' | 'kill'

const signalOf = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const
const startMs = 60_000

export interface Postgres {
  readonly port: number
  /** Resolves when it takes connections again. */
  restart(how: ShutDown): Promise<void>
  stop(how: ShutDown): Promise<void>
  /** After `stop`; resolves when it takes connections again. */
  start(): Promise<void>
}

/** `settings` replace those below. */
export async function startPostgres(
  keeper: Keeper,
  folder: string,
  port: number,
  settings: readonly string[] = [],
): Promise<Postgres> {
  mkdirSync(folder, { recursive: true })
  const user = unprivilegedUser()
  if (user) chownSync(folder, user.uid, user.gid)
  const programs = await programFolder(folder)
  const options = { cwd: folder, env: machineEnvironment, ...user }
  const data = join(folder, 'data')
  const initdb = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--no-locale', '--no-sync']
  execFileSync(join(programs, 'initdb'), ['-D', data, ...initdb], { ...options, stdio: 'pipe' })
  const flags = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    // No power is cut here: what a killed process has written stays in the system's cache.
    'fsync=off',
    'shared_buffers=64MB',
    'max_connections=100',
    ...settings,
  ].flatMap((setting) => ['-c', setting])

  const startOnce = async (): Promise<ChildProcess | undefined> => {
    const child = keeper.start(join(programs, 'postgres'), ['-D', data, ...flags], {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ready = new Promise<true>((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        if (chunk.includes('ready to accept connections')) resolve(true)
      })
    })
    const ended = once(child, 'exit').then(() => false as const)
    return (await Promise.race([ready, ended])) ? child : undefined
  }
  /** After a kill the old processes still hold the shared memory for a moment. */
  const start = async (): Promise<ChildProcess> => {
    const deadline = performance.now() + startMs
    for (;;) {
      const child = await startOnce()
      if (child) return child
      if (performance.now() > deadline) throw new Error('PostgreSQL does not start')
      await sleep(200)
    }
  }

  let server = await start()
  const stop = async (how: ShutDown): Promise<void> => {
    const ended = once(server, 'exit')
    server.kill(signalOf[how])
    await ended
  }
  const startAgain = async (): Promise<void> => void (server = await start())
  return {
    port,
    stop,
    start: startAgain,
    restart: async (how) => {
      await stop(how)
      await startAgain()
    },
  }
}
