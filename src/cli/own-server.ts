/** A server for one command. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from './client.ts'
import { type OwnProcess, startOwnProcess } from './own-process.ts'

export interface OwnServer extends OwnProcess {
  /** The reason why the server ended, if that caused `error`; else `error` itself. */
  explain(error: unknown): Promise<unknown>
}

/** Longest time, in ms, from a refused connection to the process's exit event. */
const exitMs = 500

/**
 * Starts the real server on a free port, with `dataDir` as its data folder. It logs to `server.log` there.
 */
export async function startOwnServer(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
  { isReached = false }: { /** Whether providers can reach it. */ readonly isReached?: boolean } = {},
): Promise<OwnServer> {
  const port = isReached ? await freePort() : 0
  const own = await startOwnProcess({
    name: 'The server',
    module: 'cli',
    args: ['serve'],
    logPath: join(dataDir, 'server.log'),
    env: {
      ...env,
      PORT: String(port),
      HOST: '127.0.0.1',
      // A value from the environment would name another server, which does not have our pictures.
      PUBLIC_BASE_URL: isReached ? `http://127.0.0.1:${port}` : '',
      DATA_DIR: dataDir,
      // The server ends with the command, and its port is known only here.
      REQUIRE_KEYS: 'false',
      LOG_LEVEL: 'info',
      SHUTDOWN_GRACE_MS: '0',
    },
  })
  const explain = async (thrown: unknown): Promise<unknown> => {
    if (!(thrown instanceof UnreachableError)) return thrown
    return Promise.race([own.died.catch((reason: unknown) => reason), sleep(exitMs, thrown)])
  }
  return { ...own, explain }
}

/** A free port: the server needs to know its address before it listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
