/** A program of somebody else that embeds the workflow, in a process of its own. */
import { createLog, listen, openWorkflow, readConfig } from '../../src/index.ts'

if (import.meta.main) {
  const workflow = await openWorkflow(readConfig(process.env), { log: createLog({ level: 'silent' }) })
  const server = await listen(workflow.app, { host: '127.0.0.1', port: 0 })
  process.once('disconnect', () => process.exit())
  process.send!({ url: server.url, umask: process.umask() })
}
