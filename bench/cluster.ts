/** A PostgreSQL that syncs, and nodes as processes on databases of it; all of it ends with the benchmark. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { openPostgres } from '../src/store/postgres.ts'
import { machineEnvironment } from '../test/environment.ts'
import { addAssets, migrated } from '../test/harness/data.ts'
import { freePort } from '../test/nodes/cluster.ts'
import { openKeeper } from '../test/nodes/keeper.ts'
import { startPostgres } from '../test/nodes/postgres.ts'
import type { Bare, BareSettings } from './bare.ts'
import type { FromNode, NodeSettings, Reads, Rendered, ToNode, Work, Worked } from './node.ts'

export interface BenchNode {
  work(work: Work): Promise<Worked>
  /** Creates and approves a job, which another node may render. */
  approve(): void
  /** Calls `heard` with each render that begins here, until the node ends. */
  onBegun(heard: (attemptId: string) => void): void
  read(jobId: number, times: number): Promise<Reads>
  /** What it has rendered since the last call. */
  rendered(): Promise<readonly Rendered[]>
  kill(): Promise<void>
}

export interface BenchCluster {
  /** A new database with this version's tables and one picture. */
  newDatabase(): Promise<string>
  startNodes(
    count: number,
    settings: Pick<NodeSettings, 'databaseUrl' | 'cap' | 'renderMs'>,
  ): Promise<BenchNode[]>
  /** Runs a statement on one of the databases. */
  query(databaseUrl: string, text: string): Promise<void>
  /**
   * Copies the jobs that are there until there are some thousands, and tells the server how many rows there are, as it finds out
   * by itself within minutes: rows that are worked on at the same time share pages of small indexes, and collide.
   */
  age(databaseUrl: string): Promise<void>
  measureBare(settings: BareSettings): Promise<Bare>
  /** Of all processes of PostgreSQL since its start; undefined where the system does not say. */
  serverCpuSeconds(): number | undefined
  close(): Promise<void>
}

export async function openBenchCluster(): Promise<BenchCluster> {
  const keeper = openKeeper()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  keeper.holdFolder(folder)
  // PostgreSQL may run as another user than ours.
  chmodSync(folder, 0o711)
  const port = await freePort()
  const data = join(folder, 'postgres')
  await startPostgres(keeper, data, port, ['fsync=on', 'shared_buffers=256MB', 'max_wal_size=4GB'])
  const server = Number(readFileSync(join(data, 'data', 'postmaster.pid'), 'utf8').split('\n', 1)[0])
  const urlOf = (name: string): string => `postgres://postgres@127.0.0.1:${port}/${name}`
  let databases = 0
  let lives = 0

  const start = (program: string, settings: object): ChildProcess =>
    keeper.start(process.execPath, [join(import.meta.dirname, program), JSON.stringify(settings)], {
      env: machineEnvironment,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })

  return {
    async newDatabase() {
      const name = `bench_${++databases}`
      await query(urlOf('postgres'), `create database ${name}`)
      const database = await migrated(await openPostgres({ connectionString: urlOf(name) }))
      await addAssets(database, 1)
      await database.close()
      return urlOf(name)
    },
    query,
    age: (databaseUrl) => query(databaseUrl, `${copied.join(';')}; analyze`),
    startNodes: (count, settings) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const name = `node-${++lives}`
          const own = join(folder, name)
          mkdirSync(own)
          const child = start('node.ts', { ...settings, name, folder: own } satisfies NodeSettings)
          await heard(child, 'ready')
          return nodeOf(child)
        }),
      ),
    async measureBare(settings) {
      const [bare] = (await once(start('bare.ts', settings), 'message')) as [Bare]
      return bare
    },
    serverCpuSeconds: () => cpuSecondsOf(server),
    close: () => keeper.close(),
  }
}

/** Ids far above those that are given out next. */
const copiedJob = `'job_id', one.job_id + copy * 1000000`
const copied = [
  ['jobs', `'id', one.id + copy * 1000000`],
  ['scenes', `'id', one.id || '-' || copy, ${copiedJob}`],
  ['attempts', `'id', one.id || '-' || copy, 'scene_id', one.scene_id || '-' || copy, ${copiedJob}`],
  ['renders', `'render_key', one.render_key || copy`],
  ['films', copiedJob],
].map(
  ([table, changed]) =>
    `insert into ${table} select (jsonb_populate_record(one, jsonb_build_object(${changed}))).*
     from ${table} one, generate_series(1, 5000 / (select count(*) from jobs where id < 1000000)) copy`,
)

async function query(connectionString: string, text: string): Promise<void> {
  const client = new Client({ connectionString })
  await client.connect()
  await client.query(text)
  await client.end()
}

function nodeOf(child: ChildProcess): BenchNode {
  const ask = (question: ToNode): void => void child.send(question)
  return {
    async work(work) {
      ask({ kind: 'work', ...work })
      return heard(child, 'worked')
    },
    approve: () => ask({ kind: 'approve' }),
    onBegun: (begun) =>
      void child.on('message', (message: FromNode) => {
        if (message.kind === 'begun') begun(message.attemptId)
      }),
    async read(jobId, times) {
      ask({ kind: 'read', jobId, times })
      return heard(child, 'read')
    },
    async rendered() {
      ask({ kind: 'rendered' })
      return (await heard(child, 'rendered')).rendered
    },
    async kill() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

type Heard<Kind extends FromNode['kind']> = Extract<FromNode, { readonly kind: Kind }>

function heard<Kind extends FromNode['kind']>(child: ChildProcess, kind: Kind): Promise<Heard<Kind>> {
  return new Promise((resolve, reject) => {
    const hear = (message: FromNode): void => {
      if (message.kind === kind) stop(() => resolve(message as Heard<Kind>))
    }
    const end = (code: number | null): void => stop(() => reject(new Error(`A node ended with code ${code}`)))
    const stop = (then: () => void): void => {
      child.off('message', hear).off('exit', end)
      then()
    }
    child.on('message', hear).on('exit', end)
  })
}

const ticksPerSecond = 100

/** Of a process and its children, those that have ended included. */
function cpuSecondsOf(pid: number): number | undefined {
  try {
    const statOf = (of: string): string[] =>
      readFileSync(`/proc/${of}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
    const own = statOf(String(pid)).slice(11, 15)
    const children = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          const stat = statOf(name)
          return stat[1] === String(pid) ? stat.slice(11, 13) : []
        } catch {
          return []
        }
      })
    return [...own, ...children].reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond
  } catch {
    return undefined
  }
}
