/** The command that looks at all a server needs, without starting one, and says what to do. */
import { type Config, ConfigError, readConfig } from '../config.ts'
import { systemHost } from '../host.ts'
import { redacted } from '../log.ts'
import type { OwnParts } from '../own-parts.ts'
import { noMore, print, printJson } from './asking.ts'
import {
  type Finding,
  type Folder,
  checkClock,
  checkDatabase,
  checkDisk,
  checkDoor,
  checkFfmpeg,
  checkModels,
  checkNode,
  checkPart,
  checkPictures,
  checkPublic,
  checkReplicate,
  checkRights,
  checkWebhooks,
  ok,
  problem,
} from './checkup.ts'
import { CommandError } from './command-error.ts'
import { type Command, type CommandContext, command } from './command.ts'
import type { Terminal } from './progress.ts'
import { roomOf } from './table.ts'
import { count, wrapped } from './words.ts'

const doctorOptions = { json: { type: 'boolean', default: false } } as const

export const doctor: Command = command(doctorOptions, async (context, { values, positionals }) => {
  noMore(positionals, 'doctor')
  const { json } = values
  const findings: Finding[] = []
  for await (const finding of examine(context)) {
    findings.push(finding)
    if (!json) print(context, ...findingLines(finding, context.terminal))
  }
  const problems = findings.filter(({ state }) => state === 'problem').length
  const warnings = findings.filter(({ state }) => state === 'warning').length
  if (json) printJson(context, { ok: problems === 0, checks: findings })
  if (problems > 0) throw new CommandError(`${count(problems, 'problem')} found`)
  if (!json)
    print(context, '', warnings === 0 ? 'All is well' : `Nothing is broken, ${count(warnings, 'warning')}`)
})

type Found = Omit<Finding, 'check'>

/**
 * What a server needs, one after the other as it is found: some take a moment. `own`: what a program brings to `openWorkflow`.
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
      const words = error instanceof Error ? error.message : String(error)
      return problem(`It could not be looked at: ${words}`, 'Install the packages again: npm ci')
    })
    return { check, ...found, found: withoutSecrets(found.found) }
  }

  yield await finding('Node', checkNode)
  const config = configIn(env)
  yield await finding('Settings', () =>
    config instanceof ConfigError
      ? problem(config.message, 'Correct the environment: the rest that depends on it was not looked at')
      : ok('Each variable that is set is one that can be used'),
  )
  yield await finding('Pictures', checkPictures)
  if (config instanceof ConfigError) return

  yield await finding('FFmpeg', async () => {
    const { openMedia } = await import('../wire.ts')
    return checkFfmpeg(openMedia(config, systemHost), config.ffmpegPath)
  })
  yield await finding('Disk', () => checkDisk(config))
  yield await finding('Rights', () => checkRights(config))
  let folder: Omit<Folder, 'found'> = { server: undefined, hasKey: undefined }
  yield await finding('Database', async () => {
    const looked = await checkDatabase(config, signal)
    folder = looked
    return looked.found
  })
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

const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const
const indent = 21

function findingLines({ check, state, found, to_do }: Finding, terminal: Terminal): string[] {
  const { paint } = terminal
  const room = Math.max(20, roomOf(terminal) - indent - 1)
  const [first = '', ...rest] = wrapped(found, room)
  const more = to_do === null ? [] : wrapped(`To do: ${to_do}`, room)
  return [
    `${paint(colours[state], state.padEnd(7))}  ${check.padEnd(10)}  ${first}`,
    ...[...rest, ...more].map((line) => ' '.repeat(indent) + line),
  ]
}
