/**
 * A node in a process of its own, for tests that kill or stop it. It reports what its tasks do, and does what the test sends:
 * a task's handler waits until the test lets it write, finish or end.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openPgBossEngine } from '../../src/engine/pg-boss.ts'
import { fencedDatabase } from '../../src/engine/fence.ts'
import { systemHost } from '../../src/host.ts'
import { createLog } from '../../src/log.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { machineEnvironment } from '../environment.ts'

export interface NodeSettings {
  readonly connectionString: string
  readonly schema: string
  readonly tasksSchema: string
  readonly slots: number
  /** Its tasks end by themselves. */
  readonly isQuick?: boolean
  readonly leads?: boolean
}

export type Report =
  | { readonly type: 'ready' | 'stopped' | 'leads' | 'followed' }
  | { readonly type: 'hint'; readonly kind: string }
  | { readonly type: 'runs' | 'aborted' | 'wrote' | 'finished'; readonly subject: string }
  | { readonly type: 'refused'; readonly subject: string; readonly error: string }

export type Command =
  | { readonly type: 'write' | 'finish' | 'end'; readonly subject: string }
  | { readonly type: 'stop'; readonly graceMs: number }
  | { readonly type: 'wake' }

export interface TestNode {
  readonly child: ChildProcess
  readonly reports: readonly Report[]
  send(command: Command): void
  /** Resolves to a report once it is there; `subject`: of that task. */
  heard(type: Report['type'], subject?: string): Promise<Report>
  has(type: Report['type'], subject?: string): boolean
  kill(): Promise<void>
}

export async function startNode(settings: NodeSettings): Promise<TestNode> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(settings)], {
    env: machineEnvironment,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const reports: Report[] = []
  child.on('message', (report) => reports.push(report as Report))
  const find = (type: string, subject?: string): Report | undefined =>
    reports.find(
      (one) => one.type === type && (subject === undefined || ('subject' in one && one.subject === subject)),
    )
  const node: TestNode = {
    child,
    reports,
    send: (command) => void child.send(command),
    async heard(type, subject) {
      for (;;) {
        const report = find(type, subject)
        if (report) return report
        if (child.exitCode !== null) throw new Error(`the node ended before it reported ${type}`)
        await setTimeout(5)
      }
    },
    has: (type, subject) => find(type, subject) !== undefined,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
  await node.heard('ready')
  return node
}

async function run({
  connectionString,
  schema,
  tasksSchema,
  slots,
  isQuick,
  leads,
}: NodeSettings): Promise<void> {
  const report = (one: Report): void => void process.send?.(one)
  const raw = await openPostgres({ connectionString, schema, poolSize: 4 })
  const database = fencedDatabase(raw)
  const engine = await openPgBossEngine({
    database: raw,
    connectionString,
    schema: tasksSchema,
    host: systemHost,
    log: createLog({ level: 'fatal' }),
    hint: (kind) => report({ type: 'hint', kind }),
  })
  const waiting = new Map<string, (command: 'write' | 'finish' | 'end') => void>()
  const write = (subject: string, isLast: boolean): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.run('insert into marks (subject, node) values ($1, $2)', [subject, process.pid])
      if (isLast) await engine.finish(tx, { kind: 'render-scene', subject })
    })
  engine.handle(
    'render-scene',
    { concurrency: slots, isRisky: true, onExhausted: () => Promise.resolve() },
    async ({ subject }, { signal }) => {
      report({ type: 'runs', subject })
      if (isQuick) return write(subject, true)
      const aborted = once(signal, 'abort')
      aborted.then(
        () => report({ type: 'aborted', subject }),
        () => undefined,
      )
      for (;;) {
        const told = new Promise<'write' | 'finish' | 'end'>((resolve) => waiting.set(subject, resolve))
        const command = await Promise.race([told, aborted.then(() => 'aborted' as const)])
        // As a handler does that does not look at its signal.
        if (command === 'aborted') {
          const last = await Promise.race([told, setTimeout(3000)])
          if (last === undefined) throw signal.reason as Error
        }
        if (command === 'end') return
        const isLast = command === 'finish'
        await write(subject, isLast).then(
          () => report({ type: isLast ? 'finished' : 'wrote', subject }),
          (error: unknown) => report({ type: 'refused', subject, error: (error as Error).name }),
        )
        if (isLast || signal.aborted) return
      }
    },
  )
  engine.handle(
    'follow-render',
    { concurrency: 100_000, onExhausted: () => Promise.resolve() },
    async ({ subject }, { stopping }) => {
      report({ type: 'runs', subject })
      if (!stopping.aborted) await once(stopping, 'abort')
      throw stopping.reason as Error
    },
  )
  if (leads)
    engine.lead('sweep', async (signal) => {
      report({ type: 'leads' })
      if (!signal.aborted) await once(signal, 'abort')
      await write('lead', false).then(
        () => report({ type: 'wrote', subject: 'lead' }),
        (error: unknown) => report({ type: 'refused', subject: 'lead', error: (error as Error).name }),
      )
      report({ type: 'followed' })
    })
  await engine.start()
  process.on('disconnect', () => process.exit())
  process.on('message', (command: Command) => {
    if (command.type === 'wake') return engine.wake()
    if (command.type !== 'stop') return waiting.get(command.subject)?.(command.type)
    void engine
      .stop({ graceMs: command.graceMs })
      .then(() => raw.close())
      .then(() => report({ type: 'stopped' }))
  })
  report({ type: 'ready' })
}

if (import.meta.main) await run(JSON.parse(process.argv[2]!) as NodeSettings)
