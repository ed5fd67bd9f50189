/** The command for storage: its size, and what to remove. */
import type { PrunedAnswer, StorageAnswer } from '../client/client.ts'
import type { Command } from './command.ts'
import { flag } from './option.ts'
import { remote } from './remote-command.ts'
import { tableLines } from './table.ts'
import { count, minuteOf, spokenSize } from './words.ts'

const prune = remote(
  {
    summary: 'remove now what may be removed',
    about: 'The server does so by itself within the hour.',
    options: { dryRun: flag('only show what would be removed') },
  },
  ({ client }, { dryRun }) => client.pruneStorage({ dry_run: dryRun }),
  (answer, { room }) => prunedLines(answer, room),
)

export const storage: Command = {
  ...remote(
    {
      summary: 'show what is stored, or remove what may go',
      about: 'Also for how long it is kept, and how much room is left.',
    },
    ({ client }) => client.readStorage(),
    (answer, { room }) => storageLines(answer, room),
  ),
  verbs: { prune },
}

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
    ...(over_bytes === 0
      ? []
      : [`${spokenSize(over_bytes)} beyond MAX_STORED_GB stay: still needed, or too new`]),
  ]
}
