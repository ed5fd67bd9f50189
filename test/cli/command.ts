/** The real command in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { machineEnvironment } from '../environment.ts'

const program = join(import.meta.dirname, '../../src/cli.ts')

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

export function start(args: readonly string[], { cwd, env }: RunOptions = {}): ChildProcess {
  return spawn(process.execPath, [program, ...args], {
    cwd,
    env: { ...machineEnvironment, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = start(args, options)
  child.stdin!.end(options.input ?? '')
  const exit = once(child, 'exit')
  const [out, err] = await Promise.all([text(child.stdout!), text(child.stderr!)])
  const [code] = await exit
  return { code, out, err }
}
