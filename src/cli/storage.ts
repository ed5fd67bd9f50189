/** The command about what is stored, and for how long. */
import type { PrunedAnswer, StorageAnswer } from '../client/client.ts'
import { clientFor, print, printJson, remoteOptions } from './asking.ts'
import { usageError } from './command-error.ts'
import { type Command, command } from './command.ts'
import { roomOf, tableLines } from './table.ts'
import { count, minuteOf, spokenSize } from './words.ts'

const storageOptions = { ...remoteOptions, 'dry-run': { type: 'boolean', default: false } } as const

export const storage: Command = command(storageOptions, async (context, { values, positionals }) => {
  const [verb, ...others] = positionals
  if ((verb !== undefined && verb !== 'prune') || others.length > 0)
    throw usageError(`storage takes prune, or nothing, not "${positionals.join(' ')}"`)
  const isDryRun = values['dry-run']
  if (isDryRun && verb === undefined) throw usageError('--dry-run is for storage prune')
  const client = clientFor(values, context)
  if (verb === undefined) {
    const answer = await client.readStorage()
    if (values.json) printJson(context, answer)
    else print(context, ...storageLines(answer, roomOf(context.terminal)))
  } else {
    const answer = await client.pruneStorage({ dry_run: isDryRun })
    if (values.json) printJson(context, answer)
    else print(context, ...prunedLines(answer, roomOf(context.terminal)))
  }
})

const storageColumns = [
  { head: 'WHAT' },
  { head: 'FILES', align: 'right' },
  { head: 'SIZE', align: 'right' },
  { head: 'KEPT FOR' },
  { head: 'OLDEST (UTC)' },
] as const

function storageLines({ stored, limits, oldest, free_bytes }: StorageAnswer, room: number): string[] {
  const { retain_days: days, max_stored_bytes: most } = limits
  const row = (name: string, kind: keyof typeof stored, kept: string, first: string | null): string[] => [
    name,
    String(stored[kind].files),
    spokenSize(stored[kind].bytes),
    kept,
    first === null ? '' : minuteOf(first),
  ]
  return [
    ...tableLines(
      storageColumns,
      [
        row('films', 'films', daysWords(days.films), oldest.film),
        row('clips', 'clips', daysWords(days.clips), oldest.clip),
        row('photographs', 'inputs', daysWords(days.inputs), oldest.input),
        row('other', 'other', 'a day', null),
        row('in all', 'total', '', null),
        ['events', '', '', daysWords(days.events), oldest.event === null ? '' : minuteOf(oldest.event)],
      ],
      room,
    ),
    '',
    `${spokenSize(free_bytes)} free on the disk, ${most === null ? 'and no limit to what is stored' : `and ${spokenSize(most)} may be stored`}`,
  ]
}

const daysWords = (days: number | null): string => (days === null ? 'ever' : count(days, 'day'))

const prunedColumns = [
  { head: 'REMOVED' },
  { head: 'FILES', align: 'right' },
  { head: 'SIZE', align: 'right' },
] as const

function prunedLines({ dry_run, removed, bytes, over_bytes }: PrunedAnswer, room: number): string[] {
  const rows = (['films', 'clips', 'inputs', 'other'] as const).map((kind) => [
    kind === 'inputs' ? 'photographs' : kind,
    String(removed[kind].files),
    spokenSize(removed[kind].bytes),
  ])
  const events = removed.events === 0 ? '' : ` and ${count(removed.events, 'event')}`
  return [
    ...tableLines(prunedColumns, rows, room),
    '',
    `${spokenSize(bytes)}${events} ${dry_run ? 'would be removed' : 'removed'}`,
    ...(over_bytes === 0 ? [] : [`${spokenSize(over_bytes)} beyond MAX_STORED_GB stay: needed, or too new`]),
  ]
}
