/** The command that moves a stopped server's history to PostgreSQL. */
import { resolve } from 'node:path'
import { CommandError, usageError } from './command-error.ts'
import { command } from './command.ts'
import { readBy, text } from './option.ts'
import { printAnswer } from './print.ts'
import { json } from './shared-options.ts'
import { roomOf, tableLines } from './table.ts'

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
      'migrate --artifacts file:///mnt/films': 'Moves ./data to the PostgreSQL at DATABASE_URL.',
    },
  },
  async (context, { from, to, artifacts, ...values }) => {
    const { env } = context
    const databaseUrl = to ?? env['DATABASE_URL']
    const artifactsUrl = artifacts ?? env['ARTIFACTS_URL']
    if (!databaseUrl || !/^postgres(?:ql)?:\/\//.test(databaseUrl))
      throw usageError('migrate needs --to or DATABASE_URL, such as postgres://user@host/database')
    if (!artifactsUrl) throw usageError('migrate needs --artifacts or ARTIFACTS_URL')
    const path = resolve(from ?? (env['DATA_DIR'] || './data'))
    // Imported here: the other commands do not need these modules.
    const { moveInstallation } = await import('../move.ts')
    const moved = await moveInstallation({
      folder: path,
      databaseUrl,
      artifactsUrl,
      onStep: (step) => {
        if (context.terminal.live && !values.json) process.stderr.write(`${step}\n`)
      },
    }).catch((error: unknown) => {
      const isKnown = error instanceof Error && ('code' in error || error.name === 'ConfigError')
      throw isKnown ? new CommandError(error.message, 1, { cause: error }) : error
    })
    const { installation, isNew, compared } = moved
    printAnswer(context, values, { installation, is_new: isNew, compared }, () =>
      isNew
        ? [
            ...tableLines(
              [{ head: '' }, { head: 'SOURCE' }, { head: 'TARGET' }],
              compared.map(({ what, source, target }) => [what, source, target]),
              roomOf(context.terminal),
            ),
            '',
            `Moved ${path}, installation ${installation}. No server starts on it from now on:`,
            'start the nodes with DATABASE_URL and ARTIFACTS_URL.',
          ]
        : [`${path}, installation ${installation}, was moved there before. Nothing was changed.`],
    )
  },
)
