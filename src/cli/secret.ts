/** The command that replaces the secret which signs the addresses for providers. */
import { type Command, command } from './command.ts'
import { given, number } from './option.ts'
import { graceSecondsOf, inPlace, placeOptions } from './place.ts'
import { printAnswer } from './print.ts'
import { minuteOf } from './words.ts'

const rotate = command(
  {
    summary: 'replace the secret',
    about:
      'It signs the addresses that a provider gets, of pictures and for webhooks. Without --url, in the data folder of a stopped server (DATA_DIR, ./data by default).',
    options: {
      grace: number(
        'hours',
        'how long earlier addresses stay valid (default: 24, their whole life); 0 ends them now, and renders that have not yet fetched their pictures fail',
      ),
      ...placeOptions,
    },
  },
  async (context, { grace, ...values }) => {
    const request = given({ grace_seconds: graceSecondsOf(grace) })
    const { answer, where } = await inPlace(values, context, {
      atServer: async (client, url) => ({ answer: await client.rotateSecret(request), where: url }),
      inFolder: async ({ installation }, dataDir) => {
        const { rotationAnswer } = await import('../http/routes/secret.ts')
        return { answer: rotationAnswer(await installation.rotateSecret(request)), where: dataDir }
      },
    })
    printAnswer(context, values, answer, ({ previous_valid_until: until }) => [
      `Addresses are signed with a new secret at ${where}.`,
      until === null
        ? 'Earlier addresses are not valid any more.'
        : `Earlier addresses are valid until ${minuteOf(until)} UTC.`,
    ])
  },
)

export const secret: Command = {
  summary: 'replace the secret that signs addresses for providers',
  options: {},
  verbs: { rotate },
}
