/** All checks of `doctor`, in order. */
import { type Config, ConfigError, readConfig } from '../../config.ts'
import { systemHost } from '../../host.ts'
import { redacted } from '../../log.ts'
import type { OwnParts } from '../../own-parts.ts'
import type { CommandContext } from '../command.ts'
import { checkDoor, checkPublic, checkWebhooks } from './access.ts'
import { type Folder, checkDatabase } from './database.ts'
import { type Finding, type Found, messageOf, ok, problem } from './finding.ts'
import { checkDisk, checkRights } from './folder.ts'
import { checkFfmpeg, checkNode, checkPictures } from './machine.ts'
import { checkClock, checkModels, checkPart, checkReplicate } from './renderers.ts'
import { checkSharedArtifacts, checkSharedDatabase } from './shared.ts'

/**
 * Yields what a server needs, finding by finding: some checks take a moment. `own`: the parts that a program
 * passes to `openWorkflow`.
 */
export async function* examine(
  {
    env,
    signal = new AbortController().signal,
  }: Pick<CommandContext, 'env'> & { readonly signal?: AbortSignal },
  own: OwnParts = {},
): AsyncGenerator<Finding> {
  const secrets = [env['REPLICATE_API_TOKEN'], env['COORDINATOR_KEY']].filter((secret) => Boolean(secret))
  const withoutSecrets = (text: string): string =>
    redacted(secrets.reduce<string>((said, secret) => said.replaceAll(secret!, '[secret]'), text))
  const finding = async (check: string, look: () => Found | Promise<Found>): Promise<Finding> => {
    const found = await (async () => look())().catch((error: unknown) => {
      signal.throwIfAborted()
      return problem(`It could not be checked: ${messageOf(error)}`, 'Install the packages again: npm ci')
    })
    return { check, ...found, found: withoutSecrets(found.found) }
  }

  yield await finding('Node', checkNode)
  const config = configIn(env)
  yield await finding('Settings', () =>
    config instanceof ConfigError
      ? problem(config.message, 'Correct the environment: the checks that depend on it were skipped')
      : ok('Every variable that is set is valid'),
  )
  yield await finding('Pictures', checkPictures)
  if (config instanceof ConfigError) return

  yield await finding('FFmpeg', async () => {
    const { openMedia } = await import('../../wire.ts')
    return checkFfmpeg(openMedia(config, systemHost), config.ffmpegPath)
  })
  yield await finding('Disk', () => checkDisk(config))
  yield await finding('Rights', () => checkRights(config))
  let folder: Omit<Folder, 'found'> = { server: undefined, hasKey: undefined }
  yield await finding('Database', async () => {
    const { databaseUrl } = config
    const looked = await (databaseUrl === undefined
      ? checkDatabase(config, signal)
      : checkSharedDatabase(databaseUrl))
    folder = looked
    return looked.found
  })
  const { artifacts } = config
  if (artifacts && !own.artifacts)
    yield await finding('Artifacts', () => checkSharedArtifacts(artifacts, folder.photographs ?? []))
  yield await finding('Access', () => checkDoor(config, env, folder))
  yield await finding('Models', () => checkModels(config, own))
  let aheadMs: number | undefined
  yield await finding('Replicate', async () => {
    const account = await checkReplicate(config, folder.accounts, own, signal)
    ;({ aheadMs } = account)
    return account.found
  })
  yield await finding('Clock', () => checkClock(aheadMs))
  yield await finding('Public URL', () => checkPublic(config, folder.server, signal))
  yield await finding('Webhooks', () => checkWebhooks(config))
  for (const renderer of own.renderers ?? [])
    yield await finding(renderer.name, () => checkPart(renderer, signal))
  for (const provider of own.providers ?? [])
    yield await finding(provider.name, () => checkPart(provider, signal))
  if (own.artifacts) yield await finding('Artifacts', () => checkPart(own.artifacts!, signal))
}

function configIn(env: CommandContext['env']): Config | ConfigError {
  try {
    return readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
}
