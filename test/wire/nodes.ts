/** Nodes in this process over one PostgreSQL database and one shared folder, as the program opens them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type Config, readConfig } from '../../src/config.ts'
import { type Host, systemHost } from '../../src/host.ts'
import { createLog } from '../../src/log.ts'
import type { OwnParts } from '../../src/own-parts.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { type Workflow, openWorkflow } from '../../src/wire.ts'
import { postgresUrl } from '../store/postgres-server.ts'

export interface Site {
  /** Settings of a node: the shared database and folder, and a data folder of its own. */
  env(node: string): Record<string, string>
  open(node: string, options?: NodeOptions): Promise<Workflow>
  remove(): Promise<void>
}

export interface NodeOptions extends OwnParts {
  readonly env?: Readonly<Record<string, string>>
  readonly config?: Partial<Config>
  readonly host?: Host
}

export const silent = createLog({ level: 'silent' })

export async function newSite(): Promise<Site> {
  const server = await postgresUrl(inject('postgres'))
  const name = `nodes_${systemHost.id().replaceAll('-', '')}`
  const alone = async (statement: string): Promise<void> => {
    const admin = await openPostgres({ connectionString: server, poolSize: 1 })
    // No statement for a whole database runs in a transaction, and outside of one a connection only reads.
    await admin.all('set default_transaction_read_only = off')
    await admin.all(statement)
    await admin.close()
  }
  await alone(`create database ${name}`)
  const folder = await mkdtemp(join(tmpdir(), 'nodes-'))
  const databaseUrl = server.replace(/\/[^/?]*(?=\?|$)/, `/${name}`)
  const opened: Workflow[] = []
  const env = (node: string): Record<string, string> => ({
    DATABASE_URL: databaseUrl,
    ARTIFACTS_URL: `file://${join(folder, 'shared')}`,
    DATA_DIR: join(folder, node),
    NODE_NAME: node,
    SHUTDOWN_GRACE_MS: '200',
    PORT: '0',
  })
  return {
    env,
    async open(node, { env: more = {}, config = {}, host, ...own } = {}) {
      const workflow = await openWorkflow(
        { ...readConfig({ ...env(node), ...more }), ...config },
        { log: silent, ...(host && { host }), ...own },
      )
      opened.push(workflow)
      return workflow
    },
    async remove() {
      await Promise.all(opened.map((workflow) => workflow.close()))
      await alone(`drop database if exists ${name} with (force)`)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
