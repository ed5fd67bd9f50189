/** A server with its page, and a browser that looks at it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { type Client, createClient } from '../../src/client/client.ts'
import { readConfig } from '../../src/config.ts'
import { listen } from '../../src/http/edge/server.ts'
import { createLog } from '../../src/log.ts'
import { type Workflow, openSecrets, openWorkflow } from '../../src/wire.ts'
import { launchChromium } from '../server/chromium.ts'
import { noteRequests } from './looks.ts'

export interface PageSite {
  readonly url: string
  readonly workflow: Workflow
  /** Without a key. */
  readonly client: Client
  /** Another person's browser. */
  person(options?: BrowserContextOptions): Promise<Person>
  close(): Promise<void>
}

export interface Person {
  readonly page: Page
  readonly context: BrowserContext
  /** What went wrong in the page: errors of its scripts, and what its policy refused. */
  readonly faults: readonly string[]
  /** Opens an address of the page. */
  go(path: string): Promise<void>
}

export async function openPageSite(env: Readonly<Record<string, string>> = {}): Promise<PageSite> {
  const folder = await mkdtemp(join(tmpdir(), 'page-'))
  const config = readConfig({ DATA_DIR: folder, PORT: '0', ...env })
  const log = createLog({ level: 'silent' })
  if (config.keysRequired) {
    const { keys, close } = await openSecrets(config, { log })
    await keys.createKey({ name: 'first', scopes: ['admin'] })
    await close()
  }
  const workflow = await openWorkflow(config, { log })
  const server = await listen(workflow.app, { host: '127.0.0.1', port: 0 })
  let browser: Browser | undefined
  return {
    url: server.url,
    workflow,
    client: createClient({ url: server.url }),
    async person(options = {}) {
      browser ??= await launchChromium()
      const context = await browser.newContext({ locale: 'en-GB', ...options })
      const page = await context.newPage()
      noteRequests(page)
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
          faults.push(message.text())
      })
      return {
        page,
        context,
        faults,
        go: async (path) => void (await page.goto(`${server.url}${path}`)),
      }
    },
    async close() {
      await browser?.close()
      await server.close({ graceMs: 0 })
      await workflow.close()
      // A preview may still be on its way out.
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
