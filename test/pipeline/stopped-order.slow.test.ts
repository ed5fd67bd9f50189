import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { sentWithinMs } from '../../src/job/attempt.ts'
import { machineEnvironment } from '../environment.ts'
import { json, renderId, serve } from '../renderer/replicate/scripted.ts'

const isStopped = (pid: number): boolean => /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))

/** What a program of this folder says that runs, or is stopped before its request and goes on when that may not leave any more. */
async function told(program: string, url: string, how: string): Promise<unknown> {
  const child = fork(join(import.meta.dirname, program), [url, how], { env: machineEnvironment })
  try {
    const message = once(child, 'message')
    if (how === 'stopped') {
      while (!isStopped(child.pid!)) await systemHost.sleep(50)
      await systemHost.sleep(sentWithinMs + 500)
      child.kill('SIGCONT')
    }
    const [said] = await message
    return said
  } finally {
    child.kill('SIGKILL')
  }
}

it.each(['running', 'stopped'])(
  'a process that is %s between its commit and its request sends it in time or never',
  async (how) => {
    await using server = await serve((response) => json(response, 201, { id: renderId, status: 'starting' }))
    const said = await told('stopped-order.ts', server.url, how)
    const sent = server.received.length
    expect({ sent, said }).toMatchObject(
      how === 'stopped'
        ? { sent: 0, said: { kind: 'refused', failure: { code: 'interrupted' }, retry: true } }
        : { sent: 1, said: { kind: 'accepted', id: renderId } },
    )
  },
)

it.each(['running', 'stopped'])(
  'a process that is %s before it cancels a render that no attempt accounts for does it in time or never',
  async (how) => {
    await using server = await serve((response) => json(response, 200, { id: renderId, status: 'canceled' }))
    await told('stopped-cancel.ts', server.url, how)
    expect(server.received.length).toBe(how === 'stopped' ? 0 : 1)
  },
)
