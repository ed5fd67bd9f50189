/** The server process: runs until SIGTERM, SIGINT, or the end of a parent process that started it with a channel. */
import { type Config, ConfigError, readConfig } from './config.ts'
import { systemHost } from './host.ts'
import { listen } from './http/edge/server.ts'
import { createLog, logLine } from './log.ts'
import { ownerUmask } from './owner-only.ts'
import { printable, printableLines } from './printable.ts'
import { onStopRequest } from './stop.ts'
import { openWorkflow } from './wire.ts'

export async function serve(env: Readonly<Record<string, string | undefined>> = process.env): Promise<void> {
  process.umask(ownerUmask)
  try {
    await serveUntil(stopRequested(env), readConfig(env))
  } finally {
    // The channel to a parent would keep this process alive.
    if (process.connected) process.disconnect()
  }
}

async function serveUntil(stop: Promise<string>, config: Config): Promise<void> {
  const workflow = await openWorkflow(config, { log: createLog({ level: config.logLevel }) })
  const { log } = workflow
  try {
    const server = await listen(workflow.app, { host: config.host, port: config.port })
    workflow.listensOn(server.url)
    logLine.listening(log, server.url, { ...workflow.facts })
    process.send?.({ url: server.url })
    logLine.stopping(log, await stop)
    workflow.drain()
    await systemHost.sleep(config.drainMs)
    await server.close({ graceMs: 1000 })
  } finally {
    await workflow.close()
  }
  logLine.stopped(log)
}

/** Resolves to the cause of the stop. A second signal exits at once. */
function stopRequested(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  return new Promise((resolve) => {
    onStopRequest({
      signals: ['SIGTERM', 'SIGINT'],
      env,
      onStop: resolve,
      onImpatience: () => process.exit(130),
    })
    if (process.connected) process.once('disconnect', () => resolve('the end of the parent process'))
  })
}

if (import.meta.main)
  serve().catch((error: unknown) => {
    const foreseen = error instanceof ConfigError || (error instanceof Error && 'code' in error)
    console.error(
      foreseen
        ? printable(`coordinator: ${error.message}`)
        : printableLines((error instanceof Error && error.stack) || String(error)),
    )
    process.exitCode = 1
  })
