/** A fake Replicate, in its own process, with a ledger that outlives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Entry } from '../../src/fake-replicate/ledger.ts'
import type { FakeOptions } from '../../src/fake-replicate/provider.ts'
import { machineEnvironment } from '../environment.ts'

export interface FakeReplicate {
  readonly url: string
  readonly token: string
  readonly pid: number
  /** All that was noted so far. */
  ledger(): Promise<Entry[]>
  /** Replaces the options that are given. */
  set(options: FakeOptions): Promise<void>
  /** Resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

export const fakePath = new URL('../../src/fake-replicate/main.ts', import.meta.url).pathname

/** @param env such as FAKE_LEDGER, for a ledger that outlives it, or a PORT that is kept over a restart */
export async function startFakeReplicate(
  options: FakeOptions = {},
  env: Readonly<Record<string, string>> = {},
): Promise<FakeReplicate> {
  const child: ChildProcess = spawn(process.execPath, [fakePath], {
    env: { ...machineEnvironment, PORT: '0', FAKE_OPTIONS: JSON.stringify(options), ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(child, 'exit')
  const listening = new Promise<string>((resolve) =>
    child.once('message', (message) => resolve((message as { url: string }).url)),
  )
  const url = await Promise.race([
    listening,
    ended.then(() => {
      throw new Error(`the fake Replicate ended: ${said}`)
    }),
  ])
  return {
    url,
    token: options.token ?? 'r8_fake',
    pid: child.pid!,
    ledger: async () => (await (await fetch(`${url}/_fake/ledger`)).json()) as Entry[],
    set: async (change) => {
      const response = await fetch(`${url}/_fake/options`, { method: 'PUT', body: JSON.stringify(change) })
      if (!response.ok) throw new Error(await response.text())
    },
    kill: async (signal = 'SIGTERM') => {
      child.kill(signal)
      await ended
    },
  }
}
