/** The command about what may go on at once. */
import { commandLine } from '../command-name.ts'
import type { LimitsAnswer } from '../client/client.ts'
import { clientFor, noMore, print, printJson, remoteOptions } from './asking.ts'
import { usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { type Read, given, numberOrNone } from './option.ts'
import { roomOf, tableLines } from './table.ts'
import { minuteOf, secondOf } from './words.ts'

const limitOptions = {
  ...remoteOptions,
  jobs: { type: 'string' },
  renderer: { type: 'string' },
  'max-concurrency': { type: 'string' },
  'start-delay': { type: 'string' },
  'starts-per-minute': { type: 'string' },
} as const

export const limits: Command = command(limitOptions, async (context, { values, positionals }) => {
  noMore(positionals, 'limits')
  const change = changeOf(values)
  const client = clientFor(values, context)
  const isChange = Object.keys(change).length > 0
  const answer = isChange ? await client.setLimits(change) : await client.readLimits()
  if (values.json) printJson(context, answer)
  else print(context, ...limitLines(answer, roomOf(context.terminal)))
})

function changeOf(values: Read<typeof limitOptions>['values']) {
  const { renderer } = values
  const ofRenderer = given({
    max_concurrency: numberOrNone('max-concurrency', values['max-concurrency']),
    start_delay_ms: numberOrNone('start-delay', values['start-delay']),
    starts_per_minute: numberOrNone('starts-per-minute', values['starts-per-minute']),
  })
  const isOfRenderer = Object.keys(ofRenderer).length > 0
  if (isOfRenderer && renderer === undefined)
    throw usageError(`--renderer must say whose limit that is: ${commandLine('limits')} lists them`)
  if (!isOfRenderer && renderer !== undefined)
    throw usageError('--renderer needs one of --max-concurrency, --start-delay and --starts-per-minute')
  return given({
    jobs: numberOrNone('jobs', values.jobs),
    renderers: renderer === undefined ? undefined : { [renderer]: ofRenderer },
  })
}

const limitColumns = [
  { head: 'OF' },
  { head: 'AT ONCE', align: 'right' },
  { head: 'NOW', align: 'right' },
  { head: 'APART', align: 'right' },
  { head: 'A MINUTE', align: 'right' },
  { head: 'STATE', isCut: true },
] as const

function limitLines({ jobs, paused, renderers }: LimitsAnswer, room: number): string[] {
  const ofJobs = ['jobs', orNone(jobs.limit), String(jobs.processing), '', '', pausedWords(paused)]
  const ofRenderers = Object.entries(renderers).map(([name, renderer]) => [
    name,
    configuredBeside(renderer.max_concurrency, renderer.configured.max_concurrency),
    String(renderer.in_flight),
    `${configuredBeside(renderer.start_delay_ms, renderer.configured.start_delay_ms)} ms`,
    orNone(renderer.starts_per_minute),
    [
      pausedWords(renderer.paused),
      renderer.provider_pause === null
        ? ''
        : `nothing is started until ${secondOf(renderer.provider_pause.until)}: ${renderer.provider_pause.reason}`,
    ]
      .filter((words) => words !== '')
      .join('; '),
  ])
  return tableLines(limitColumns, [ofJobs, ...ofRenderers], room)
}

const orNone = (limit: number | null): string => (limit === null ? 'no limit' : String(limit))

/** `2 (4)`: 2 is in force, the configuration says 4. */
const configuredBeside = (limit: number, configured: number): string =>
  limit === configured ? String(limit) : `${limit} (${configured})`

function pausedWords(paused: LimitsAnswer['paused']): string {
  if (paused === null) return ''
  const by = paused.by === null ? '' : ` by ${paused.by}`
  return `paused since ${minuteOf(paused.since)}${by}${paused.reason === null ? '' : `: ${paused.reason}`}`
}
