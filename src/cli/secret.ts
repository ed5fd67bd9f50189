/** The command that replaces the secret with which the addresses that providers get are signed. */
import { commandLine } from '../command-name.ts'
import { rotationAnswer } from '../http/routes/secret.ts'
import { print, printJson } from './asking.ts'
import { usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { given, numberOf } from './option.ts'
import { graceSecondsOf, inPlace, placeOptions } from './place.ts'
import { minuteOf } from './words.ts'

const secretOptions = { ...placeOptions, grace: { type: 'string' } } as const

export const secret: Command = command(secretOptions, async (context, { values, positionals }) => {
  if (positionals.length !== 1 || positionals[0] !== 'rotate')
    throw usageError(`secret needs one verb: ${commandLine('secret rotate')}`)
  const request = given({ grace_seconds: graceSecondsOf(numberOf('grace', values.grace)) })
  const { answer, where } = await inPlace(values, context, {
    atServer: async (client, url) => ({ answer: await client.rotateSecret(request), where: url }),
    inFolder: async ({ installation }, dataDir) => ({
      answer: rotationAnswer(await installation.rotateSecret(request)),
      where: dataDir,
    }),
  })
  if (values.json) return printJson(context, answer)
  const until = answer.previous_valid_until
  print(
    context,
    `Addresses are signed with a new secret at ${where}.`,
    until === null
      ? 'Those that were given away before are not valid any more.'
      : `Those that were given away before are valid until ${minuteOf(until)} UTC.`,
  )
})
