/** The server as npm starts it, with the shell that npm puts between; each in a process group, as a terminal has it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { machineEnvironment } from '../environment.ts'

const clone = resolve(import.meta.dirname, '../..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'npm-'))
  const scripts = { films: `node ${join(clone, 'src/main.ts')}` }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'films', version: '1.0.0', scripts }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Npm {
  readonly child: ChildProcess
  readonly url: string
  /** The messages of its log, once all who write to it have ended. */
  readonly said: Promise<string[]>
}

async function npm(args: readonly string[], cwd: string): Promise<Npm> {
  const child = spawn('npm', args, {
    cwd,
    env: { ...machineEnvironment, PORT: '0', HOST: '[::1]', DATA_DIR: join(folder, 'data') },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  const messages: string[] = []
  const { promise, resolve: listens, reject } = Promise.withResolvers<string>()
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    if (!line.startsWith('{')) return
    const { msg, url } = JSON.parse(line)
    messages.push(msg)
    if (url !== undefined) listens(url)
  })
  const said = once(lines, 'close').then(() => {
    reject(new Error(`npm ${args.join(' ')} ended before it listened: ${messages.join('; ')}`))
    return messages
  })
  return { child, url: await promise, said }
}

const isThere = (url: string): Promise<boolean> =>
  fetch(`${url}/livez`).then(
    ({ status }) => status === 200,
    () => false,
  )

it.skipIf(process.platform === 'win32').each([
  ['SIGTERM to npm start', ['start'], () => clone, 'SIGTERM', 'npm'],
  ['SIGINT to npm run coordinator', ['run', 'coordinator', '--', 'serve'], () => clone, 'SIGINT', 'npm'],
  ['Ctrl-C in the terminal of npm start', ['start'], () => clone, 'SIGINT', 'all'],
  ['SIGTERM to a script of another package', ['run', 'films'], () => folder, 'SIGTERM', 'npm'],
] as const)('%s ends the server in its own time', async (_what, args, cwd, signal, whom) => {
  const { child, url, said } = await npm(args, cwd())
  try {
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/)
    expect(await isThere(url)).toBe(true)
    process.kill(whom === 'all' ? -child.pid! : child.pid!, signal)
    expect((await said).slice(-2)).toEqual([
      '[Workflow.Coordinator] Stopping',
      '[Workflow.Coordinator] Stopped',
    ])
    expect(await isThere(url)).toBe(false)
  } finally {
    // The group is gone where all went well.
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {}
  }
})

it('the command of a clone runs under the Node that came with it, and says which version it is', () => {
  const version = execFileSync('npm', ['run', '--silent', 'coordinator', '--', '--version'], {
    cwd: clone,
    env: machineEnvironment,
    encoding: 'utf8',
  })
  expect(version).toMatch(/^\d+\.\d+\.\d+\n$/)
})
