/**
 * Where the commands for keys and the secret work: at a running server, or in the data folder of a stopped
 * one.
 */
import { RefusedError } from '../job/errors.ts'
import { DatabaseError } from '../store/database.ts'
import type { OpenSecrets } from '../wire.ts'
import { type Client, clientFor } from './client.ts'
import { CommandError } from './command-error.ts'
import type { CommandContext } from './command.ts'
import { json, serverOptions } from './shared-options.ts'

export const placeOptions = { ...serverOptions, json } as const

interface PlaceValues {
  readonly url?: string | undefined
  readonly key?: string | undefined
}

/** `where`: shown to the person, so that no wrong folder is changed. */
export interface Ways<T> {
  readonly atServer: (client: Client, where: string) => Promise<T>
  readonly inFolder: (secrets: OpenSecrets, where: string) => Promise<T>
}

export async function inPlace<T>(
  { url, key }: PlaceValues,
  context: CommandContext,
  { atServer, inFolder }: Ways<T>,
): Promise<T> {
  if (url !== undefined) return atServer(clientFor({ url, key }, context), url)
  // Imported here: the other commands do not need these modules.
  const [{ readConfig }, { createLog }, { openSecrets }] = await Promise.all([
    import('../config.ts'),
    import('../log.ts'),
    import('../wire.ts'),
  ])
  try {
    const config = readConfig(context.env)
    const secrets = await openSecrets(config, { log: createLog({ level: 'silent' }) })
    try {
      return await inFolder(secrets, secrets.where)
    } finally {
      await secrets.close()
    }
  } catch (error) {
    throw asCommandError(error)
  }
}

function asCommandError(error: unknown): unknown {
  if (error instanceof DatabaseError && error.code === 'in_use')
    return new CommandError(
      `${error.message}. Change it at that server, with --url and an admin's --key`,
      1,
      {
        cause: error,
      },
    )
  const isForeseen =
    error instanceof RefusedError ||
    (error instanceof Error && (error.name === 'ConfigError' || 'code' in error))
  return isForeseen ? new CommandError(error.message, 1, { cause: error }) : error
}

/** Converts `--grace` from hours to the API's seconds. */
export const graceSecondsOf = (hours: number | undefined): number | undefined =>
  hours === undefined ? undefined : Math.round(hours * 3600)
