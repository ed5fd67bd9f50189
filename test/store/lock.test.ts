import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemHost } from '../../src/host.ts'
import { holdFolder } from '../../src/store/lock.ts'
import { newFolder } from './open-database.ts'

describe('the hold of a data folder', () => {
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(() => void (folder = newFolder()))
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  /** Another process that holds the folder until it is killed, or is refused. */
  async function otherProcess(): Promise<{ child: ChildProcess; answer: string }> {
    const program = `
      const { holdFolder } = await import(${urlOf('../../src/store/lock.ts')})
      const { systemHost } = await import(${urlOf('../../src/host.ts')})
      try {
        holdFolder(${JSON.stringify(folder)}, systemHost).listensOn('http://127.0.0.1:4000')
        console.log('held')
        setInterval(() => {}, 1000)
      } catch (error) {
        console.log(error.code + ': ' + error.message)
      }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    for await (const answer of createInterface(child.stdout)) return { child, answer }
    throw new Error('The other process said nothing')
  }

  it('is refused to a second process, which is told who holds it', async () => {
    const hold = holdFolder(folder, systemHost)
    hold.listensOn('http://127.0.0.1:4321')
    const { answer } = await otherProcess()
    expect(answer).toContain(`in_use: ${folder} is in use by process ${process.pid} on `)
    expect(answer).toMatch(/since \d{4}-.*Z, listening on http:\/\/127\.0\.0\.1:4321$/)
    hold.release()
    expect((await otherProcess()).answer).toBe('held')
  })

  it('ends at once with a process that is killed', async () => {
    const { child, answer } = await otherProcess()
    expect(answer).toBe('held')
    expect(() => holdFolder(folder, systemHost)).toThrow(`in use by process ${child.pid} on `)
    child.kill('SIGKILL')
    await once(child, 'exit')
    holdFolder(folder, systemHost).release()
  })

  it('is refused to a second holder in the same process', () => {
    const hold = holdFolder(folder, systemHost)
    expect(() => holdFolder(folder, systemHost)).toThrow(`process ${process.pid}`)
    hold.release()
    holdFolder(folder, systemHost).release()
  })
})

function urlOf(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href)
}
