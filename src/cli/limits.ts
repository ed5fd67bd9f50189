/** The command for limits of concurrent renders. */
import { commandLine } from '../command-name.ts'
import type { LimitsAnswer } from '../client/client.ts'
import { usageError } from './command-error.ts'
import type { Command } from './command.ts'
import { type ValuesOf, given, membersOf, numberOrNone, text } from './option.ts'
import { remote } from './remote-command.ts'
import { tableLines } from './table.ts'
import { minuteOf, secondOf } from './words.ts'

const rendererLimits = {
  maxConcurrency: numberOrNone('n', 'renders at once; none: as configured'),
  startDelay: numberOrNone('ms', 'the least time between two starts; none: as configured', {
    member: 'start_delay_ms',
  }),
  startsPerMinute: numberOrNone('n', 'renders started within a minute; none: no limit'),
} as const

const limitOptions = {
  jobs: numberOrNone('number', 'jobs in progress at once; none: no limit'),
  renderer: text('name', 'the renderer of the limits below'),
  ...rendererLimits,
} as const

export const limits: Command = remote(
  {
    summary: 'show or set how much may run at once',
    about:
      'Also shows how much does, and what is paused. A changed limit has the configured one beside it in parentheses.',
    options: limitOptions,
  },
  async ({ client }, values) => {
    const change = changeOf(values)
    return Object.keys(change).length > 0 ? client.setLimits(change) : client.readLimits()
  },
  (answer, { room }) => limitLines(answer, room),
)

function changeOf({ jobs, renderer, ...values }: ValuesOf<typeof limitOptions>) {
  const ofRenderer = membersOf(rendererLimits, values)
  const isOfRenderer = Object.keys(ofRenderer).length > 0
  if (isOfRenderer && renderer === undefined)
    throw usageError(`--renderer must say whose limit that is: ${commandLine('limits')} lists them`)
  if (!isOfRenderer && renderer !== undefined)
    throw usageError('--renderer needs one of --max-concurrency, --start-delay and --starts-per-minute')
  return given({ jobs, renderers: renderer === undefined ? undefined : { [renderer]: ofRenderer } })
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
        : `starts nothing until ${secondOf(renderer.provider_pause.until)}: ${renderer.provider_pause.reason}`,
    ]
      .filter((words) => words !== '')
      .join('; '),
  ])
  return tableLines(limitColumns, [ofJobs, ...ofRenderers], room)
}

const orNone = (limit: number | null): string => (limit === null ? 'no limit' : String(limit))

/** `2 (4)`: the limit in force is 2, the configured one 4. */
const configuredBeside = (limit: number, configured: number): string =>
  limit === configured ? String(limit) : `${limit} (${configured})`

function pausedWords(paused: LimitsAnswer['paused']): string {
  if (paused === null) return ''
  const by = paused.by === null ? '' : ` by ${paused.by}`
  return `paused since ${minuteOf(paused.since)}${by}${paused.reason === null ? '' : `: ${paused.reason}`}`
}
