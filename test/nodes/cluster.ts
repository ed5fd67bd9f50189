/**
 * Three nodes as processes on one PostgreSQL, one S3 server and one fake Replicate, each behind doors of its own. A node that
 * ends is started again, as an orchestrator would.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { testCredentials, testRegion } from '../artifact/s3-server.ts'
import { machineEnvironment } from '../environment.ts'
import { type Door, openDoor } from './door.ts'
import { type Keeper, openKeeper } from './keeper.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { type Store, bucket, startStore } from './store.ts'

export const token = 'r8_nodes'
export const model = 'nodes/clip'
export const microsPerClip = 250_000

export const models = {
  version: 'nodes',
  currency: 'USD',
  models: {
    [model]: {
      renderer: 'replicate',
      input: { prompt: '{prompt}', image: '{first_image}', duration: '{seconds}' },
      offers: [
        {
          resolution: '360p',
          short_side: 360,
          seconds: [1],
          last_image: false,
          audio: false,
          usd_per_clip: microsPerClip / 1e6,
        },
      ],
    },
  },
}

export interface ClusterOptions {
  readonly nodes: number
  /** Renders at the provider at once, over all nodes. */
  readonly cap: number
  readonly renderMs: readonly [least: number, most: number]
  readonly clip: Uint8Array
  readonly seed: number
}

/** One life of a node's process. */
export interface Life {
  readonly pid: number
  readonly logPath: string
  /** Ids of the events that its subscriber heard, one a line. */
  readonly heardPath: string
  readonly startedAt: number
  /** Whether it has listened. */
  listened: boolean
  /** How it ended; undefined while it runs. */
  end: string | undefined
  /** Whether the run ended it. */
  isKilled: boolean
}

export interface Node {
  readonly name: string
  /** Where clients reach it. */
  readonly front: Door
  readonly database: Door
  readonly provider: Door
  readonly store: Door
  readonly lives: readonly Life[]
  kill(): Promise<void>
  /** Starts it again after a kill. */
  start(): void
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
}

export interface Cluster {
  readonly folder: string
  readonly nodes: readonly Node[]
  readonly postgres: Postgres
  readonly store: Store
  readonly postgresUrl: string
  /** An address that reaches one node after another. */
  readonly balancer: string
  readonly ledgerPath: string
  close(): Promise<void>
}

const restartMs = 500
const nodePath = new URL('node.ts', import.meta.url).pathname
export const urlOf = (door: Door): string => `http://127.0.0.1:${door.port}`

export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const keeper = openKeeper()
  const doors: Door[] = []
  const stopping = new AbortController()
  let isOver = false
  const nodes: Node[] = []
  try {
    const folder = await mkdtemp(join(tmpdir(), 'nodes-'))
    keeper.holdFolder(folder)
    // PostgreSQL may run as another user than ours.
    chmodSync(folder, 0o711)
    const door = async (target: () => number | undefined): Promise<Door> => {
      const opened = await openDoor(target)
      doors.push(opened)
      return opened
    }
    writeFileSync(join(folder, 'models.json'), JSON.stringify(models))
    const postgres = await startPostgres(keeper, join(folder, 'postgres'), await freePort())
    const store = await startStore(keeper, join(folder, 's3'), await freePort())
    const fake = await startFake(keeper, folder, options)
    let turn = 0
    const ports = await Promise.all(Array.from({ length: options.nodes }, freePort))
    const balancer = await door(() => nodes[turn++ % nodes.length]?.front.port)
    for (const [index, port] of ports.entries()) {
      const database = await door(() => postgres.port)
      const provider = await door(() => fake)
      const objects = await door(() => store.port)
      const front = await door(() => port)
      const name = `node-${index + 1}`
      mkdirSync(join(folder, name))
      const env = {
        ...machineEnvironment,
        PORT: String(port),
        HOST: '127.0.0.1',
        NODE_NAME: name,
        ROLE: 'all',
        DATA_DIR: join(folder, name),
        DATABASE_URL: `postgres://postgres@127.0.0.1:${database.port}/postgres`,
        ARTIFACTS_URL: `s3://${bucket}/story`,
        AWS_ENDPOINT_URL_S3: urlOf(objects),
        AWS_REGION: testRegion,
        AWS_ACCESS_KEY_ID: testCredentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: testCredentials.secretAccessKey,
        REPLICATE_API_TOKEN: token,
        REPLICATE_BASE_URL: urlOf(provider),
        REPLICATE_MAX_CONCURRENCY: String(options.cap),
        REPLICATE_START_DELAY_MS: '0',
        PUBLIC_BASE_URL: urlOf(balancer),
        REQUIRE_KEYS: 'false',
        MODELS_FILE: join(folder, 'models.json'),
        MIN_FREE_DISK_MB: '0',
        RATE_LIMIT_PER_MINUTE: '0',
        WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
        LOG_LEVEL: 'debug',
      }
      nodes.push(
        supervise({ name, front, database, provider, store: objects }, (life) => {
          const logPath = join(folder, `${name}.${life}.log`)
          const heardPath = join(folder, `${name}.${life}.heard`)
          const log = openSync(logPath, 'a')
          closeSync(openSync(heardPath, 'a'))
          const child = keeper.start(process.execPath, [nodePath], {
            env: { ...env, HEARD: heardPath },
            stdio: ['ignore', log, log, 'ipc'],
          })
          closeSync(log)
          return { child, logPath, heardPath }
        }),
      )
    }
    return {
      folder,
      nodes,
      postgres,
      store,
      postgresUrl: `postgres://postgres@127.0.0.1:${postgres.port}/postgres`,
      balancer: urlOf(balancer),
      ledgerPath: join(folder, 'ledger.jsonl'),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }

  async function close(): Promise<void> {
    isOver = true
    stopping.abort()
    await Promise.all(doors.map((each) => each.close()))
    await keeper.close()
  }

  function supervise(
    parts: Pick<Node, 'name' | 'front' | 'database' | 'provider' | 'store'>,
    launch: (life: number) => { readonly child: ChildProcess } & Pick<Life, 'logPath' | 'heardPath'>,
  ): Node {
    const lives: Life[] = []
    let child: ChildProcess | undefined
    let isWanted = true
    const start = (): void => {
      isWanted = true
      if (isOver || child) return
      const { child: launched, ...paths } = launch(lives.length)
      child = launched
      const life: Life = {
        pid: child.pid ?? 0,
        ...paths,
        startedAt: Date.now(),
        listened: false,
        end: undefined,
        isKilled: false,
      }
      lives.push(life)
      child.once('message', () => (life.listened = true))
      child.once('exit', (code, signal) => {
        child = undefined
        life.end = signal ?? `exit code ${code}`
        if (isWanted)
          void sleep(restartMs, undefined, { signal: stopping.signal }).then(start, () => undefined)
      })
    }
    start()
    return {
      ...parts,
      lives,
      start,
      kill: async () => {
        isWanted = false
        const last = lives.at(-1)
        if (!child || !last) return
        last.isKilled = true
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      },
      signal: (signal) => void child?.kill(signal),
    }
  }
}

async function startFake(keeper: Keeper, folder: string, options: ClusterOptions): Promise<number> {
  writeFileSync(join(folder, 'clip.mp4'), options.clip)
  const child = keeper.start(process.execPath, [new URL('fake.ts', import.meta.url).pathname], {
    env: {
      ...machineEnvironment,
      FAKE_OPTIONS: JSON.stringify({
        seed: options.seed,
        token,
        startMs: [50, 300],
        renderMs: options.renderMs,
        priceMicros: { [model]: microsPerClip },
      }),
      FAKE_LEDGER: join(folder, 'ledger.jsonl'),
      FAKE_CLIP: join(folder, 'clip.mp4'),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const [message]: unknown[] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the fake ended: ${code}`)
    }),
  ])
  return Number(new URL(String(Object(message)['url'])).port)
}

export const linesOf = (path: string): readonly string[] =>
  readFileSync(path, 'utf8').split('\n').filter(Boolean)

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(address === null || typeof address === 'string' ? 0 : address.port))
    })
  })
}
