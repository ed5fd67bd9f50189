/** The command that moves a stopped server's history to PostgreSQL. */
import { resolve } from 'node:path'
import type { MovedInstallation } from '../move.ts'
import { CommandError, usageError } from './command-error.ts'
import { command } from './command.ts'
import { readBy, text } from './option.ts'
import { printAnswer } from './print.ts'
import { json } from './shared-options.ts'
import { roomOf, tableLines } from './table.ts'
import type { Terminal } from './terminal.ts'

const folder = readBy((given, name) => {
  const [, path] = /^sqlite:(?:\/\/)?(.+)$/.exec(given) ?? []
  if (path === undefined) throw usageError(`${name} must be sqlite: and a data folder, such as sqlite:./data`)
  return path
})

export const migrate = command(
  {
    summary: "move a stopped server's history to PostgreSQL",
    about:
      'Moves all rows and files, compares both sides, and marks the folder as moved, so that no server starts on it again. After an interruption run it again. The target must be empty.',
    options: {
      from: folder('sqlite:dir', 'the data folder (default: DATA_DIR, ./data)'),
      to: text(
        'url',
        "PostgreSQL's URL (default: DATABASE_URL, where other users of the machine do not see it)",
      ),
      artifacts: text(
        'url',
        'where the nodes share files, such as s3://bucket/prefix or file:///mnt/films (default: ARTIFACTS_URL)',
      ),
      json,
    },
    examples: {
      'migrate --from sqlite:./data --artifacts s3://films':
        'Moves ./data to the PostgreSQL at DATABASE_URL.',
    },
  },
  async (context, { from, to, artifacts: artifactsUrl, ...values }) => {
    const { env } = context
    // Imported here: the other commands do not need these modules.
    const [{ readConfig }, { moveInstallation }] = await Promise.all([
      import('../config.ts'),
      import('../move.ts'),
    ])
    const moved = await withKnownErrors(() => {
      const config = readConfig({
        ...env,
        DATA_DIR: from ?? env['DATA_DIR'],
        DATABASE_URL: to ?? env['DATABASE_URL'],
        ARTIFACTS_URL: artifactsUrl ?? env['ARTIFACTS_URL'],
        ROLE: undefined,
      })
      const { databaseUrl, artifacts, dataDir } = config
      if (databaseUrl === undefined || artifacts === undefined)
        throw usageError('migrate needs --to or DATABASE_URL, such as postgres://user@host/database')
      return moveInstallation({
        folder: dataDir,
        databaseUrl,
        artifacts,
        onStep: (step) => {
          if (context.terminal.live && !values.json) process.stderr.write(`${step}\n`)
        },
      })
    })
    const { installation, isNew, compared, lost } = moved
    const path = resolve(from ?? (env['DATA_DIR'] || './data'))
    printAnswer(context, values, { installation, is_new: isNew, compared, lost_artifacts: lost }, () =>
      isNew
        ? movedLines(moved, path, context.terminal)
        : [`${path}, installation ${installation}, was moved there before. Nothing was changed.`],
    )
  },
)

/** @throws {CommandError} */
async function withKnownErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isKnown =
      error instanceof Error &&
      !(error instanceof CommandError) &&
      ('code' in error || error.name === 'ConfigError')
    throw isKnown ? new CommandError(error.message, 1, { cause: error }) : error
  }
}

const movedLines = (
  { installation, compared, lost }: MovedInstallation,
  path: string,
  terminal: Terminal,
): readonly string[] => [
  ...tableLines(
    [{ head: '' }, { head: 'SOURCE' }, { head: 'TARGET' }],
    compared
      .filter(({ source }) => !source.startsWith('0 rows'))
      .map(({ what, source, target }) => [what, source, target]),
    roomOf(terminal),
  ),
  '',
  ...(lost === 0 ? [] : [`${lost} files that rows name were in neither place: they were lost before.`]),
  `Moved ${path}, installation ${installation}. No server starts on it from now on:`,
  'start the nodes with DATABASE_URL and ARTIFACTS_URL.',
]
