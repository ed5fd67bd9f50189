/** Checks who can reach the server, and what the server can reach. */
import { createServer } from 'node:net'
import { commandLine } from '../../command-name.ts'
import { type Config, readConfig } from '../../config.ts'
import { whyOf } from '../client.ts'
import type { Folder } from './database.ts'
import { type Found, jsonIn, ok, problem, warning, within } from './finding.ts'

/** Checks whether `serve` would start, and who could then reach it. */
export async function checkDoor(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  { server, hasKey }: Pick<Folder, 'server' | 'hasKey'>,
): Promise<Found> {
  const { host, port, keysRequired } = config
  const isReached = readConfig({ ...env, REQUIRE_KEYS: undefined }).keysRequired
  if (keysRequired && hasKey === false)
    return problem(
      `Keys are needed, and there is none: serve would not start`,
      `Make one, with the same ${config.databaseUrl === undefined ? 'DATA_DIR' : 'DATABASE_URL and ARTIFACTS_URL'}: ${commandLine('keys create --name ops --scopes admin')}`,
    )
  const trouble = server === undefined && port !== 0 ? await listenTrouble(config) : undefined
  if (trouble !== undefined) return trouble
  const at = server ?? `${host.includes(':') ? `[${host}]` : host}:${port}`
  const place = server === undefined ? `${at} is free` : `A server listens at ${at}`
  if (isReached && !keysRequired)
    return warning(
      `${place}; others can reach it without a key, and spend your money`,
      'Remove REQUIRE_KEYS, unless a proxy in front of it checks who may use it',
    )
  return ok(
    `${place}; ${keysRequired ? 'each request needs a key' : 'only this machine reaches it, without a key'}`,
  )
}

function listenTrouble({ host, port, databaseUrl }: Config): Promise<Found | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (error) => {
      const taken = codeOf(error) === 'EADDRINUSE'
      resolve(
        taken
          ? problem(
              `Another program listens at ${host}:${port}`,
              // On PostgreSQL the database does not tell which of the nodes is this one.
              `Stop it, or set another PORT${databaseUrl === undefined ? '' : '. If it is this node itself, nothing is wrong'}`,
            )
          : problem(`Nothing can listen at ${host}:${port} (${error.message})`, 'Set another HOST or PORT'),
      )
    })
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

export async function checkPublic(
  { publicBaseUrl, replicate }: Config,
  server: string | undefined,
  signal: AbortSignal,
): Promise<Found> {
  if (publicBaseUrl === undefined)
    return ok(
      replicate
        ? 'No PUBLIC_BASE_URL: pictures are uploaded, and results are polled'
        : 'No PUBLIC_BASE_URL, and none needed',
    )
  if (server === undefined) return ok(`${publicBaseUrl} is checked while the server runs`)
  const toDo = 'Let the proxy there pass everything on to this server, and look at PUBLIC_BASE_URL'
  try {
    const response = await fetch(`${publicBaseUrl}/livez`, { signal: within(signal), redirect: 'manual' })
    const text = await response.text()
    if (response.ok && jsonIn(text)['status'] === 'alive') return ok(`${publicBaseUrl} leads here`)
    return warning(`${publicBaseUrl}/livez answers ${response.status}, and not as this server does`, toDo)
  } catch (cause) {
    signal.throwIfAborted()
    return warning(`${publicBaseUrl} cannot be reached from here (${whyOf(cause)})`, toDo)
  }
}

export function checkWebhooks({ webhookNetworks }: Config): Found {
  if (webhookNetworks.length === 0) return ok('Sent to the public internet alone')
  const names = webhookNetworks.map(([address, bits]) => `${address.toString()}/${bits}`)
  const wide = webhookNetworks.filter(([, bits]) => bits === 0)
  const words = `Sent to the public internet, and to ${names.join(', ')}`
  return wide.length === 0
    ? ok(words)
    : warning(
        words,
        'Name only the networks of your receivers in WEBHOOK_ALLOWED_NETWORKS: anyone who submits jobs can reach all of them',
      )
}
