/** Nodes in this process, or as processes, over one PostgreSQL database and one store of files, as the program opens them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { inject } from 'vitest'
import { type Config, readConfig } from '../../src/config.ts'
import { type Host, systemHost } from '../../src/host.ts'
import { createLog } from '../../src/log.ts'
import type { OwnParts } from '../../src/own-parts.ts'
import { type Workflow, openWorkflow } from '../../src/wire.ts'
import { type Ask, asking } from '../harness/ask.ts'
import { type ServerProcess, startServer } from '../server/process.ts'
import { postgresUrl } from '../store/postgres-server.ts'

export interface Site {
  readonly folder: string
  /** A connection of the test's own. */
  readonly rows: Client
  /** Settings of a node: the shared database and files, and a data folder of its own. */
  env(node: string): Record<string, string>
  open(node: string, options?: NodeOptions): Promise<Node>
  /** As a process of its own. */
  start(node: string, env?: Readonly<Record<string, string>>): Promise<ServerProcess>
  remove(): Promise<void>
}

export interface NodeOptions extends OwnParts {
  readonly env?: Readonly<Record<string, string>>
  readonly config?: Partial<Config>
  readonly host?: Host
}

export interface Node extends Workflow {
  readonly ask: Ask
}

const silent = createLog({ level: 'silent' })

/** `shared`: settings of all its nodes. */
export async function newSite(shared: Readonly<Record<string, string>> = {}): Promise<Site> {
  const server = await postgresUrl(inject('postgres'))
  const name = `site_${systemHost.id().replaceAll('-', '')}`
  await withClient(server, (client) => client.query(`create database ${name}`))
  const folder = await mkdtemp(join(tmpdir(), 'site-'))
  const databaseUrl = server.replace(/\/[^/?]*(?=\?|$)/, `/${name}`)
  const rows = new Client({ connectionString: databaseUrl })
  await rows.connect()
  const opened: Workflow[] = []
  const started: ServerProcess[] = []
  const env = (node: string): Record<string, string> => ({
    DATABASE_URL: databaseUrl,
    ARTIFACTS_URL: `file://${join(folder, 'shared')}`,
    DATA_DIR: join(folder, node),
    NODE_NAME: node,
    MIN_FREE_DISK_MB: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    SHUTDOWN_GRACE_MS: '200',
    PORT: '0',
    ...shared,
  })
  return {
    folder,
    rows,
    env,
    async open(node, { env: more = {}, config = {}, host, ...own } = {}) {
      const workflow = await openWorkflow(
        { ...readConfig({ ...env(node), ...more }), ...config },
        { log: silent, ...(host && { host }), ...own },
      )
      opened.push(workflow)
      return { ...workflow, ask: asking(() => workflow.app) }
    },
    async start(node, more = {}) {
      const launched = await startServer(join(folder, node), { ...env(node), ...more })
      started.push(launched)
      return launched
    },
    async remove() {
      await Promise.all([
        ...opened.map((workflow) => workflow.close()),
        ...started.map((launched) => launched.kill('SIGKILL')),
      ])
      await rows.end()
      await withClient(server, (client) => client.query(`drop database if exists ${name} with (force)`))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function withClient(connectionString: string, work: (client: Client) => Promise<unknown>) {
  const client = new Client({ connectionString })
  await client.connect()
  await work(client).finally(() => client.end())
}
